package constrain

// Between the tokens of JSON, behind a bracket, a comma or a colon and before a
// closing bracket, may stand one space, or a new line with its indentation.
var (
	space      = Optional(Alt(Lit(" "), Seq(Lit("\n"), Repeat(Class(' ', ' ', '\t', '\t'), 0, maxIndent))))
	comma      = Seq(Lit(","), space)
	openBrace  = Seq(Lit("{"), space)
	closeBrace = Seq(space, Lit("}"))
	noMembers  = Seq(Lit("{"), space, Lit("}"))
	openSquare = Seq(Lit("["), space)
	endSquare  = Seq(space, Lit("]"))
	noItems    = Seq(Lit("["), space, Lit("]"))
	quoteMark  = Lit(`"`)
	anyString  = Terminal(Seq(quoteMark, spelledText, quoteMark))
)

// maxIndent is how many spaces or tabs a line may begin with.
const maxIndent = 64

// value returns the texts of the values that follow a goal. Arrays and objects
// are rules, which define writes later, so that schemas may lead to themselves.
func (c *schemaCompiler) value(g *goal) (Expr, error) {
	if g.expr != nil {
		return *g.expr, nil
	}
	f, err := c.formOf(g)
	if err != nil {
		return Expr{}, err
	}
	var e Expr
	if len(f.arrays) > 0 || len(f.objects) > 0 {
		e = c.b.Rule(g.path())
		c.queue = append(c.queue, g)
	} else {
		e = Alt(c.scalars(f)...)
	}
	g.expr = &e
	return e, nil
}

// scalars is a form's values that are no arrays and no objects.
func (c *schemaCompiler) scalars(f *form) []Expr {
	var parts []Expr
	if f.null {
		parts = append(parts, Lit("null"))
	}
	if f.bools&1 != 0 {
		parts = append(parts, Lit("false"))
	}
	if f.bools&2 != 0 {
		parts = append(parts, Lit("true"))
	}
	if !f.numbers.finite || len(f.numbers.values) > 0 {
		parts = append(parts, f.numbers.expr())
	}
	switch {
	case f.texts.all:
		parts = append(parts, anyString)
	case f.texts.finite && len(f.texts.words) > 0:
		parts = append(parts, Seq(quoteMark, c.spelled(f.texts), quoteMark))
	case !f.texts.finite:
		parts = append(parts, Terminal(Seq(quoteMark, c.spelled(f.texts), quoteMark)))
	}
	return parts
}

// define writes the rules that value promised.
func (c *schemaCompiler) define() error {
	for len(c.queue) > 0 {
		g := c.queue[0]
		c.queue = c.queue[1:]
		parts := c.scalars(g.form)
		for _, f := range g.form.arrays {
			e, err := c.array(f)
			if err != nil {
				return err
			}
			parts = append(parts, e)
		}
		for _, f := range g.form.objects {
			e, err := c.object(f)
			if err != nil {
				return err
			}
			parts = append(parts, e)
		}
		c.b.Define(*g.expr, Alt(parts...))
	}
	return nil
}

// array is the texts of an array.
func (c *schemaCompiler) array(f *arrayForm) (Expr, error) {
	if f.maxItems == 0 {
		if f.minHits > 0 {
			return Alt(), nil
		}
		return noItems, nil
	}
	if err := f.countable(); err != nil {
		return Expr{}, err
	}
	if f.unique && f.maxItems != 1 {
		return c.distinct(f)
	}
	rest, err := c.value(f.rest)
	if err != nil {
		return Expr{}, err
	}
	if f.contains != nil {
		return c.containing(f, rest)
	}
	// From the last item to the first: tail is what may follow item i.
	n := len(f.prefix)
	most := -1
	if f.maxItems >= 0 {
		most = f.maxItems - n
	}
	if n == 0 {
		more := -1
		if most >= 0 {
			more = most - 1
		}
		e := Seq(openSquare, rest, Repeat(Seq(comma, rest), max(0, f.minItems-1), more), endSquare)
		if f.minItems == 0 {
			e = Alt(noItems, e)
		}
		return e, nil
	}
	tail := Repeat(Seq(comma, rest), max(0, f.minItems-n), most)
	for i := n - 1; i >= 0; i-- {
		item, err := c.value(f.prefix[i])
		if err != nil {
			return Expr{}, err
		}
		if i == 0 {
			tail = Seq(openSquare, item, tail, endSquare)
			break
		}
		tail = Seq(comma, item, tail)
		if i >= f.minItems {
			tail = Optional(tail)
		}
		if i%maxNested == 0 {
			tail = c.rule(f.path, tail)
		}
	}
	if f.minItems == 0 {
		tail = Alt(noItems, tail)
	}
	return tail, nil
}

// countable refuses counts beyond those of a repetition.
func (f *arrayForm) countable() error {
	if f.minItems > MostRepeat || f.minHits > MostRepeat {
		return schemaErrorf(f.path, "arrays of more than %d items are not written", MostRepeat)
	}
	if f.maxItems > MostRepeat {
		f.maxItems = MostRepeat
	}
	return nil
}

// containing is arrays of which some items follow a goal of their own.
func (c *schemaCompiler) containing(f *arrayForm, rest Expr) (Expr, error) {
	if len(f.prefix) > 0 || f.minItems > f.minHits || f.maxItems >= 0 {
		return Expr{}, schemaErrorf(f.path+"/contains", "contains cannot be held beside prefixItems, minItems or maxItems")
	}
	hit, err := c.value(c.both(f.rest, f.contains))
	if err != nil {
		return Expr{}, err
	}
	// rest, ..., hit, rest, ..., hit, rest, ...
	before := Repeat(Seq(rest, comma), 0, -1)
	after := Repeat(Seq(comma, rest), 0, -1)
	return Seq(openSquare, before, hit, Repeat(Seq(comma, before, hit), f.minHits-1, f.minHits-1), after, endSquare), nil
}

// maxDistinct bounds the values of which arrays without equal items are made:
// every set of those that were there is a state.
const maxDistinct = 8

// distinct is arrays whose items are all different. They are possible where few
// values are.
func (c *schemaCompiler) distinct(f *arrayForm) (Expr, error) {
	refused := schemaErrorf(f.path+"/uniqueItems",
		"uniqueItems can be held for items of at most %d values, as by enum, and nothing else about them; leave it out and check the array afterwards", maxDistinct)
	if len(f.prefix) > 0 || f.contains != nil {
		return Expr{}, refused
	}
	items, err := c.formOf(f.rest)
	if err != nil {
		return Expr{}, err
	}
	if !items.numbers.finite || !items.texts.finite || len(items.arrays)+len(items.objects) > 0 {
		return Expr{}, refused
	}
	values := c.single(items)
	if len(values) > maxDistinct {
		return Expr{}, refused
	}
	// rules[s] is what may follow where s is the set of values that were there.
	full := 1 << len(values)
	rules := make([]Expr, full)
	for s := range rules {
		rules[s] = c.b.Rule(f.path)
	}
	for s := range rules {
		var parts []Expr
		n := popcount(s)
		if n >= f.minItems {
			if n == 0 {
				parts = append(parts, noItems)
			} else {
				parts = append(parts, endSquare)
			}
		}
		before := comma
		if n == 0 {
			before = openSquare
		}
		for i, v := range values {
			if s>>i&1 == 0 && (f.maxItems < 0 || n < f.maxItems) {
				parts = append(parts, Seq(before, v, rules[s|1<<i]))
			}
		}
		c.b.Define(rules[s], Alt(parts...))
	}
	return rules[0], nil
}

func popcount(s int) int {
	n := 0
	for ; s != 0; s &= s - 1 {
		n++
	}
	return n
}

// single is the values of a form that has finitely many, each for itself.
func (c *schemaCompiler) single(f *form) []Expr {
	g := form{null: f.null, bools: f.bools, numbers: noNumbers, texts: noTexts}
	parts := c.scalars(&g)
	for _, v := range f.numbers.values {
		parts = append(parts, numberSet{finite: true, values: []decimal{v}, whole: f.numbers.whole}.expr())
	}
	for _, w := range f.texts.words {
		parts = append(parts, Seq(quoteMark, spellWord(w), quoteMark))
	}
	return parts
}
