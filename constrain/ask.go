package constrain

// Some is a shortest text of x, which holds no rules. ok is false where there is
// none.
func Some(x Expr) (text string, ok bool, err error) {
	p, root, err := compile(nil, x)
	if err != nil {
		return "", false, err
	}
	err = p.guard(func() {
		var b []byte
		b, ok = p.some(root)
		text = string(b)
	})
	return text, ok && err == nil, err
}

// Empty reports whether x, which holds no rules, matches no text at all.
func Empty(x Expr) (bool, error) {
	_, root, err := compile(nil, x)
	return root == none && err == nil, err
}

// Disjoint reports whether no text is in both x and y, which hold no rules.
func Disjoint(x, y Expr) (bool, error) { return Empty(And(x, y)) }

// Within reports whether every text of x is in y. They hold no rules.
func Within(x, y Expr) (bool, error) { return Empty(And(x, Not(y))) }

// Matches reports whether x, which holds no rules, matches a text.
func Matches(x Expr, text string) (bool, error) {
	p, root, err := compile(nil, x)
	if err != nil {
		return false, err
	}
	ok := false
	err = p.guard(func() { ok = p.nodes[p.text(root, []byte(text))].nullable })
	return ok && err == nil, err
}

// Matches reports whether a text holds to the grammar as a whole.
func (g *Grammar) Matches(text string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ok := false
	err := g.p.guard(func() { ok = g.p.nodes[g.p.text(g.root, []byte(text))].nullable })
	return ok && err == nil, err
}
