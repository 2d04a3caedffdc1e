package constrain

import "slices"

// object is the texts of an object: the named properties in their order, then
// those that have no name in the schema.
func (c *schemaCompiler) object(f *objectForm) (Expr, error) {
	w := objectWriter{c: c, f: f}
	if !c.strict || !f.listed || f.open {
		w.classes = f.classes
	}
	if f.impossible() {
		return Alt(), nil
	}
	if f.maxProps == 0 {
		if slices.ContainsFunc(f.named, func(n namedGoal) bool { return n.required }) || f.minProps > 0 {
			return Alt(), nil
		}
		return noMembers, nil
	}
	if err := w.prepare(); err != nil {
		return Expr{}, err
	}
	if w.counts() {
		return w.counted()
	}
	return w.inOrder(), nil
}

// An objectWriter writes one form.
type objectWriter struct {
	c        *schemaCompiler
	f        *objectForm
	classes  []keyClass
	members  [][3]Expr // key, white space and value of the named properties that may come
	required []bool
	needed   int  // how many are required
	other    Expr // key and value of another property
	others   bool // there may be some
}

// spellKey is a key with its quotes and the colon.
func spellKey(name string) Expr {
	if e := spellWord(name); e.e.op != exprLit {
		return Seq(quoteMark, e, Lit(`":`))
	}
	return Lit(`"` + name + `":`)
}

func (w *objectWriter) prepare() error {
	var names []string
	for _, n := range w.f.named {
		names = append(names, n.name)
		if n.goal.never {
			continue
		}
		v, err := w.c.value(n.goal)
		if err != nil {
			return err
		}
		w.members = append(w.members, [...]Expr{spellKey(n.name), space, v})
		w.required = append(w.required, n.required)
		if n.required {
			w.needed++
		}
	}
	var others []Expr
	for _, k := range w.classes {
		v, err := w.c.value(k.goal)
		if err != nil {
			return err
		}
		keys := k.keys
		if len(names) > 0 {
			keys = w.c.andTexts(keys, wordSet(names...).not())
		}
		others = append(others, Seq(Terminal(Seq(quoteMark, w.c.spelled(keys), quoteMark)), Lit(":"), space, v))
	}
	w.other, w.others = Alt(others...), len(others) > 0
	return nil
}

// counts reports whether the number of properties has to be counted.
func (w *objectWriter) counts() bool {
	most := w.f.maxProps >= 0 && (w.others || w.f.maxProps < len(w.members))
	return most || w.f.minProps > w.needed
}

// inOrder is objects whose properties need not be counted.
func (w *objectWriter) inOrder() Expr {
	n := len(w.members)
	end := closeBrace
	if w.others {
		end = Seq(Repeat(Seq(comma, w.other), 0, -1), end)
	}
	// tails[i] is what may follow the members before i.
	tails := make([]Expr, n+1)
	tails[n] = end
	for i := n - 1; i >= 0; i-- {
		m := w.members[i]
		e := Seq(comma, m[0], m[1], m[2])
		if !w.required[i] {
			e = Optional(e)
		}
		tails[i] = Seq(e, tails[i+1])
		if i%maxNested == 0 {
			tails[i] = w.c.rule(w.f.path, tails[i])
		}
	}
	var ways []Expr
	for i, m := range w.members {
		ways = append(ways, Seq(openBrace, m[0], m[1], m[2], tails[i+1]))
		if w.required[i] {
			return Alt(ways...)
		}
	}
	if w.others {
		ways = append(ways, Seq(openBrace, w.other, end))
	}
	return Alt(append(ways, noMembers)...)
}

// maxNested is how many members or items are written within each other before a
// rule begins: a rule's parts are counted anew for MostDepth.
const maxNested = 50

// rule names an expression.
func (c *schemaCompiler) rule(path string, e Expr) Expr {
	r := c.b.Rule(path)
	c.b.Define(r, e)
	return r
}

// maxCounted bounds the states of objects whose properties are counted.
const maxCounted = 20_000

// counted is objects with minProperties or maxProperties. The keys that have no
// name in the schema may come twice in one text, so at most one of them counts
// for minProperties.
func (w *objectWriter) counted() (Expr, error) {
	f := w.f
	if w.others && f.minProps > w.needed+1 {
		return Expr{}, schemaErrorf(f.path+"/minProperties",
			"%d properties can only be held where the schema requires all but one of them by name, or allows no others (additionalProperties: false)", f.minProps)
	}
	most := f.maxProps
	if most < 0 {
		most = max(f.minProps, len(w.members))
	}
	most = min(most, len(w.members))
	if (len(w.members)+1)*(most+1) > maxCounted {
		return Expr{}, schemaErrorf(f.path, "the schema has too many properties to count them")
	}
	// rules[n] is what may follow member i where n properties were written.
	rules := make([]Expr, most+1)
	for n := range rules {
		rules[n] = w.end(n)
	}
	for i := len(w.members) - 1; i >= 0; i-- {
		next := make([]Expr, most+1)
		for n := range next {
			var parts []Expr
			if n < most {
				before := comma
				if n == 0 {
					before = openBrace
				}
				parts = append(parts, Seq(before, w.members[i][0], w.members[i][1], w.members[i][2], rules[n+1]))
			}
			if !w.required[i] {
				parts = append(parts, rules[n])
			}
			next[n] = w.c.rule(f.path, Alt(parts...))
		}
		rules = next
	}
	return rules[0], nil
}

// end is what may follow the named members, where n were written.
func (w *objectWriter) end(n int) Expr {
	f := w.f
	var parts []Expr
	switch {
	case n < f.minProps:
	case n == 0:
		parts = append(parts, noMembers)
	default:
		parts = append(parts, closeBrace)
	}
	if w.others && n+1 >= f.minProps && (f.maxProps < 0 || n < f.maxProps) {
		before := comma
		if n == 0 {
			before = openBrace
		}
		more := -1
		if f.maxProps >= 0 {
			more = f.maxProps - n - 1
		}
		parts = append(parts, Seq(before, w.other, Repeat(Seq(comma, w.other), 0, more), closeBrace))
	}
	return Alt(parts...)
}
