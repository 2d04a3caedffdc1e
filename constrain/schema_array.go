package constrain

import "slices"

// An arrayForm is arrays whose items follow each their goal: the first ones those
// of prefix, all others rest.
type arrayForm struct {
	prefix             []*goal
	rest               *goal
	minItems, maxItems int // -1: no limit
	unique             bool
	contains           *goal // or nil: at least minHits items are so
	minHits            int
	path               string

	seen    int // items from the beginning that were evaluated
	seenAll bool
}

func (c *schemaCompiler) anyArray() *arrayForm { return &arrayForm{rest: c.always, maxItems: -1} }

func (f *arrayForm) at(i int) *goal {
	if i < len(f.prefix) {
		return f.prefix[i]
	}
	return f.rest
}

// arraySets is the algebra of arrays: a set is any of some forms.
type arraySets struct{ c *schemaCompiler }

func (arraySets) kind() jsonTypes          { return typeArray }
func (a arraySets) all() []*arrayForm      { return []*arrayForm{a.c.anyArray()} }
func (arraySets) none() []*arrayForm       { return nil }
func (arraySets) dead(x []*arrayForm) bool { return len(x) == 0 }
func (a arraySets) empty(x []*arrayForm) (bool, error) {
	return !slices.ContainsFunc(x, a.c.arrayMayHold), nil
}

func (a arraySets) or(x, y []*arrayForm, path string) ([]*arrayForm, error) {
	if len(x)+len(y) > maxAlternatives {
		return nil, schemaErrorf(path, "arrays may follow this in more than %d ways", maxAlternatives)
	}
	return append(slices.Clone(x), y...), nil
}

func (a arraySets) and(x, y []*arrayForm, path string) ([]*arrayForm, error) {
	var out []*arrayForm
	for _, f := range x {
		for _, g := range y {
			m, err := a.c.mergeArrays(f, g)
			if err != nil {
				return nil, err
			}
			if m != nil {
				out = append(out, m)
			}
			if len(out) > maxAlternatives {
				return nil, schemaErrorf(path, "arrays may follow this in more than %d ways", maxAlternatives)
			}
		}
	}
	return out, nil
}

func (a arraySets) forget(x []*arrayForm) []*arrayForm {
	if !a.c.tracks {
		return x
	}
	out := make([]*arrayForm, len(x))
	for i, f := range x {
		g := *f
		g.seen, g.seenAll = 0, false
		out[i] = &g
	}
	return out
}

// mergeArrays returns the arrays that follow both forms, nil where it sees that
// there is none.
func (c *schemaCompiler) mergeArrays(f, g *arrayForm) (*arrayForm, error) {
	m := &arrayForm{
		rest: c.both(f.rest, g.rest), minItems: max(f.minItems, g.minItems), maxItems: g.maxItems,
		unique: f.unique || g.unique, contains: f.contains, minHits: f.minHits, path: f.path,
		seen: max(f.seen, g.seen), seenAll: f.seenAll || g.seenAll,
	}
	if f.maxItems >= 0 && (m.maxItems < 0 || f.maxItems < m.maxItems) {
		m.maxItems = f.maxItems
	}
	if g.path != "" {
		m.path = g.path
	}
	if g.contains != nil {
		if f.contains != nil && (f.contains != g.contains || f.minHits != g.minHits) {
			return nil, schemaErrorf(m.path+"/contains", "two contains cannot be held for one array")
		}
		m.contains, m.minHits = g.contains, g.minHits
	}
	n := max(len(f.prefix), len(g.prefix))
	if err := c.step(1+n, m.path); err != nil {
		return nil, err
	}
	for i := range n {
		m.prefix = append(m.prefix, c.both(f.at(i), g.at(i)))
	}
	return m.cut(), nil
}

// cut ends a form's arrays before the first item that cannot be.
func (f *arrayForm) cut() *arrayForm {
	if i := slices.IndexFunc(f.prefix, func(g *goal) bool { return g.never }); i >= 0 {
		f.prefix = f.prefix[:i]
		f.shorten(i)
	} else if f.rest.never {
		f.shorten(len(f.prefix))
	}
	if f.maxItems >= 0 && f.minItems > f.maxItems {
		return nil
	}
	if f.maxItems >= 0 && len(f.prefix) > f.maxItems {
		f.prefix = f.prefix[:f.maxItems]
	}
	return f
}

func (f *arrayForm) shorten(n int) {
	if f.maxItems < 0 || f.maxItems > n {
		f.maxItems = n
	}
}

// keywords implements sets.
func (a arraySets) keywords(n *schemaNode, neg bool) ([][]*arrayForm, error) {
	if n.contains != nil && n.maxHits >= 0 {
		return nil, schemaErrorf(n.path+"/maxContains", "maxContains cannot be held; leave it out, or say the same in another way")
	}
	if n.contains != nil && a.c.tracks {
		return nil, schemaErrorf(n.path+"/contains", "contains cannot be held in a schema with unevaluatedItems or unevaluatedProperties")
	}
	if neg {
		return a.denied(n)
	}
	c := a.c
	f := &arrayForm{rest: c.always, minItems: n.minItems, maxItems: n.maxItems, unique: n.unique, path: n.path}
	for _, p := range n.prefix {
		f.prefix = append(f.prefix, c.goal(schemaLit{p, false}))
	}
	f.seen = len(f.prefix)
	if n.items != nil {
		f.rest, f.seenAll = c.goal(schemaLit{n.items, false}), true
	}
	if n.contains != nil && n.minHits > 0 {
		f.contains, f.minHits = c.goal(schemaLit{n.contains, false}), n.minHits
		if f.contains.never {
			return [][]*arrayForm{nil}, nil
		}
	}
	if f = f.cut(); f == nil {
		return [][]*arrayForm{nil}, nil
	}
	return [][]*arrayForm{{f}}, nil
}

// denied gives the arrays that each keyword keeps out.
func (a arraySets) denied(n *schemaNode) ([][]*arrayForm, error) {
	c := a.c
	var out []*arrayForm
	for i, p := range n.prefix {
		g := c.goal(schemaLit{p, true})
		if g.never {
			continue
		}
		f := c.anyArray()
		f.minItems = i + 1
		for range i {
			f.prefix = append(f.prefix, c.always)
		}
		f.prefix = append(f.prefix, g)
		out = append(out, f)
	}
	if n.minItems > 0 {
		f := c.anyArray()
		f.maxItems = n.minItems - 1
		out = append(out, f)
	}
	if n.maxItems >= 0 {
		f := c.anyArray()
		f.minItems = n.maxItems + 1
		out = append(out, f)
	}
	if n.contains != nil && n.minHits == 1 {
		f := c.anyArray()
		if f.rest = c.goal(schemaLit{n.contains, true}); f.rest.never {
			f.maxItems = 0
		}
		out = append(out, f)
	}
	if n.items != nil && !n.items.empty() {
		g := c.goal(schemaLit{n.items, true})
		if len(n.prefix) > 0 && !n.items.never {
			return nil, schemaErrorf(n.path+"/items", "items behind prefixItems cannot be held where it must fail: under not, if, or a oneOf whose branches share values")
		}
		f := c.anyArray()
		f.path = n.path
		if n.items.never {
			f.minItems = len(n.prefix) + 1
		} else {
			f.contains, f.minHits = g, 1
		}
		if !g.never {
			out = append(out, f)
		}
	}
	for _, k := range []struct {
		name string
		is   bool
	}{{"uniqueItems", n.unique}, {"contains", n.contains != nil && n.minHits > 1}} {
		if k.is {
			return nil, schemaErrorf(n.path+"/"+k.name, "%s cannot be held where it must fail: under not, if, or a oneOf whose branches share values", k.name)
		}
	}
	return [][]*arrayForm{out}, nil
}

// unevaluated applies unevaluatedItems to the items that no keyword beside it
// evaluated.
func (a arraySets) unevaluated(n *schemaNode, fs []*arrayForm, neg bool) ([]*arrayForm, error) {
	u := n.unevaluatedItems
	if u == nil || neg && u.empty() {
		return fs, nil
	}
	if neg {
		return nil, schemaErrorf(n.path+"/unevaluatedItems", "unevaluatedItems cannot be held where it must fail")
	}
	rest := a.c.goal(schemaLit{u, false})
	var out []*arrayForm
	for _, f := range fs {
		limit := a.c.anyArray()
		limit.seenAll, limit.path = true, n.path
		if !f.seenAll {
			for range f.seen {
				limit.prefix = append(limit.prefix, a.c.always)
			}
			limit.rest = rest
			limit.cut()
		}
		m, err := a.c.mergeArrays(f, limit)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out = append(out, m)
		}
	}
	return out, nil
}

// values implements sets.
func (a arraySets) values(n *schemaNode, vs []*jsonValue, neg bool) ([]*arrayForm, error) {
	var out []*arrayForm
	for _, v := range vs {
		if v.kind != '[' {
			continue
		}
		if neg {
			return nil, schemaErrorf(n.path, "a schema with an array as one of its values cannot be held where it must fail")
		}
		f := &arrayForm{rest: a.c.nothing, minItems: len(v.items), maxItems: len(v.items), path: n.path}
		for _, item := range v.items {
			k, err := a.c.constant(item, n)
			if err != nil {
				return nil, err
			}
			f.prefix = append(f.prefix, a.c.goal(schemaLit{k, false}))
		}
		out = append(out, f)
	}
	if neg {
		return a.all(), nil
	}
	return out, nil
}

// arrayMayHold reports whether an array can follow a form; yes where it cannot
// tell.
func (c *schemaCompiler) arrayMayHold(f *arrayForm) bool {
	if f.maxItems >= 0 && (f.minItems > f.maxItems || f.minHits > f.maxItems) {
		return false
	}
	for i := range min(f.minItems, len(f.prefix)+1) {
		if !c.mayHold(f.at(i)) {
			return false
		}
	}
	return f.contains == nil || c.mayHold(f.contains)
}
