package constrain

import "sync"

// Builder makes grammars of rules. The zero Builder is ready.
type Builder struct {
	rules []builderRule
}

type builderRule struct {
	name    string
	body    Expr
	defined bool
}

// Rule is a new rule, whose texts are those of what [Builder.Define] gives it.
// It may be used before, also in its own definition. The name stands in errors
// and need not be unique.
func (b *Builder) Rule(name string) Expr {
	b.rules = append(b.rules, builderRule{name: name})
	return Expr{&expr{op: exprRule, text: name, rule: len(b.rules) - 1, of: b}}
}

// Define says what a rule of this builder is. A second definition replaces the
// first.
func (b *Builder) Define(rule, body Expr) {
	if rule.e == nil || rule.e.op != exprRule || rule.e.of != b {
		panic("constrain: Define needs a rule of this builder")
	}
	b.rules[rule.e.rule].body, b.rules[rule.e.rule].defined = body, true
}

// Include is the texts of a grammar, as a part of a larger one.
func (b *Builder) Include(g *Grammar) Expr {
	rules := make([]Expr, len(g.b.rules))
	for i, r := range g.b.rules {
		rules[i] = b.Rule(r.name)
	}
	seen := map[*expr]Expr{}
	var copied func(x Expr) Expr
	copied = func(x Expr) Expr {
		switch e := x.e; {
		case e == nil:
			return x
		case e.op == exprRule && e.of == g.b:
			return rules[e.rule]
		case len(e.kids) > 0 && seen[e].e == nil:
			c := *e
			c.kids = make([]Expr, len(e.kids))
			for i, k := range e.kids {
				c.kids[i] = copied(k)
			}
			seen[e] = Expr{&c}
		case len(e.kids) == 0:
			return x
		}
		return seen[x.e]
	}
	for i, r := range g.b.rules {
		if r.defined {
			b.Define(rules[i], copied(r.body))
		}
	}
	return copied(g.start)
}

// Grammar compiles what start reaches. A grammar that matches no text at all is an
// [*Error], and so is one that is malformed or too large. The builder and its
// rules may not be changed behind it.
func (b *Builder) Grammar(start Expr) (*Grammar, error) {
	g := &Grammar{b: b, start: start, engines: map[*Vocabulary]*engine{}}
	if err := g.reset(); err != nil {
		return nil, err
	}
	if g.root == none {
		return nil, errorf("", "no text at all holds to the form that is asked for")
	}
	return g, nil
}

// New compiles an expression without rules.
func New(x Expr) (*Grammar, error) { return new(Builder).Grammar(x) }

// Grammar is a compiled form of output. Any number of goroutines may use it.
type Grammar struct {
	b     *Builder
	start Expr

	mu      sync.Mutex
	p       *pool
	root    int32
	base    int // bytes of p before states were computed
	epoch   int // how often it forgot what it computed
	engines map[*Vocabulary]*engine
}

// Bytes is the memory that the grammar takes at present, nearly.
func (g *Grammar) Bytes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.p.bytes
	for v, e := range g.engines {
		n += len(e.masks) * (v.Size()/8 + 64)
	}
	return n
}

// reset compiles anew, which forgets every state.
func (g *Grammar) reset() error {
	p, root, err := compile(g.b, g.start)
	if err != nil {
		return err
	}
	if err := p.guard(func() { root = p.prune(root) }); err != nil {
		return err
	}
	g.p, g.root, g.base = p, root, p.bytes
	g.epoch++
	clear(g.engines)
	return nil
}
