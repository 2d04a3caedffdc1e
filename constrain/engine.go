package constrain

import "slices"

// engine computes the masks of one grammar over one vocabulary. The grammar's
// lock is held.
type engine struct {
	p     *pool
	v     *Vocabulary
	stack []int32 // scratch: states on the way down the trie
	force map[int32][]int32
	masks map[int32][]uint32 // of states
	// follow is what the characters of slices make of states.
	follow map[[2]int32]*successors
}

func newEngine(p *pool, v *Vocabulary) *engine {
	v.build()
	return &engine{p: p, v: v, stack: make([]int32, v.trie.depth+1), force: map[int32][]int32{}, masks: map[int32][]uint32{}, follow: map[[2]int32]*successors{}}
}

// mask sets the bits of the tokens that may follow a state.
func (e *engine) mask(dst []uint32, state int32) {
	state = e.p.clamp(state, int32(e.v.trie.depth))
	if m := e.masks[state]; m != nil {
		copy(dst, m)
		return
	}
	for i, s := range e.v.slices {
		if len(s.trie.nodes) == 0 {
			continue
		}
		if !s.last {
			if n, ok := e.runs(i, state, mostChars); ok {
				if n > 0 {
					for w, bits := range s.most(e.v, n) {
						dst[w] |= bits
					}
				}
				continue
			}
		}
		e.walk(s.trie, state, 0, int32(len(s.trie.nodes)), func(id int32) { e.v.allow(dst, id) })
	}
	if e.p.nodes[state].nullable {
		for _, id := range e.v.ends {
			set(dst, id)
		}
	}
	if len(e.masks) >= mostMasks {
		clear(e.masks)
	}
	e.masks[state] = slices.Clone(dst)
}

// first is mask for the first token of a text. The vocabulary drops a space that
// this token begins with.
func (e *engine) first(dst []uint32, state int32) {
	p := e.p
	for id := range e.v.tokens {
		if text, ok := e.v.first(int32(id)); ok && p.text(state, text) != none {
			set(dst, int32(id))
		}
	}
	if p.nodes[state].nullable {
		for _, id := range e.v.ends {
			set(dst, id)
		}
	}
}

// walk goes over a trie's nodes from from to to, which lie below one whose state is
// given, and tells of the tokens that end at them.
func (e *engine) walk(t *trie, state, from, to int32, found func(id int32)) {
	if from >= to {
		return
	}
	p, nodes := e.p, t.nodes
	base := nodes[from].depth
	p.step(len(nodes) / 16)
	e.stack[base] = state
	for i := from; i < to; {
		n := &nodes[i]
		above := e.stack[n.depth]
		c := p.class[n.b]
		d := int32(-1)
		if t := p.clean[above]; t != nil {
			d = t[c]
		}
		if d < 0 {
			d = p.next(above, c)
		}
		if d == none {
			i = n.next
			continue
		}
		e.stack[n.depth+1] = d
		if n.token >= 0 {
			found(n.token)
		}
		i++
	}
}
