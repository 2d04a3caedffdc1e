package constrain

// engine computes the masks of one grammar over one vocabulary. The grammar's
// lock is held.
type engine struct {
	p     *pool
	v     *Vocabulary
	stack []int32 // scratch: states on the way down the trie
	force map[int32][]int32
}

func newEngine(p *pool, v *Vocabulary) *engine {
	v.build()
	return &engine{p: p, v: v, stack: make([]int32, v.depth+1), force: map[int32][]int32{}}
}

// mask sets the bits of the tokens that may follow a state.
func (e *engine) mask(dst []uint32, state int32) {
	e.walk(state, 0, int32(len(e.v.trie)), func(id int32) { e.allow(dst, id) })
	if e.p.nodes[state].nullable {
		for _, id := range e.v.ends {
			set(dst, id)
		}
	}
}

// first is mask for the first token of a text, of which the vocabulary drops a
// space.
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

// walk goes over the nodes from from to to, which lie below one whose state is
// given, and tells of the tokens that end at them.
func (e *engine) walk(state, from, to int32, found func(id int32)) {
	if from >= to {
		return
	}
	p, trie := e.p, e.v.trie
	base := trie[from].depth
	e.stack[base] = state
	for i := from; i < to; {
		n := &trie[i]
		above := e.stack[n.depth]
		c := p.class[n.b]
		d := int32(-1)
		if t := p.clean[above]; t != nil {
			d = t[c]
		}
		if d < 0 {
			d = p.next(above, c)
		}
		p.work++
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

func (e *engine) allow(dst []uint32, id int32) {
	set(dst, id)
	for _, s := range e.v.same[id] {
		set(dst, s)
	}
}

func set(dst []uint32, id int32) { dst[id/32] |= 1 << (id % 32) }
