package constrain

// A derivative of a rule that calls itself before it reads anything would never end.
// Such rules are rewritten. With the rules A of one cycle as a row, A = C + A·T:
// what does not begin with a rule of the cycle, and what does, with that rule taken
// off. So A = C·T*, whose entries are new rules that read something before they call
// themselves (Rosenkrantz, "Matrix equations and normal forms for context-free
// grammars", 1967). Which texts there are stays the same, and nobody asks how they
// are read.

// mostCycle is how many rules may call each other before they read anything.
const mostCycle = 24

// leftCycles rewrites the rules that are in cycles. Its error is about a cycle that
// is too large.
func (c *compiler) leftCycles() error {
	l := &lefts{p: c.p, more: map[int32]bool{}, plus: map[int32]int32{}}
	var rules []int32
	for _, r := range c.used {
		if c.regular[r] < 0 && c.full[r] {
			rules = append(rules, int32(r))
		}
	}
	l.settle(rules)
	for _, cycle := range l.cycles(rules) {
		if len(cycle) > mostCycle {
			return errorf(c.p.rules[cycle[0]].name, "the rule and %d others call each other before they read anything; %d can be held", len(cycle)-1, mostCycle)
		}
		l.rewrite(cycle)
	}
	for len(l.todo) > 0 {
		r := l.todo[0]
		l.todo = l.todo[1:]
		c.p.rules[l.plus[r]].body = l.nonempty(c.p.rules[r].body)
	}
	return nil
}

type lefts struct {
	p    *pool
	more map[int32]bool  // rules that match a text that is not empty
	plus map[int32]int32 // of a rule the one of its texts that are not empty
	todo []int32         // rules whose plus has no body yet
}

// settle finds the rules that match a text that is not empty.
func (l *lefts) settle(rules []int32) {
	for changed := true; changed; {
		changed = false
		for _, r := range rules {
			if !l.more[r] && l.has(l.p.rules[r].body) {
				l.more[r], changed = true, true
			}
		}
	}
}

// has reports whether a node matches a text that is not empty.
func (l *lefts) has(id int32) bool {
	l.p.step(1)
	switch n := l.p.nodes[id]; n.op {
	case opNone, opEmpty:
		return false
	case opSet:
		return true
	case opSeq:
		return l.has(n.a) || l.has(n.b)
	case opRepeat:
		return l.has(n.a)
	case opAlt:
		for _, k := range n.kids {
			if l.has(k) {
				return true
			}
		}
		return false
	case opCall:
		return l.more[n.a]
	}
	return l.nonempty(id) != none
}

// nonempty is a node's texts without the empty one.
func (l *lefts) nonempty(id int32) int32 {
	p := l.p
	n := p.nodes[id]
	if !n.nullable {
		return id
	}
	p.step(1)
	switch n.op {
	case opEmpty:
		return none
	case opSeq:
		return p.alt(p.seq(l.nonempty(n.a), n.b), l.nonempty(n.b))
	case opAlt:
		out := make([]int32, len(n.kids))
		for i, k := range n.kids {
			out[i] = l.nonempty(k)
		}
		return p.alt(out...)
	case opRepeat:
		return p.seq(l.nonempty(n.a), p.fewer(n))
	case opCall:
		return l.callPlus(n.a)
	}
	x := p.and(id, p.not(empty))
	if !p.live(x) {
		return none
	}
	return x
}

// fewer is a repetition of which one has been taken off.
func (p *pool) fewer(n node) int32 {
	high := n.max
	if high > 0 {
		high--
	}
	return p.repeat(n.a, max(0, n.min-1), high)
}

// callPlus calls the texts of a rule that are not empty.
func (l *lefts) callPlus(r int32) int32 {
	if !l.more[r] {
		return none
	}
	to, ok := l.plus[r]
	if !ok {
		to = l.rule(l.p.rules[r].name)
		l.plus[r] = to
		l.more[to] = true
		l.todo = append(l.todo, r)
	}
	return l.p.call(to, false)
}

// rule is a new rule without a body.
func (l *lefts) rule(name string) int32 {
	l.p.rules = append(l.p.rules, rule{name: name})
	return int32(len(l.p.rules) - 1)
}

// before lists the rules that a node may call before it reads anything.
func (l *lefts) before(id int32, each func(r int32)) {
	l.p.step(1)
	switch n := l.p.nodes[id]; n.op {
	case opSeq:
		l.before(n.a, each)
		if l.p.nodes[n.a].nullable {
			l.before(n.b, each)
		}
	case opAlt:
		for _, k := range n.kids {
			l.before(k, each)
		}
	case opRepeat:
		l.before(n.a, each)
	case opCall:
		each(n.a)
	}
}

// cycles are the sets of rules that call each other before they read anything; those
// that others begin with come first (Tarjan's algorithm).
func (l *lefts) cycles(rules []int32) (out [][]int32) {
	index, low, on := map[int32]int{}, map[int32]int{}, map[int32]bool{}
	var stack []int32
	var visit func(r int32)
	visit = func(r int32) {
		index[r] = len(index) + 1
		low[r] = index[r]
		stack, on[r] = append(stack, r), true
		itself := false
		l.before(l.p.rules[r].body, func(to int32) {
			itself = itself || to == r
			if index[to] == 0 {
				visit(to)
				low[r] = min(low[r], low[to])
			} else if on[to] {
				low[r] = min(low[r], index[to])
			}
		})
		if low[r] != index[r] {
			return
		}
		var cycle []int32
		for {
			top := stack[len(stack)-1]
			stack, on[top] = stack[:len(stack)-1], false
			cycle = append(cycle, top)
			if top == r {
				break
			}
		}
		if len(cycle) > 1 || itself {
			out = append(out, cycle)
		}
	}
	for _, r := range rules {
		if index[r] == 0 {
			visit(r)
		}
	}
	return out
}

// begun is the texts of a node, but the empty one, by what they begin with.
type begun struct {
	other int32   // with no rule of the cycle
	rules []int32 // with a text, not empty, of each rule of the cycle: what follows it
}

// begins takes a node apart. at is the place of a rule in the cycle.
func (l *lefts) begins(id int32, at map[int32]int) begun {
	p := l.p
	p.step(len(at))
	b := begun{other: none, rules: make([]int32, len(at))}
	add := func(x begun, tail int32) {
		b.other = p.alt(b.other, p.seq(x.other, tail))
		for i, r := range x.rules {
			b.rules[i] = p.alt(b.rules[i], p.seq(r, tail))
		}
	}
	switch n := p.nodes[id]; n.op {
	case opSeq:
		add(l.begins(n.a, at), n.b)
		if p.nodes[n.a].nullable {
			add(l.begins(n.b, at), empty)
		}
	case opAlt:
		for _, k := range n.kids {
			add(l.begins(k, at), empty)
		}
	case opRepeat:
		if n.regular {
			b.other = l.nonempty(id)
		} else {
			add(l.begins(n.a, at), p.fewer(n))
		}
	case opCall:
		if i, ok := at[n.a]; ok {
			if l.more[n.a] {
				b.rules[i] = empty
			}
			break
		}
		b.other = l.nonempty(id)
	default:
		b.other = l.nonempty(id)
	}
	return b
}

// rewrite takes the recursion out of a cycle.
func (l *lefts) rewrite(cycle []int32) {
	p, n := l.p, len(cycle)
	at := map[int32]int{}
	for i, r := range cycle {
		at[r] = i
	}
	first := make([]int32, n)   // C
	then := make([][]int32, n)  // T, without the empty text: [from][to]
	direct := make([][]bool, n) // where T has the empty text, and how that goes on
	leads := make([][]bool, n)  // whether T* has any text
	for i := range n {
		then[i], direct[i], leads[i] = make([]int32, n), make([]bool, n), make([]bool, n)
		direct[i][i], leads[i][i] = true, true
	}
	for i, r := range cycle {
		b := l.begins(p.rules[r].body, at)
		first[i] = b.other
		for j, follows := range b.rules {
			then[j][i] = l.nonempty(follows)
			direct[j][i] = direct[j][i] || p.nodes[follows].nullable
			leads[j][i] = leads[j][i] || follows != none
		}
	}
	closure(direct)
	closure(leads)
	star := make([][]int32, n)
	for j := range n {
		star[j] = make([]int32, n)
		for i := range n {
			star[j][i] = none
			if leads[j][i] {
				star[j][i] = p.call(l.rule(p.rules[cycle[i]].name), direct[j][i])
			}
		}
	}
	var stars []int32
	for j := range n {
		for i := range n {
			if !leads[j][i] {
				continue
			}
			var kids []int32
			if direct[j][i] {
				kids = append(kids, empty)
			}
			for over := range n {
				if !direct[j][over] {
					continue
				}
				for k := range n {
					kids = append(kids, p.seq(then[over][k], star[k][i]))
				}
			}
			to := p.nodes[star[j][i]].a
			p.rules[to].body = p.alt(kids...)
			stars = append(stars, to)
		}
	}
	l.settle(stars)
	for i, r := range cycle {
		var kids []int32
		if p.nodes[p.rules[r].body].nullable {
			kids = append(kids, empty)
		}
		for j := range n {
			kids = append(kids, p.seq(first[j], star[j][i]))
		}
		p.rules[r].body = p.alt(kids...)
	}
}

// closure makes a relation transitive.
func closure(m [][]bool) {
	for k := range m {
		for i := range m {
			for j := range m {
				m[i][j] = m[i][j] || m[i][k] && m[k][j]
			}
		}
	}
}
