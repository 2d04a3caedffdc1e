package constrain

import (
	"slices"
	"unicode/utf8"
)

// compiler turns expressions into nodes. It goes over them twice: the sets of
// bytes must be known before it can tell which parts match nothing.
type compiler struct {
	p       *pool
	b       *Builder // or nil: no rules
	checked [2]map[*expr]bool
	count   int
	seen    map[*expr]int32
	final   bool    // the second time
	used    []int   // rules that are reached
	regular []int8  // of rules: 0 not known, 1 calls no recursion, -1 does, 2 at work
	null    []bool  // of rules: matches the empty text
	full    []bool  // of rules: matches something
	inlined []int32 // nodes of regular rules, or -1
	depth   int     // of rules at work
	any     int32   // any text
}

// compile makes a pool and a start node of an expression.
func compile(b *Builder, start Expr) (p *pool, root int32, err error) {
	return compileWithin(b, start, mostCompile)
}

// compileWithin is compile with a limit of steps, beyond those that each part needs.
func compileWithin(b *Builder, start Expr, limit int) (p *pool, root int32, err error) {
	n := 0
	if b != nil {
		n = len(b.rules)
	}
	c := &compiler{
		p: newPool(), b: b, checked: [2]map[*expr]bool{{}, {}},
		regular: make([]int8, n), null: make([]bool, n), full: make([]bool, n), inlined: make([]int32, n),
	}
	if err := c.checkAll(start); err != nil {
		return nil, 0, err
	}
	var failed error
	err = c.p.guard(func() {
		c.p.limit = limit + 16*c.count
		c.fixpoint(start)
		c.pass(start)
		c.p.classes()
		c.final = true
		c.p.raw, c.p.clean = make([][]int32, len(c.p.nodes)), make([][]int32, len(c.p.nodes))
		c.productive(start)
		root = c.pass(start)
		if failed = c.leftCycles(); failed == nil {
			failed = c.leftRecursion()
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return c.p, 0, err
	}
	c.p.limit = mostWork
	return c.p, root, nil
}

// pass compiles the start and every rule that is reached.
func (c *compiler) pass(start Expr) int32 {
	c.seen = map[*expr]int32{}
	c.any = none
	c.p.slices = c.p.slices[:0]
	for _, class := range sliceClasses {
		c.p.slices = append(c.p.slices, c.characters(class))
	}
	for i := range c.inlined {
		c.inlined[i] = -1
	}
	if c.b != nil {
		c.p.rules = make([]rule, len(c.b.rules))
	}
	for _, r := range c.used {
		if c.regular[r] < 0 {
			c.p.rules[r] = rule{c.b.rules[r].name, c.node(c.b.rules[r].body)}
		}
	}
	return c.node(start)
}

// node compiles a checked expression.
func (c *compiler) node(x Expr) int32 {
	e := x.e
	if e == nil {
		return empty
	}
	if id, ok := c.seen[e]; ok {
		return id
	}
	p := c.p
	id := none
	switch e.op {
	case exprLit:
		id = c.bytes([]byte(e.text))
	case exprSpecial:
		id = p.seq(p.byteRange(0xff, 0xff), p.seq(c.bytes([]byte(e.text)), p.byteRange(0xff, 0xff)))
	case exprClass:
		id = c.characters(e.ranges)
	case exprSeq:
		id = empty
		for _, k := range slices.Backward(e.kids) {
			id = p.seq(c.node(k), id)
		}
	case exprAlt:
		id = p.alt(c.nodes(e.kids)...)
	case exprRepeat:
		id = p.repeat(c.node(e.kids[0]), int32(e.min), int32(e.max))
	case exprAnd:
		id = p.and(append(c.nodes(e.kids), c.text())...)
	case exprNot:
		id = p.and(p.not(c.node(e.kids[0])), c.text())
	case exprTerminal:
		id = p.term(c.node(e.kids[0]))
	case exprRule:
		id = c.rule(e.rule)
	case exprAutomaton:
		id = p.automaton(e.auto, int32(e.min))
	}
	if n := &p.nodes[id]; c.final && n.regular && !n.pure && !p.live(id) {
		id = none
	}
	c.seen[e] = id
	return id
}

func (c *compiler) nodes(xs []Expr) []int32 {
	out := make([]int32, len(xs))
	for i, x := range xs {
		out[i] = c.node(x)
	}
	return out
}

// rule is a call, or the body itself where no recursion is in it.
func (c *compiler) rule(r int) int32 {
	if c.regular[r] < 0 {
		if c.final && !c.full[r] {
			return none
		}
		return c.p.call(int32(r), c.null[r])
	}
	if c.inlined[r] < 0 {
		if c.depth++; c.depth > mostRules {
			panic(tooMuch{depthError()})
		}
		c.inlined[r] = c.node(c.b.rules[r].body)
		c.depth--
	}
	return c.inlined[r]
}

func (c *compiler) bytes(text []byte) int32 {
	id := empty
	for _, b := range slices.Backward(text) {
		id = c.p.seq(c.p.byteRange(b, b), id)
	}
	return id
}

// text is any valid UTF-8.
func (c *compiler) text() int32 {
	if c.any == none {
		c.any = c.p.repeat(c.characters([]rune{0, utf8.MaxRune}), 0, -1)
	}
	return c.any
}

// leftRecursion refuses a rule that calls itself before it reads anything. leftCycles
// has left none.
func (c *compiler) leftRecursion() error {
	const atWork, done = 1, 2
	state := make([]int8, len(c.p.rules))
	var visit func(id int32) int
	visit = func(id int32) int { // a rule that calls itself, or -1
		n := &c.p.nodes[id]
		switch n.op {
		case opSeq:
			r := visit(n.a)
			if r < 0 && c.p.nodes[n.a].nullable {
				r = visit(n.b)
			}
			return r
		case opAlt:
			for _, k := range n.kids {
				if r := visit(k); r >= 0 {
					return r
				}
			}
		case opRepeat:
			return visit(n.a)
		case opCall:
			switch state[n.a] {
			case atWork:
				return int(n.a)
			case done:
				return -1
			}
			state[n.a] = atWork
			r := visit(c.p.rules[n.a].body)
			state[n.a] = done
			return r
		}
		return -1
	}
	for r, rule := range c.p.rules {
		if state[r] != 0 {
			continue
		}
		state[r] = atWork
		if bad := visit(rule.body); bad >= 0 {
			return errorf(c.p.rules[bad].name, "the rule calls itself before it reads anything; write it as a repetition")
		}
		state[r] = done
	}
	return nil
}
