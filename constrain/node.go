package constrain

import (
	"encoding/binary"
	"slices"
)

// node is an expression over bytes. Equal nodes have one number in their pool.
type node struct {
	op       nodeOp
	nullable bool // matches the empty text
	regular  bool // has no calls
	pure     bool // has no intersection and no complement, so it matches something
	a, b     int32
	min, max int32
	kids     []int32 // sorted
}

type nodeOp uint8

const (
	opNone   nodeOp = iota // nothing
	opEmpty                // the empty text
	opSet                  // one byte out of set a
	opSeq                  // a, which is no opSeq, then b
	opAlt                  // one of kids
	opRepeat               // a, min to max times; max -1 has no limit
	opAnd                  // all of kids
	opNot                  // bytes that are not in a, valid UTF-8 or not
	opTerm                 // a, as a unit
	opCall                 // rule a
	opAuto                 // automaton a from state b on
)

// The nodes that every pool begins with.
const (
	none  int32 = 0
	empty int32 = 1
)

type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b/64] |= 1 << (b % 64)
	}
}

func (s *byteSet) has(b byte) bool { return s[b/64]>>(b%64)&1 != 0 }

// key is what makes a node unlike others, apart from a list of kids.
type key struct {
	op             nodeOp
	a, b, min, max int32
}

// pool holds the nodes of one grammar, and what bytes do to them.
type pool struct {
	nodes  []node
	unique map[key]int32
	lists  [2]map[string]int32 // of opAlt and opAnd
	sets   []byteSet
	setIDs map[byteSet]int32
	rules  []rule
	parts  parts
	slices []int32 // one character of each slice's class
	autos  []*automaton

	class  [256]uint8 // of a byte; bytes of one class are in the same sets
	sample []byte     // one byte of each class

	raw, clean [][]int32 // derivatives of a node by class, or nil; -1 is not known
	alive      []int8    // of a node: 0 not known, 1 matches something, -1 matches nothing
	bytes      int       // of nodes and tables, nearly
	work       int       // steps since the last call from outside
	limit      int       // of work
	scratch    []byte
}

type rule struct {
	name string
	body int32
}

func newPool() *pool {
	p := &pool{
		unique: map[key]int32{},
		lists:  [2]map[string]int32{{}, {}},
		setIDs: map[byteSet]int32{},
		limit:  mostWork,
	}
	p.push(node{op: opNone, regular: true, pure: true})
	p.push(node{op: opEmpty, nullable: true, regular: true, pure: true})
	p.alive[none], p.alive[empty] = -1, 1
	return p
}

func (p *pool) push(n node) int32 {
	p.step(1)
	p.take(nodeBytes + 4*len(n.kids))
	p.nodes = append(p.nodes, n)
	p.raw = append(p.raw, nil)
	p.clean = append(p.clean, nil)
	p.alive = append(p.alive, 0)
	return int32(len(p.nodes) - 1)
}

// tooMuch ends a computation. [guard] turns it into an error.
type tooMuch struct{ err error }

func (p *pool) step(n int) {
	if p.work += n; p.work > p.limit {
		panic(tooMuch{ErrWork})
	}
}

// nodeBytes is what a node takes, with its places in slices and maps.
const nodeBytes = 240

func (p *pool) take(n int) {
	if p.bytes += n; p.bytes > mostBytes {
		panic(tooMuch{ErrWork})
	}
}

// guard runs f, which may end by tooMuch.
func (p *pool) guard(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooMuch:
			err = r.err
		default:
			panic(r)
		}
	}()
	p.work = 0
	f()
	return nil
}

func (p *pool) intern(k key, n func() node) int32 {
	if id, ok := p.unique[k]; ok {
		return id
	}
	id := p.push(n())
	p.unique[k] = id
	return id
}

func (p *pool) set(s byteSet) int32 {
	if s == (byteSet{}) {
		return none
	}
	at, ok := p.setIDs[s]
	if !ok {
		at = int32(len(p.sets))
		p.sets = append(p.sets, s)
		p.setIDs[s] = at
	}
	return p.intern(key{op: opSet, a: at}, func() node { return node{op: opSet, a: at, regular: true, pure: true} })
}

func (p *pool) byteRange(lo, hi byte) int32 {
	var s byteSet
	s.add(lo, hi)
	return p.set(s)
}

func (p *pool) seq(a, b int32) int32 {
	switch {
	case a == none || b == none:
		return none
	case a == empty:
		return b
	case b == empty:
		return a
	}
	p.step(1)
	if n := p.nodes[a]; n.op == opSeq {
		// A loop, not a recursion: a literal may be long.
		heads := []int32{n.a}
		for n.op == opSeq {
			a = n.b
			if n = p.nodes[a]; n.op == opSeq {
				heads = append(heads, n.a)
			}
		}
		b = p.seq(a, b)
		for _, h := range slices.Backward(heads) {
			b = p.seq(h, b)
		}
		return b
	}
	return p.intern(key{op: opSeq, a: a, b: b}, func() node {
		x, y := &p.nodes[a], &p.nodes[b]
		return node{op: opSeq, a: a, b: b, nullable: x.nullable && y.nullable, regular: x.regular && y.regular, pure: x.pure && y.pure}
	})
}

func (p *pool) term(a int32) int32 {
	switch p.nodes[a].op {
	case opNone, opEmpty, opTerm:
		return a
	}
	return p.intern(key{op: opTerm, a: a}, func() node {
		x := &p.nodes[a]
		return node{op: opTerm, a: a, nullable: x.nullable, regular: true, pure: x.pure}
	})
}

func (p *pool) call(r int32, nullable bool) int32 {
	return p.intern(key{op: opCall, a: r}, func() node { return node{op: opCall, a: r, nullable: nullable, pure: true} })
}

func (p *pool) repeat(a int32, min, max int32) int32 {
	x := p.nodes[a]
	switch {
	case max == 0 || a == empty:
		return empty
	case a == none:
		if min == 0 {
			return empty
		}
		return none
	case min == 1 && max == 1:
		return a
	}
	if x.nullable {
		min = 0
	}
	if x.op == opRepeat && x.min == 0 && x.max < 0 && min <= 1 { // (y*)*
		return a
	}
	return p.intern(key{op: opRepeat, a: a, min: min, max: max}, func() node {
		return node{op: opRepeat, a: a, min: min, max: max, nullable: min == 0, regular: x.regular, pure: x.pure}
	})
}

func (p *pool) not(a int32) int32 {
	if n := p.nodes[a]; n.op == opNot {
		return n.a
	}
	return p.intern(key{op: opNot, a: a}, func() node {
		return node{op: opNot, a: a, nullable: !p.nodes[a].nullable, regular: true}
	})
}

func (p *pool) and(kids ...int32) int32 {
	flat := make([]int32, 0, len(kids))
	for _, k := range kids {
		switch n := &p.nodes[k]; n.op {
		case opNone:
			return none
		case opAnd:
			flat = append(flat, n.kids...)
		case opTerm:
			flat = append(flat, n.a)
		default:
			flat = append(flat, k)
		}
	}
	slices.Sort(flat)
	flat = slices.Compact(flat)
	p.step(len(flat))
	nullable := true
	for _, k := range flat {
		nullable = nullable && p.nodes[k].nullable
	}
	switch {
	case len(flat) == 1:
		return flat[0]
	case flat[0] == empty: // empty is the smallest number there is here
		if nullable {
			return empty
		}
		return none
	}
	return p.list(node{op: opAnd, nullable: nullable, regular: true, kids: flat})
}

// list interns a node of kids.
func (p *pool) list(n node) int32 {
	at := 0
	if n.op == opAnd {
		at = 1
	}
	p.scratch = p.scratch[:0]
	for _, k := range n.kids {
		p.scratch = binary.LittleEndian.AppendUint32(p.scratch, uint32(k))
	}
	if id, ok := p.lists[at][string(p.scratch)]; ok {
		return id
	}
	name := string(p.scratch)
	n.kids = slices.Clone(n.kids)
	id := p.push(n)
	p.lists[at][name] = id
	return id
}
