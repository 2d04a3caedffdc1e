package constrain

import "slices"

// classes sorts the bytes into classes. All sets must be there; derivatives add
// unions of them alone, which no class cuts.
func (p *pool) classes() {
	p.sample = p.sample[:0]
	seen := map[string]uint8{}
	in := make([]byte, len(p.sets))
	for b := range 256 {
		for i := range p.sets {
			in[i] = 0
			if p.sets[i].has(byte(b)) {
				in[i] = 1
			}
		}
		c, ok := seen[string(in)]
		if !ok {
			c = uint8(len(p.sample))
			seen[string(in)] = c
			p.sample = append(p.sample, byte(b))
		}
		p.class[b] = c
	}
	p.newParts()
}

// table is a row of derivatives, none of them known.
func (p *pool) table() []int32 {
	p.take(4 * len(p.sample))
	t := make([]int32, len(p.sample))
	for i := range t {
		t[i] = -1
	}
	return t
}

// derive is what may follow a byte of class c in node id. It may be a node that
// matches nothing, which next leaves out.
func (p *pool) derive(id int32, c uint8) int32 {
	switch id {
	case none, empty:
		return none
	}
	if t := p.raw[id]; t != nil {
		if d := t[c]; d >= 0 {
			return d
		}
	}
	var d int32
	if first := p.like(id, c); first != c {
		d = p.derive(id, first)
	} else {
		p.step(1)
		d = p.derivative(p.nodes[id], c)
	}
	if p.raw[id] == nil {
		p.raw[id] = p.table()
	}
	p.raw[id][c] = d
	return d
}

func (p *pool) derivative(n node, c uint8) int32 {
	switch n.op {
	case opSet:
		if p.sets[n.a].has(p.sample[c]) {
			return empty
		}
		return none
	case opSeq:
		d := p.follow(p.derive(n.a, c), n.b)
		if p.nodes[n.a].nullable {
			d = p.alt(d, p.derive(n.b, c))
		}
		return d
	case opAlt:
		return p.alt(p.each(n.kids, c)...)
	case opRepeat:
		d := p.derive(n.a, c)
		if d == none {
			return none
		}
		max := n.max
		if max > 0 {
			max--
		}
		return p.follow(d, p.repeat(n.a, max32(0, n.min-1), max))
	case opAnd:
		return p.and(p.each(n.kids, c)...)
	case opNot:
		return p.not(p.derive(n.a, c))
	case opTerm:
		return p.term(p.derive(n.a, c))
	case opAuto:
		return p.automatonState(n.a, p.autos[n.a].next[n.b][p.sample[c]])
	case opCall:
		return p.derive(p.rules[n.a].body, c)
	}
	return none
}

func max32(a, b int32) int32 {
	if a > b {
		return a
	}
	return b
}

func (p *pool) each(kids []int32, c uint8) []int32 {
	out := make([]int32, len(kids))
	for i, k := range kids {
		out[i] = p.derive(k, c)
	}
	return out
}

// follow is d with tail behind it, alternative by alternative, so that each
// begins with a part of its own.
func (p *pool) follow(d, tail int32) int32 {
	n := p.nodes[d]
	if n.op != opAlt || tail == empty {
		return p.seq(d, tail)
	}
	out := make([]int32, len(n.kids))
	for i, k := range n.kids {
		out[i] = p.seq(k, tail)
	}
	return p.alt(out...)
}

// next is derive without the alternatives that match nothing.
func (p *pool) next(id int32, c uint8) int32 {
	if t := p.clean[id]; t != nil {
		if d := t[c]; d >= 0 {
			return d
		}
	}
	var d int32
	if first := p.like(id, c); first != c {
		d = p.next(id, first)
	} else {
		d = p.prune(p.derive(id, c))
	}
	if p.clean[id] == nil {
		p.clean[id] = p.table()
	}
	p.clean[id][c] = d
	return d
}

// prune leaves out the alternatives that match nothing. Tails match something:
// they come from a grammar from which other parts were removed.
func (p *pool) prune(id int32) int32 {
	n := p.nodes[id]
	if n.pure {
		return id
	}
	if n.op != opAlt {
		h, _ := p.split(id)
		if !p.live(h) {
			return none
		}
		return id
	}
	kept := make([]int32, 0, len(n.kids))
	for _, k := range n.kids {
		if h, _ := p.split(k); p.live(h) {
			kept = append(kept, k)
		}
	}
	if len(kept) == len(n.kids) {
		return id
	}
	return p.alt(kept...)
}

// live reports whether a node matches something. It looks for a way to the end of
// a text, and remembers what it finds about the nodes on the way.
func (p *pool) live(id int32) bool {
	n := &p.nodes[id]
	if p.alive[id] == 0 && (n.nullable || n.pure && n.regular || !n.regular) {
		p.alive[id] = 1
	}
	if s := p.alive[id]; s != 0 {
		return s > 0
	}
	type visit struct{ id, from int32 }
	queue := []visit{{id, -1}}
	seen := map[int32]bool{id: true}
	for i := 0; i < len(queue); i++ {
		for _, c := range p.parts.list[p.partOf(queue[i].id)].first {
			d := p.derive(queue[i].id, c)
			if seen[d] || p.alive[d] < 0 {
				continue
			}
			seen[d] = true
			x := &p.nodes[d]
			if x.nullable || x.pure || p.alive[d] > 0 {
				p.alive[d] = 1
				for j := int32(i); j >= 0; j = queue[j].from {
					p.alive[queue[j].id] = 1
				}
				return true
			}
			queue = append(queue, visit{d, int32(i)})
		}
	}
	for _, v := range queue {
		p.alive[v.id] = -1
	}
	return false
}

// text reads bytes from a node, none where they cannot be read.
func (p *pool) text(id int32, text []byte) int32 {
	for _, b := range text {
		if id == none {
			break
		}
		id = p.next(id, p.class[b])
	}
	return id
}

// some is a shortest text that a regular node matches.
func (p *pool) some(id int32) ([]byte, bool) {
	if !p.live(id) {
		return nil, false
	}
	type visit struct {
		id, from int32
		b        byte
	}
	queue := []visit{{id: id, from: -1}}
	seen := map[int32]bool{id: true}
	for i := 0; i < len(queue); i++ {
		if p.nodes[queue[i].id].nullable {
			var out []byte
			for j := int32(i); queue[j].from >= 0; j = queue[j].from {
				out = append(out, queue[j].b)
			}
			slices.Reverse(out)
			return out, true
		}
		for _, c := range p.parts.list[p.partOf(queue[i].id)].first {
			if d := p.next(queue[i].id, c); d != none && !seen[d] {
				seen[d] = true
				queue = append(queue, visit{d, int32(i), p.sample[c]})
			}
		}
	}
	return nil, false
}
