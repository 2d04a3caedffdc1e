package constrain

import "slices"

// alt is one of its kids. Kids that begin with the same part are merged, so that
// what follows it is computed once. Repetitions of the same part whose counts
// meet are merged, and so are single bytes.
func (p *pool) alt(kids ...int32) int32 {
	switch len(kids) {
	case 0:
		return none
	case 1:
		return kids[0]
	case 2:
		if kids[0] == kids[1] || kids[1] == none {
			return kids[0]
		}
		if kids[0] == none {
			return kids[1]
		}
	}
	flat := p.flatten(nil, kids)
	slices.Sort(flat)
	flat = slices.Compact(flat)
	if len(flat) > mostAlt {
		panic(tooMuch{ErrWork})
	}
	p.step(len(flat))
	flat = p.mergeHeads(flat)
	flat = p.mergeCounts(flat)
	flat = p.mergeSets(flat)
	n := node{op: opAlt, regular: true, pure: true, kids: flat}
	for _, k := range flat {
		x := &p.nodes[k]
		n.nullable = n.nullable || x.nullable && k != empty
		n.regular = n.regular && x.regular
		n.pure = n.pure && x.pure
	}
	if len(flat) > 0 && flat[0] == empty {
		if n.nullable { // by another
			n.kids = flat[1:]
		}
		n.nullable = true
	}
	switch len(n.kids) {
	case 0:
		return none
	case 1:
		return n.kids[0]
	}
	return p.list(n)
}

func (p *pool) flatten(dst, kids []int32) []int32 {
	for _, k := range kids {
		switch n := &p.nodes[k]; n.op {
		case opNone:
		case opAlt:
			dst = append(dst, n.kids...)
		default:
			dst = append(dst, k)
		}
	}
	return dst
}

// split is a kid as its first part and what follows.
func (p *pool) split(k int32) (head, tail int32) {
	if n := &p.nodes[k]; n.op == opSeq {
		return n.a, n.b
	}
	return k, empty
}

// mergeHeads makes h t1 | h t2 one kid, h (t1|t2).
func (p *pool) mergeHeads(kids []int32) []int32 {
	if len(kids) < 2 {
		return kids
	}
	type part struct{ head, tail int32 }
	parts := make([]part, len(kids))
	for i, k := range kids {
		h, t := p.split(k)
		parts[i] = part{h, t}
	}
	slices.SortFunc(parts, func(x, y part) int {
		if x.head != y.head {
			return int(x.head) - int(y.head)
		}
		return int(x.tail) - int(y.tail)
	})
	merged := false
	out := kids[:0]
	for i := 0; i < len(parts); {
		j := i + 1
		for j < len(parts) && parts[j].head == parts[i].head {
			j++
		}
		if j == i+1 || parts[i].head == empty {
			out = append(out, p.seq(parts[i].head, parts[i].tail))
		} else {
			tails := make([]int32, 0, j-i)
			for _, x := range parts[i:j] {
				tails = append(tails, x.tail)
			}
			out = append(out, p.seq(parts[i].head, p.alt(tails...)))
			merged = true
		}
		i = j
	}
	slices.Sort(out)
	if merged {
		out = slices.Compact(out)
	}
	return out
}

// mergeCounts makes x{a,b} t | x{c,d} t one kid where the counts leave no gap.
func (p *pool) mergeCounts(kids []int32) []int32 {
	type run struct{ x, tail, min, max int32 }
	var runs []run
	for _, k := range kids {
		if h, t := p.split(k); p.nodes[h].op == opRepeat {
			n := &p.nodes[h]
			runs = append(runs, run{n.a, t, n.min, n.max})
		}
	}
	if len(runs) < 2 {
		return kids
	}
	slices.SortFunc(runs, func(x, y run) int {
		switch {
		case x.x != y.x:
			return int(x.x) - int(y.x)
		case x.tail != y.tail:
			return int(x.tail) - int(y.tail)
		}
		return int(x.min) - int(y.min)
	})
	out := make([]int32, 0, len(kids))
	for _, k := range kids {
		if h, _ := p.split(k); p.nodes[h].op != opRepeat {
			out = append(out, k)
		}
	}
	for i := 0; i < len(runs); i++ {
		r := runs[i]
		for i+1 < len(runs) {
			next := runs[i+1]
			if next.x != r.x || next.tail != r.tail || r.max >= 0 && next.min > r.max+1 {
				break
			}
			if r.max >= 0 && (next.max < 0 || next.max > r.max) {
				r.max = next.max
			}
			i++
		}
		out = append(out, p.seq(p.repeat(r.x, r.min, r.max), r.tail))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mergeSets makes [a] t | [b] t one kid.
func (p *pool) mergeSets(kids []int32) []int32 {
	var by map[int32]byteSet
	n := 0
	for _, k := range kids {
		if h, t := p.split(k); p.nodes[h].op == opSet {
			if by == nil {
				by = map[int32]byteSet{}
			}
			s := by[t]
			for i, w := range p.sets[p.nodes[h].a] {
				s[i] |= w
			}
			by[t] = s
			n++
		}
	}
	if n == len(by) {
		return kids
	}
	out := make([]int32, 0, len(kids))
	for _, k := range kids {
		if h, t := p.split(k); p.nodes[h].op == opSet {
			s, ok := by[t]
			if !ok {
				continue
			}
			delete(by, t)
			out = append(out, p.seq(p.set(s), t))
		} else {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
