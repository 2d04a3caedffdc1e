package constrain

// clamp is a state that reads all texts of at most most bytes as the given one does,
// with smaller counts: a repetition that is not used up within such a text has no
// limit, and one that cannot come to its least count within it has the next higher.
// So the states along a long text of a bounded length are one.
func (p *pool) clamp(id int32, most int32) int32 {
	n := p.nodes[id]
	switch n.op {
	case opSeq:
		if a := p.clamp(n.a, most); a != n.a {
			return p.seq(a, n.b)
		}
	case opAlt:
		kids := make([]int32, len(n.kids))
		same := true
		for i, k := range n.kids {
			kids[i] = p.clamp(k, most)
			same = same && kids[i] == k
		}
		if !same {
			return p.alt(kids...)
		}
	case opTerm:
		if a := p.clamp(n.a, most); a != n.a {
			return p.term(a)
		}
	case opRepeat:
		if p.nodes[n.a].nullable {
			return id
		}
		low, high := n.min, n.max
		if low > most {
			low = most + 1
		}
		if high > most {
			high = -1
		}
		if low != n.min || high != n.max {
			return p.repeat(n.a, low, high)
		}
	}
	// Whether an intersection matches anything may depend on counts far away, so
	// those stay as they are.
	return id
}
