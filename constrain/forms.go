package constrain

// Choice is one of several texts.
func Choice(texts []string) (*Grammar, error) {
	if len(texts) == 0 {
		return nil, errorf("", "a choice needs at least one text")
	}
	total := 0
	kids := make([]Expr, len(texts))
	for i, t := range texts {
		if total += len(t); total > MostText {
			return nil, errorf("", "the texts of a choice have more than %d bytes", MostText)
		}
		kids[i] = Lit(t)
	}
	return New(Alt(kids...))
}

// JSON is any JSON object, as OpenAI's json_object asks for.
func JSON() (*Grammar, error) {
	b := new(Builder)
	value := b.Rule("value")
	object := JSONValue(b, value)
	return b.Grammar(object)
}

// JSONSpace is the white space that may stand between the tokens of JSON: one
// space, or a line's end with spaces behind it. Without a limit a model could
// write it for ever.
func JSONSpace() Expr { return jsonSpace }

var jsonSpace = Optional(Alt(Lit(" "), Seq(Lit("\n"), Repeat(Lit(" "), 0, 40))))

// JSONString is any string of JSON, with its quotes.
func JSONString() Expr { return jsonString }

var (
	hexDigit   = Class('0', '9', 'a', 'f', 'A', 'F')
	jsonString = Terminal(Seq(Lit(`"`), Repeat(Alt(
		Class(0x20, '"'-1, '"'+1, '\\'-1, '\\'+1, 0x10ffff),
		Seq(Lit(`\`), Alt(Class('"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't'),
			jsonUnicode)),
	), 0, -1), Lit(`"`)))
	// Surrogates come in pairs.
	jsonUnicode = Seq(Lit("u"), Alt(
		Seq(Class('0', '9', 'a', 'c', 'A', 'C', 'e', 'f', 'E', 'F'), Repeat(hexDigit, 3, 3)),
		Seq(Class('d', 'd', 'D', 'D'), Class('0', '7'), Repeat(hexDigit, 2, 2)),
		Seq(Class('d', 'd', 'D', 'D'), Class('8', '9', 'a', 'b', 'A', 'B'), Repeat(hexDigit, 2, 2),
			Lit(`\u`), Class('d', 'd', 'D', 'D'), Class('c', 'f', 'C', 'F'), Repeat(hexDigit, 2, 2)),
	))
	jsonNumber = Terminal(Seq(Optional(Lit("-")), Alt(Lit("0"), Seq(Class('1', '9'), Repeat(Class('0', '9'), 0, -1))),
		Optional(Seq(Lit("."), Repeat(Class('0', '9'), 1, -1))),
		Optional(Seq(Class('e', 'e', 'E', 'E'), Optional(Class('+', '+', '-', '-')), Repeat(Class('0', '9'), 1, -1)))))
)

// JSONNumber is any number of JSON.
func JSONNumber() Expr { return jsonNumber }

// JSONValue defines a rule of b as any value of JSON, and returns an object of
// such values.
func JSONValue(b *Builder, value Expr) (object Expr) {
	space := jsonSpace
	list := func(open, item, end Expr) Expr {
		more := Repeat(Seq(space, Lit(","), space, item), 0, -1)
		return Seq(open, space, Optional(Seq(item, more, space)), end)
	}
	object = list(Lit("{"), Seq(jsonString, space, Lit(":"), space, value), Lit("}"))
	array := list(Lit("["), value, Lit("]"))
	b.Define(value, Alt(object, array, jsonString, jsonNumber, Lit("true"), Lit("false"), Lit("null")))
	return object
}
