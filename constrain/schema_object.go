package constrain

import "slices"

// An objectForm is objects whose properties follow each their goal.
type objectForm struct {
	named   []namedGoal
	index   map[string]int // of named
	classes []keyClass     // of all other keys; a key in none of them may not come
	// The number of properties, -1 for no limit, and where minProperties stands.
	minProps, maxProps int
	path               string

	// listed and open are for strict mode, which closes objects that list their
	// properties and do not speak of others.
	listed, open bool

	// What unevaluatedProperties needs: the keys that were evaluated.
	seen        []string
	seenClasses []textSet
	seenAll     bool
}

type namedGoal struct {
	name     string
	goal     *goal
	required bool
}

// A keyClass is keys that have one goal. Classes share no keys. Those that are
// named are taken out when the grammar is made.
type keyClass struct {
	keys textSet
	goal *goal
}

func (c *schemaCompiler) anyObject() *objectForm {
	return &objectForm{classes: []keyClass{{allTexts, c.always}}, maxProps: -1, index: map[string]int{}}
}

// of returns the goal of a key's value.
func (c *schemaCompiler) of(f *objectForm, name string) *goal {
	if i, ok := f.index[name]; ok {
		return f.named[i].goal
	}
	for _, k := range f.classes {
		if c.has(k.keys, name) {
			return k.goal
		}
	}
	return c.nothing
}

// add appends a name, or narrows it.
func (f *objectForm) add(c *schemaCompiler, name string, g *goal, required bool) {
	if i, ok := f.index[name]; ok {
		n := &f.named[i]
		n.goal, n.required = c.both(n.goal, g), n.required || required
		return
	}
	f.index[name] = len(f.named)
	f.named = append(f.named, namedGoal{name, g, required})
}

// objectSets is the algebra of objects: a set is any of some forms.
type objectSets struct{ c *schemaCompiler }

func (objectSets) kind() jsonTypes           { return typeObject }
func (o objectSets) all() []*objectForm      { return []*objectForm{o.c.anyObject()} }
func (objectSets) none() []*objectForm       { return nil }
func (objectSets) dead(x []*objectForm) bool { return len(x) == 0 }
func (o objectSets) empty(x []*objectForm) (bool, error) {
	return !slices.ContainsFunc(x, o.c.objectMayHold), nil
}

func (o objectSets) or(x, y []*objectForm, path string) ([]*objectForm, error) {
	if len(x)+len(y) > maxAlternatives {
		return nil, schemaErrorf(path, "objects may follow this in more than %d ways", maxAlternatives)
	}
	return append(slices.Clone(x), y...), nil
}

func (o objectSets) and(x, y []*objectForm, path string) ([]*objectForm, error) {
	var out []*objectForm
	for _, f := range x {
		for _, g := range y {
			m, err := o.c.mergeObjects(f, g)
			if err != nil {
				return nil, err
			}
			if m != nil {
				out = append(out, m)
			}
			if len(out) > maxAlternatives {
				return nil, schemaErrorf(path, "objects may follow this in more than %d ways", maxAlternatives)
			}
		}
	}
	return out, nil
}

func (o objectSets) forget(x []*objectForm) []*objectForm {
	if !o.c.tracks {
		return x
	}
	out := make([]*objectForm, len(x))
	for i, f := range x {
		g := *f
		g.seen, g.seenClasses, g.seenAll = nil, nil, false
		out[i] = &g
	}
	return out
}

// isAny reports whether a form asks for nothing and tells nothing.
func (f *objectForm) isAny(c *schemaCompiler) bool {
	return len(f.named) == 0 && len(f.classes) == 1 && f.classes[0].keys.all && f.classes[0].goal == c.always && f.minProps == 0 && f.maxProps < 0 &&
		!f.listed && !f.open && len(f.seen) == 0 && len(f.seenClasses) == 0 && !f.seenAll
}

// mergeObjects returns the objects that follow both forms, nil where it sees that
// there is none.
func (c *schemaCompiler) mergeObjects(f, g *objectForm) (*objectForm, error) {
	if f.isAny(c) {
		return g, nil
	}
	if g.isAny(c) {
		return f, nil
	}
	m := &objectForm{
		minProps: max(f.minProps, g.minProps), maxProps: g.maxProps, path: f.path,
		listed: f.listed || g.listed, open: f.open || g.open,
		index: make(map[string]int, len(f.named)+len(g.named)),
		seen:  append(slices.Clip(f.seen), g.seen...), seenClasses: append(slices.Clip(f.seenClasses), g.seenClasses...),
		seenAll: f.seenAll || g.seenAll,
	}
	if f.maxProps >= 0 && (m.maxProps < 0 || f.maxProps < m.maxProps) {
		m.maxProps = f.maxProps
	}
	if g.minProps > f.minProps {
		m.path = g.path
	}
	if err := c.step(1+(len(f.named)+len(g.named))/4, m.path); err != nil {
		return nil, err
	}
	for _, n := range f.named {
		goal, required := c.both(n.goal, c.of(g, n.name)), n.required
		if i, ok := g.index[n.name]; ok {
			required = required || g.named[i].required
		}
		m.add(c, n.name, goal, required)
	}
	for _, n := range g.named {
		if _, ok := f.index[n.name]; !ok {
			m.add(c, n.name, c.both(n.goal, c.of(f, n.name)), n.required)
		}
	}
	if m.impossible() {
		return nil, nil
	}
	var err error
	if m.classes, err = c.mergeClasses(f.classes, g.classes, m.path); err != nil {
		return nil, err
	}
	m.finish(c)
	return m, nil
}

// impossible reports whether it is plain to see that no object follows a form.
func (f *objectForm) impossible() bool {
	return f.maxProps >= 0 && f.minProps > f.maxProps ||
		slices.ContainsFunc(f.named, func(n namedGoal) bool { return n.required && n.goal.never })
}

const maxKeyClasses = 64

// mergeClasses intersects classes of keys, and leaves out those that hold no key
// or may have no value.
func (c *schemaCompiler) mergeClasses(xs, ys []keyClass, path string) ([]keyClass, error) {
	var out []keyClass
	for _, x := range xs {
		for _, y := range ys {
			k := keyClass{c.andTexts(x.keys, y.keys), c.both(x.goal, y.goal)}
			if k.goal.never {
				continue
			}
			if !x.keys.all && !y.keys.all {
				if err := c.step(20, path); err != nil {
					return nil, err
				}
				if empty, err := k.keys.empty(c); err != nil || empty {
					if err != nil {
						return nil, schemaErrorf(path, "the patterns of the keys take too much work")
					}
					continue
				}
			}
			if out = append(out, k); len(out) > maxKeyClasses {
				return nil, schemaErrorf(path, "the patterns make more than %d kinds of keys", maxKeyClasses)
			}
		}
	}
	return out, nil
}

// finish names the keys of classes that are lists of words.
func (f *objectForm) finish(c *schemaCompiler) {
	kept := f.classes[:0:0]
	for _, k := range f.classes {
		if !k.keys.finite {
			kept = append(kept, k)
			continue
		}
		for _, w := range k.keys.words {
			if _, ok := f.index[w]; !ok {
				f.add(c, w, k.goal, false)
			}
		}
	}
	f.classes = kept
}

// keywords implements sets.
func (o objectSets) keywords(n *schemaNode, neg bool) ([][]*objectForm, error) {
	if neg {
		return o.denied(n)
	}
	var out [][]*objectForm
	f, err := o.layer(n)
	if err != nil {
		return nil, err
	}
	if f.impossible() {
		return [][]*objectForm{nil}, nil
	}
	if !f.isAny(o.c) {
		out = append(out, []*objectForm{f})
	}
	for _, d := range n.dependentRequired {
		if len(d.needs) > 0 {
			out = append(out, []*objectForm{o.absent(d.name), o.present(append([]string{d.name}, d.needs...)...)})
		}
	}
	for _, d := range n.dependentSchemas {
		e := evaluation[[]*objectForm]{o.c, o, map[*schemaNode]bool{n: true}}
		then, err := e.literal(d.node, false)
		if err != nil {
			return nil, err
		}
		if then, err = o.and([]*objectForm{o.present(d.name)}, then, n.path); err != nil {
			return nil, err
		}
		out = append(out, append([]*objectForm{o.absent(d.name)}, then...))
	}
	return out, nil
}

// layer is the keywords that speak of single properties and of their number.
func (o objectSets) layer(n *schemaNode) (*objectForm, error) {
	c := o.c
	f := c.anyObject()
	f.minProps, f.maxProps, f.path = n.minProps, n.maxProps, n.path
	f.listed = len(n.properties) > 0
	f.open = n.additional != nil || len(n.patternProperties) > 0 || n.names != nil || n.unevaluatedProperties != nil
	if err := o.addClasses(f, n); err != nil {
		return nil, err
	}
	for _, p := range n.properties {
		g := c.goal(schemaLit{p.node, false})
		for _, q := range n.patternProperties {
			keys, err := c.pattern(q.name, n.path+"/patternProperties")
			if err != nil {
				return nil, err
			}
			if c.has(keys, p.name) {
				g = c.both(g, c.goal(schemaLit{q.node, false}))
			}
		}
		f.add(c, p.name, g, false)
	}
	if err := o.addNames(f, n); err != nil {
		return nil, err
	}
	for _, name := range n.required {
		f.add(c, name, c.of(f, name), true)
	}
	f.finish(c)
	if c.tracks {
		for _, p := range n.properties {
			f.seen = append(f.seen, p.name)
		}
		for _, q := range n.patternProperties {
			keys, err := c.pattern(q.name, n.path+"/patternProperties")
			if err != nil {
				return nil, err
			}
			f.seenClasses = append(f.seenClasses, keys)
		}
		f.seenAll = n.additional != nil
	}
	return f, nil
}

// addClasses splits the keys by patternProperties. additionalProperties is for
// those that no pattern matches.
func (o objectSets) addClasses(f *objectForm, n *schemaNode) error {
	c := o.c
	rest := c.always
	if n.additional != nil {
		rest = c.goal(schemaLit{n.additional, false})
	}
	if len(n.patternProperties) == 0 {
		f.classes = nil
		if !rest.never {
			f.classes = []keyClass{{allTexts, rest}}
		}
		return nil
	}
	f.classes = []keyClass{{allTexts, nil}} // nil: no pattern so far
	for _, q := range n.patternProperties {
		path := n.path + "/patternProperties/" + escapePointer(q.name)
		keys, err := c.pattern(q.name, n.path+"/patternProperties")
		if err != nil {
			return err
		}
		g := c.goal(schemaLit{q.node, false})
		var split []keyClass
		for _, k := range f.classes {
			in, out := keyClass{c.andTexts(k.keys, keys), g}, keyClass{c.andTexts(k.keys, keys.not()), k.goal}
			if k.goal != nil {
				in.goal = c.both(k.goal, g)
			}
			for _, k := range []keyClass{in, out} {
				if err := c.step(20, path); err != nil {
					return err
				}
				empty, err := k.keys.empty(c)
				if err != nil {
					return schemaErrorf(path, "the patterns of the keys take too much work")
				}
				if !empty {
					split = append(split, k)
				}
			}
		}
		if f.classes = split; len(split) > maxKeyClasses {
			return schemaErrorf(path, "the patterns make more than %d kinds of keys", maxKeyClasses)
		}
	}
	kept := f.classes[:0]
	for _, k := range f.classes {
		if k.goal == nil {
			k.goal = rest
		}
		if !k.goal.never {
			kept = append(kept, k)
		}
	}
	f.classes = kept
	return nil
}

// addNames narrows the keys by propertyNames.
func (o objectSets) addNames(f *objectForm, n *schemaNode) error {
	if n.names == nil {
		return nil
	}
	names, err := conjunction(o.c, textSets(o), o.c.goal(schemaLit{n.names, false}))
	if err != nil {
		return err
	}
	if n.names.never {
		names = noTexts
	}
	for i, p := range f.named {
		if !o.c.has(names, p.name) {
			f.named[i].goal = o.c.nothing
		}
	}
	f.classes, err = o.c.mergeClasses(f.classes, []keyClass{{names, o.c.always}}, n.path+"/propertyNames")
	return err
}

func (o objectSets) absent(name string) *objectForm {
	f := o.c.anyObject()
	f.add(o.c, name, o.c.nothing, false)
	return f
}

func (o objectSets) present(names ...string) *objectForm {
	f := o.c.anyObject()
	for _, name := range names {
		f.add(o.c, name, o.c.always, true)
	}
	return f
}
