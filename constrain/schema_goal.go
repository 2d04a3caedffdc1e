package constrain

import (
	"encoding/binary"
	"slices"
)

// A schemaLit is a schema that a value must follow, or must not.
type schemaLit struct {
	node *schemaNode
	neg  bool
}

// A goal is what one value must be: it follows all of its literals. Schemas
// that are read together, as by allOf, become one goal this way. Goals are unique by
// their literals, so recursive schemas have finitely many.
type goal struct {
	id    int
	lits  []schemaLit
	never bool

	form    *form
	err     error
	state   int8 // of form: 1 at work, 2 done
	visited bool // by mayHold, on the way down
	expr    *Expr
}

// path is where a goal's schemas stand, for errors.
func (g *goal) path() string {
	if len(g.lits) == 0 {
		return "#"
	}
	return g.lits[0].node.path
}

// A form is a goal by the types of its values.
type form struct {
	null    bool
	bools   uint8 // 1: false, 2: true
	numbers numberSet
	texts   textSet
	arrays  []*arrayForm  // any of them
	objects []*objectForm // any of them
}

// A schemaCompiler turns nodes into goals, forms, and a grammar.
type schemaCompiler struct {
	r      *schemaReader
	strict bool
	// tracks says that the document has unevaluatedItems or
	// unevaluatedProperties, so it matters which branches hold.
	tracks bool
	work   int

	always, nothing *goal
	unique          map[string]*goal
	exprs           map[string]textSet // of patterns
	classes         map[string]Expr    // spellings of classes of characters

	b     *Builder
	queue []*goal // whose rules are not defined yet
}

const (
	maxSchemaWork   = 400_000 // steps of a compilation before the grammar's
	maxAlternatives = 2048    // ways in which an array or object may follow its schema
)

func (c *schemaCompiler) step(n int, path string) error {
	if c.work += n; c.work > maxSchemaWork {
		return schemaErrorf(path, "the schema takes too much work to compile; make it smaller, or use fewer combinations of schemas")
	}
	return nil
}

// maxQuestion bounds the steps of one question about expressions.
const maxQuestion = 300_000

// isEmpty reports whether an expression without rules matches nothing. The error
// says that it takes too long to tell.
func (c *schemaCompiler) isEmpty(e Expr) (bool, error) {
	p, root, err := compileWithin(nil, e, maxQuestion)
	if p != nil {
		c.work += 50 + p.work/16
	}
	return err == nil && root == none, err
}

// goal returns the goal of some literals.
func (c *schemaCompiler) goal(lits ...schemaLit) *goal {
	kept := make([]schemaLit, 0, len(lits))
	for _, l := range lits {
		l.node = l.node.first()
		never := l.node.never
		if l.neg && !never && l.node.empty() {
			never = true
		} else if l.neg && never || !l.neg && l.node.empty() {
			continue
		}
		if never {
			return c.nothing
		}
		kept = append(kept, l)
	}
	slices.SortFunc(kept, func(a, b schemaLit) int {
		if a.node != b.node {
			return a.node.id - b.node.id
		}
		if a.neg == b.neg {
			return 0
		}
		if b.neg {
			return -1
		}
		return 1
	})
	kept = slices.Compact(kept)
	key := make([]byte, 0, 5*len(kept))
	for i, l := range kept {
		if i > 0 && kept[i-1].node == l.node {
			return c.nothing
		}
		key = binary.LittleEndian.AppendUint32(key, uint32(l.node.id)<<1|b2u(l.neg))
	}
	return c.intern(string(key), kept)
}

func (c *schemaCompiler) intern(key string, lits []schemaLit) *goal {
	g := c.unique[key]
	if g == nil {
		g = &goal{id: len(c.unique), lits: lits}
		c.unique[key] = g
	}
	return g
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// both returns the goal of what follows a and b.
func (c *schemaCompiler) both(a, b *goal) *goal {
	switch {
	case a == b || b == c.always || a == c.nothing:
		return a
	case a == c.always || b == c.nothing:
		return b
	}
	return c.goal(append(slices.Clone(a.lits), b.lits...)...)
}

// form returns a goal by types.
func (c *schemaCompiler) formOf(g *goal) (*form, error) {
	switch g.state {
	case 1:
		return nil, schemaErrorf(g.path(), "the schema is needed to tell what it is itself")
	case 0:
		g.state = 1
		g.form, g.err = c.makeForm(g)
		g.state = 2
	}
	return g.form, g.err
}

func (c *schemaCompiler) makeForm(g *goal) (*form, error) {
	f := &form{}
	if g.never {
		f.numbers, f.texts = noNumbers, noTexts
		return f, nil
	}
	null, err := conjunction(c, maskSets{typeNull, 1}, g)
	if err != nil {
		return nil, err
	}
	f.null = null != 0
	if f.bools, err = conjunction(c, maskSets{typeBool, 3}, g); err != nil {
		return nil, err
	}
	if f.numbers, err = conjunction(c, numberSets{c}, g); err != nil {
		return nil, err
	}
	if f.texts, err = conjunction(c, textSets{c}, g); err != nil {
		return nil, err
	}
	if f.arrays, err = conjunction(c, arraySets{c}, g); err != nil {
		return nil, err
	}
	f.objects, err = conjunction(c, objectSets{c}, g)
	return f, err
}

// mayHold reports whether a value can follow a goal. It says yes where it cannot
// tell, such as of schemas that lead to themselves.
func (c *schemaCompiler) mayHold(g *goal) bool {
	if g.never {
		return false
	}
	if g.visited || g.state == 1 {
		return true
	}
	g.visited = true
	defer func() { g.visited = false }()
	f, err := c.formOf(g)
	if err != nil || f.null || f.bools != 0 {
		return true
	}
	if empty, err := f.numbers.empty(c); err != nil || !empty {
		return true
	}
	if empty, err := f.texts.empty(c); err != nil || !empty {
		return true
	}
	return slices.ContainsFunc(f.arrays, c.arrayMayHold) || slices.ContainsFunc(f.objects, c.objectMayHold)
}
