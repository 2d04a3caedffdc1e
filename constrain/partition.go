package constrain

// A node tells few bytes apart. Its partition says which classes of bytes it reads
// alike, so that a derivative is computed once for all of them (Owens, Reppy and
// Turon, "Regular-expression derivatives re-examined", 2009).

// partition sorts the classes of bytes into parts.
type partition struct {
	of    []uint8 // the part of a class
	first []uint8 // the first class of a part
}

// parts holds the partitions of a pool's nodes, each once.
type parts struct {
	list   []partition
	of     []int32 // of nodes; -1 is not known
	sets   []int32 // of sets; -1 is not known
	unique map[string]int32
	both   map[[2]int32]int32
}

func (p *pool) newParts() {
	p.parts = parts{unique: map[string]int32{}, both: map[[2]int32]int32{}}
	p.part(make([]uint8, len(p.sample))) // 0: tells nothing apart
}

// part interns a partition. Its parts are numbered anew.
func (p *pool) part(of []uint8) int32 {
	x := &p.parts
	if id, ok := x.unique[string(of)]; ok {
		return id
	}
	var first []uint8
	for c, o := range of {
		if int(o) == len(first) {
			first = append(first, uint8(c))
		}
	}
	x.list = append(x.list, partition{of, first})
	id := int32(len(x.list) - 1)
	x.unique[string(of)] = id
	return id
}

// product tells apart what either partition does.
func (p *pool) product(a, b int32) int32 {
	switch {
	case a == b || b == 0:
		return a
	case a == 0:
		return b
	case a > b:
		a, b = b, a
	}
	k := [2]int32{a, b}
	if id, ok := p.parts.both[k]; ok {
		return id
	}
	of := make([]uint8, len(p.sample))
	number := map[[2]uint8]uint8{}
	for c := range of {
		pair := [2]uint8{p.parts.list[a].of[c], p.parts.list[b].of[c]}
		n, ok := number[pair]
		if !ok {
			n = uint8(len(number))
			number[pair] = n
		}
		of[c] = n
	}
	id := p.part(of)
	p.parts.both[k] = id
	return id
}

// partOf is the partition of a node.
func (p *pool) partOf(id int32) int32 {
	x := &p.parts
	for len(x.of) < len(p.nodes) {
		x.of = append(x.of, -1)
	}
	if x.of[id] >= 0 {
		return x.of[id]
	}
	n := p.nodes[id]
	part := int32(0)
	switch n.op {
	case opSet:
		part = p.partOfSet(n.a)
	case opSeq:
		if part = p.partOf(n.a); p.nodes[n.a].nullable {
			part = p.product(part, p.partOf(n.b))
		}
	case opAlt, opAnd:
		for _, k := range n.kids {
			part = p.product(part, p.partOf(k))
		}
	case opRepeat, opNot, opTerm:
		part = p.partOf(n.a)
	case opCall:
		part = p.partOf(p.rules[n.a].body)
	case opAuto:
		part = p.partOfRow(&p.autos[n.a].next[n.b])
	case opNone, opEmpty:
	default:
		panic("constrain: a node without a partition")
	}
	x.of[id] = part
	return part
}

// partOfRow tells the bytes of an automaton's state apart by where they lead.
func (p *pool) partOfRow(row *[256]int32) int32 {
	of := make([]uint8, len(p.sample))
	number := map[int32]uint8{}
	for c, b := range p.sample {
		n, ok := number[row[b]]
		if !ok {
			n = uint8(len(number))
			number[row[b]] = n
		}
		of[c] = n
	}
	return p.part(of)
}

func (p *pool) partOfSet(at int32) int32 {
	x := &p.parts
	for len(x.sets) < len(p.sets) {
		x.sets = append(x.sets, -1)
	}
	if x.sets[at] < 0 {
		of := make([]uint8, len(p.sample))
		in := p.sets[at].has(p.sample[0])
		for c, b := range p.sample {
			if p.sets[at].has(b) != in {
				of[c] = 1
			}
		}
		x.sets[at] = p.part(of)
	}
	return x.sets[at]
}

// like is the first class that a node reads as it does c.
func (p *pool) like(id int32, c uint8) uint8 {
	x := &p.parts.list[p.partOf(id)]
	return x.first[x.of[c]]
}
