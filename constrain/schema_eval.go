package constrain

// sets is an algebra of the values of one type. A set may leave values out
// where it cannot tell: a set and the one of its schema's negation share nothing,
// but need not be everything together.
type sets[S any] interface {
	kind() jsonTypes
	all() S
	none() S
	// dead reports that a set is none, where that is plain to see.
	dead(S) bool
	// empty reports that nothing is in a set; no where it cannot tell.
	empty(S) (bool, error)
	and(x, y S, path string) (S, error)
	or(x, y S, path string) (S, error)
	// keywords gives one set for each keyword of a node that speaks of this type,
	// or of its negation.
	keywords(n *schemaNode, neg bool) ([]S, error)
	// values is the set of values of this type among vs, or of all others.
	values(n *schemaNode, vs []*jsonValue, neg bool) (S, error)
	// unevaluated completes a node's set by what its keywords left open.
	unevaluated(n *schemaNode, s S, neg bool) (S, error)
	// forget drops what a set knows of evaluated items and properties.
	forget(S) S
}

// An evaluation finds the values of one type that follow a schema.
type evaluation[S any] struct {
	c      *schemaCompiler
	sets   sets[S]
	active map[*schemaNode]bool
}

func conjunction[S any](c *schemaCompiler, s sets[S], g *goal) (S, error) {
	if g.never {
		return s.none(), nil
	}
	e := evaluation[S]{c, s, map[*schemaNode]bool{}}
	out := s.all()
	for _, l := range g.lits {
		x, err := e.literal(l.node, l.neg)
		if err != nil {
			return out, err
		}
		if out, err = s.and(out, s.forget(x), l.node.path); err != nil || s.dead(out) {
			return out, err
		}
	}
	return out, nil
}

func (e *evaluation[S]) literal(n *schemaNode, neg bool) (S, error) {
	s := e.sets
	if err := e.c.step(1, n.path); err != nil {
		return s.none(), err
	}
	if n.never || n.types&s.kind() == 0 {
		if neg {
			return s.all(), nil
		}
		return s.none(), nil
	}
	if e.active[n] {
		return s.none(), schemaErrorf(n.path, "the schema refers to itself with no property and no item between")
	}
	e.active[n] = true
	defer delete(e.active, n)
	if neg {
		x, err := e.denied(n)
		return s.forget(x), err
	}
	return e.held(n)
}

// held is the values that follow a node: those that are in the set of every
// keyword.
func (e *evaluation[S]) held(n *schemaNode) (S, error) {
	s := e.sets
	out := s.all()
	err := e.parts(n, false, func(x S) (bool, error) {
		var err error
		out, err = s.and(out, x, n.path)
		return !s.dead(out), err
	})
	if err != nil || s.dead(out) {
		return out, err
	}
	return s.unevaluated(n, out, false)
}

// denied is the values that do not follow a node: those that one keyword keeps out.
func (e *evaluation[S]) denied(n *schemaNode) (S, error) {
	s := e.sets
	out := s.none()
	err := e.parts(n, true, func(x S) (bool, error) {
		var err error
		out, err = s.or(out, x, n.path)
		return true, err
	})
	if err != nil {
		return out, err
	}
	return s.unevaluated(n, out, true)
}

// parts yields the set of each keyword, or of its negation, until yield has
// enough.
func (e *evaluation[S]) parts(n *schemaNode, neg bool, yield func(S) (bool, error)) error {
	more := true
	var failed error
	give := func(x S, err error) bool {
		if err == nil && more {
			more, err = yield(x)
		}
		if err != nil {
			failed, more = err, false
		}
		return more
	}
	keywords, err := e.sets.keywords(n, neg)
	if err != nil {
		return err
	}
	for _, x := range keywords {
		if !give(x, nil) {
			return failed
		}
	}
	for _, vs := range n.enums {
		if !give(e.sets.values(n, vs, neg)) {
			return failed
		}
	}
	if n.ref != "" {
		target, err := e.c.r.follow(n)
		if err != nil {
			return err
		}
		if !give(e.literal(target, neg)) {
			return failed
		}
	}
	for _, k := range n.all {
		if !give(e.literal(k, neg)) {
			return failed
		}
	}
	for _, k := range n.not {
		x, err := e.literal(k, !neg)
		if !give(e.sets.forget(x), err) {
			return failed
		}
	}
	if len(n.any) > 0 && !give(e.anyOf(n, neg)) {
		return failed
	}
	if len(n.one) > 0 && !give(e.oneOf(n, neg)) {
		return failed
	}
	if n.when != nil && (n.then != nil || n.other != nil || e.c.tracks) {
		give(e.condition(n, neg))
	}
	return failed
}

func (e *evaluation[S]) literals(list []*schemaNode, neg bool) ([]S, error) {
	out := make([]S, len(list))
	for i, k := range list {
		var err error
		if out[i], err = e.literal(k, neg); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *evaluation[S]) anyOf(n *schemaNode, neg bool) (S, error) {
	s := e.sets
	xs, err := e.literals(n.any, neg)
	if err != nil {
		return s.none(), err
	}
	if neg {
		return e.meet(xs, n.path)
	}
	if e.c.tracks && s.kind()&(typeArray|typeObject) != 0 {
		if xs, err = e.together(n, xs); err != nil {
			return s.none(), err
		}
	}
	out := s.none()
	for _, x := range xs {
		if out, err = s.or(out, x, n.path+"/anyOf"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// together adds to branches the values that follow several of them: more is evaluated
// where several hold.
func (e *evaluation[S]) together(n *schemaNode, xs []S) ([]S, error) {
	if len(xs) > 4 {
		return nil, schemaErrorf(n.path+"/anyOf", "more than 4 branches cannot be held in a schema with unevaluatedItems or unevaluatedProperties")
	}
	var out []S
	for mask := 1; mask < 1<<len(xs); mask++ {
		var chosen []S
		for i, x := range xs {
			if mask>>i&1 != 0 {
				chosen = append(chosen, x)
			}
		}
		x, err := e.meet(chosen, n.path)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (e *evaluation[S]) meet(xs []S, path string) (S, error) {
	out := e.sets.all()
	for _, x := range xs {
		var err error
		if out, err = e.sets.and(out, x, path); err != nil {
			return out, err
		}
	}
	return out, nil
}

// oneOf is the values that follow exactly one branch. Where no two branches
// share a value, they are alternatives as they are. Elsewhere each branch loses
// what is in the others.
func (e *evaluation[S]) oneOf(n *schemaNode, neg bool) (S, error) {
	s := e.sets
	path := n.path + "/oneOf"
	xs, err := e.literals(n.one, false)
	if err != nil {
		return s.none(), err
	}
	meets, overlap, err := e.meets(xs, path)
	if err != nil {
		return s.none(), err
	}
	var nots []S
	if overlap || neg {
		if nots, err = e.literals(n.one, true); err != nil {
			return s.none(), schemaWrap(err, path, "two branches may hold for one value, and the values of one branch alone cannot be told")
		}
	}
	if neg {
		return e.notOne(xs, nots, meets, path)
	}
	out := s.none()
	for i, x := range xs {
		for j := range xs {
			if meets[i][j] {
				if x, err = s.and(x, nots[j], path); err != nil {
					return out, err
				}
			}
		}
		if out, err = s.or(out, x, path); err != nil {
			return out, err
		}
	}
	return out, nil
}

// meets tells of each two sets whether they may share a value, and whether any do.
func (e *evaluation[S]) meets(xs []S, path string) (meets [][]bool, overlap bool, err error) {
	meets = make([][]bool, len(xs))
	for i := range meets {
		meets[i] = make([]bool, len(xs))
	}
	if len(xs) > 2 && e.sets.kind()&(typeArray|typeObject) == 0 {
		if apart, err := e.apart(xs, path); err != nil || apart {
			return meets, false, err
		}
	}
	for i := range xs {
		for j := range i {
			if meets[i][j], err = e.overlap(xs[i], xs[j], path); err != nil {
				return nil, false, err
			}
			meets[j][i] = meets[i][j]
			overlap = overlap || meets[i][j]
		}
	}
	return meets, overlap, nil
}

// apart reports whether no two sets share a value, by one question for each.
func (e *evaluation[S]) apart(xs []S, path string) (bool, error) {
	before := xs[0]
	for _, x := range xs[1:] {
		meet, err := e.overlap(before, x, path)
		if err != nil || meet {
			return false, err
		}
		if before, err = e.sets.or(before, x, path); err != nil {
			return false, err
		}
	}
	return true, nil
}

// notOne is the values that follow no branch, or two.
func (e *evaluation[S]) notOne(xs, nots []S, meets [][]bool, path string) (S, error) {
	out, err := e.meet(nots, path)
	if err != nil {
		return out, err
	}
	for i := range xs {
		for j := range i {
			if !meets[i][j] {
				continue
			}
			x, err := e.sets.and(xs[i], xs[j], path)
			if err != nil {
				return out, err
			}
			if out, err = e.sets.or(out, x, path); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func (e *evaluation[S]) overlap(x, y S, path string) (bool, error) {
	if e.sets.dead(x) || e.sets.dead(y) {
		return false, nil
	}
	if err := e.c.step(1, path); err != nil {
		return true, err
	}
	both, err := e.sets.and(x, y, path)
	if err != nil {
		return true, err
	}
	empty, err := e.sets.empty(both)
	return !empty || err != nil, nil // where it cannot be told, they may overlap
}

// condition is if, then and else.
func (e *evaluation[S]) condition(n *schemaNode, neg bool) (S, error) {
	s := e.sets
	out := s.none()
	for _, branch := range []struct {
		not  bool
		then *schemaNode
	}{{false, n.then}, {true, n.other}} {
		x, err := e.literal(n.when, branch.not)
		if err != nil {
			return out, err
		}
		switch {
		case branch.then != nil:
			y, err := e.literal(branch.then, neg)
			if err != nil {
				return out, err
			}
			if x, err = s.and(x, y, n.path+"/if"); err != nil {
				return out, err
			}
		case neg:
			x = s.none()
		}
		if out, err = s.or(out, x, n.path+"/if"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// empty reports whether a node has no keyword that asks for anything.
func (n *schemaNode) empty() bool {
	return !n.never && n.types == typeAny && !n.integer && len(n.enums) == 0 && n.low == nil && n.high == nil && n.multiple == nil &&
		n.minLength == 0 && n.maxLength < 0 && len(n.patterns) == 0 && n.format == "" &&
		len(n.prefix) == 0 && n.items == nil && n.minItems == 0 && n.maxItems < 0 && !n.unique && n.contains == nil && n.unevaluatedItems == nil &&
		len(n.properties) == 0 && len(n.patternProperties) == 0 && n.additional == nil && n.names == nil && len(n.required) == 0 &&
		n.minProps == 0 && n.maxProps < 0 && len(n.dependentRequired) == 0 && len(n.dependentSchemas) == 0 && n.unevaluatedProperties == nil &&
		len(n.all) == 0 && len(n.any) == 0 && len(n.one) == 0 && len(n.not) == 0 && n.when == nil && n.ref == ""
}
