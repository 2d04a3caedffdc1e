package constrain

import "unicode/utf8"

// depthError is about parts within parts.
func depthError() error {
	return errorf("", "the grammar nests its parts more than %d deep", MostDepth)
}

// checkAll checks the start and every rule that it reaches.
func (c *compiler) checkAll(start Expr) error {
	if err := c.check(start, 0, false); err != nil {
		return err
	}
	for i := 0; i < len(c.used); i++ {
		r := c.b.rules[c.used[i]]
		if !r.defined {
			return errorf(r.name, "the rule is used and not defined")
		}
		if err := c.check(r.body, 0, false); err != nil {
			return at(err, r.name)
		}
	}
	return nil
}

// check refuses an expression that is malformed. regular says that it may hold no
// rules that call themselves.
func (c *compiler) check(x Expr, depth int, regular bool) error {
	e, as := x.e, 0
	if regular {
		as = 1
	}
	if e == nil || c.checked[as][e] {
		return nil
	}
	if depth > MostDepth {
		return depthError()
	}
	if c.count++; c.count > mostExprs {
		return errorf("", "the grammar has more than %d parts", mostExprs)
	}
	if err := c.checkOne(e, regular); err != nil {
		return err
	}
	for _, k := range e.kids {
		if err := c.check(k, depth+1, regular || e.op == exprAnd || e.op == exprNot || e.op == exprTerminal); err != nil {
			return err
		}
	}
	c.checked[as][e] = true
	return nil
}

func (c *compiler) checkOne(e *expr, regular bool) error {
	switch e.op {
	case exprLit:
		if !utf8.ValidString(e.text) {
			return errorf("", "the text %q is not valid UTF-8", e.text)
		}
	case exprSpecial:
		if e.text == "" || len(e.text) > mostSpecial || !utf8.ValidString(e.text) {
			return errorf("", "no special token can stand here")
		}
	case exprClass:
		if len(e.ranges)%2 != 0 {
			return errorf("", "a class of characters has %d bounds, which is odd", len(e.ranges))
		}
		for i := 0; i < len(e.ranges); i += 2 {
			if lo, hi := e.ranges[i], e.ranges[i+1]; lo < 0 || hi < lo || hi > utf8.MaxRune {
				return errorf("", "the characters %U to %U are no range", lo, hi)
			}
		}
	case exprRepeat:
		if e.min < 0 || e.max < -1 || e.max >= 0 && e.max < e.min || e.min > MostRepeat || e.max > MostRepeat {
			return errorf("", "a repetition of %d to %d times is out of bounds: counts go from 0 to %d", e.min, e.max, MostRepeat)
		}
	case exprRule:
		return c.checkRule(e, regular)
	}
	return nil
}

func (c *compiler) checkRule(e *expr, regular bool) error {
	if c.b == nil || e.of != c.b {
		return errorf(e.text, "the rule is of another grammar")
	}
	if c.regular[e.rule] == 0 {
		c.classify(e.rule)
	}
	if regular && c.regular[e.rule] < 0 {
		return errorf(e.text, "the rule calls itself, so it can be in no intersection, complement or terminal")
	}
	return nil
}

// classify finds out whether a rule calls itself or one that does, and lists it
// and all that it reaches as used.
func (c *compiler) classify(r int) {
	c.regular[r] = 2
	c.used = append(c.used, r)
	state := int8(1)
	seen := map[*expr]bool{}
	var walk func(x Expr)
	walk = func(x Expr) {
		e := x.e
		if e == nil || seen[e] {
			return
		}
		seen[e] = true
		if e.op == exprRule && e.of == c.b {
			if c.regular[e.rule] == 0 {
				c.classify(e.rule)
			}
			if c.regular[e.rule] != 1 {
				state = -1
			}
		}
		for _, k := range e.kids {
			walk(k)
		}
	}
	walk(c.b.rules[r].body)
	c.regular[r] = state
}

// fixpoint finds the rules that match the empty text.
func (c *compiler) fixpoint(start Expr) {
	var null func(x Expr) bool
	null = func(x Expr) bool {
		e := x.e
		if e == nil {
			return true
		}
		c.p.step(1)
		switch e.op {
		case exprLit:
			return e.text == ""
		case exprRule:
			return c.null[e.rule]
		case exprRepeat:
			return e.min == 0 || null(e.kids[0])
		case exprSeq, exprTerminal, exprAnd:
			for _, k := range e.kids {
				if !null(k) {
					return false
				}
			}
			return true
		case exprAlt:
			for _, k := range e.kids {
				if null(k) {
					return true
				}
			}
		case exprNot:
			return !null(e.kids[0])
		case exprAutomaton:
			return e.auto.accept[e.min]
		}
		return false
	}
	c.settle(c.null, null)
}

// productive finds the rules that match something.
func (c *compiler) productive(start Expr) {
	var full func(x Expr) bool
	full = func(x Expr) bool {
		e := x.e
		if e == nil {
			return true
		}
		c.p.step(1)
		switch e.op {
		case exprRule:
			return c.full[e.rule]
		case exprRepeat:
			return e.min == 0 || full(e.kids[0])
		case exprSeq:
			for _, k := range e.kids {
				if !full(k) {
					return false
				}
			}
			return true
		case exprAlt:
			for _, k := range e.kids {
				if full(k) {
					return true
				}
			}
			return false
		case exprClass, exprAnd, exprNot, exprTerminal:
			return c.node(x) != none
		}
		return true
	}
	c.seen = map[*expr]int32{}
	c.any = none
	for i := range c.inlined {
		c.inlined[i] = -1
	}
	c.settle(c.full, full)
}

// settle asks a question about the rules until no answer changes from no to yes.
// Those that were reached last are asked first: they are called by the others.
func (c *compiler) settle(state []bool, ask func(Expr) bool) {
	for changed := true; changed; {
		changed = false
		for i := len(c.used) - 1; i >= 0; i-- {
			if r := c.used[i]; !state[r] && ask(c.b.rules[r].body) {
				state[r], changed = true, true
			}
		}
	}
}
