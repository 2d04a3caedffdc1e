package jinja

// tests are the words that may follow `is`. select and related filters take
// them by name.
var tests map[string]*builtin

func init() {
	tests = map[string]*builtin{
		"defined":   is(func(x any) bool { return !isUndefined(x) }),
		"undefined": is(isUndefined),
		"none":      is(func(x any) bool { return x == nil }),
		"boolean":   is(func(x any) bool { _, ok := x.(bool); return ok }),
		"true":      is(func(x any) bool { return x == true }),
		"false":     is(func(x any) bool { return x == false }),
		"string":    is(func(x any) bool { _, ok := x.(str); return ok }),
		"integer":   is(func(x any) bool { return typeName(x) == "int" }),
		"float":     is(func(x any) bool { _, ok := x.(float64); return ok }),
		"number":    is(isNumber),
		"mapping":   is(func(x any) bool { _, ok := x.(*Map); return ok }),
		"sequence":  is(isSequence),
		"iterable":  is(isIterable),
		// An undefined has Python's method for being called, if only to fail.
		"callable": is(func(x any) bool { _, ok := x.(*function); return ok || isUndefined(x) }),
		"escaped":  is(func(x any) bool { s, ok := x.(str); return ok && s.isMarkup() }),
		"lower":    ask(func(s string) bool { return hasCase(s, isLower) }),
		"upper":    ask(func(s string) bool { return hasCase(s, isUpper) }),
		"sameas":   def("other", func(m *machine, x any, p params) (any, error) { return same(x, p.values[0]), m.read(x) }),

		"odd":         remainder("", 1),
		"even":        remainder("", 0),
		"divisibleby": remainder("num", 0),

		"filter": def("", func(_ *machine, x any, _ params) (any, error) {
			name, ok := x.(str)
			return ok && filters[name.s] != nil, nil
		}),
		"test": def("", func(_ *machine, x any, _ params) (any, error) {
			name, ok := x.(str)
			return ok && tests[name.s] != nil, nil
		}),
	}
	for op, names := range map[string][]string{
		"==": {"eq", "equalto"},
		"!=": {"ne"},
		"<":  {"lt", "lessthan"},
		"<=": {"le"},
		">":  {"gt", "greaterthan"},
		">=": {"ge"},
		"in": {},
	} {
		t := def("other", func(m *machine, x any, p params) (any, error) {
			return m.compare(op, x, p.values[0])
		})
		for _, name := range append(names, op) {
			tests[name] = t
		}
	}
}

func is(f func(x any) bool) *builtin {
	return def("", func(_ *machine, x any, _ params) (any, error) { return f(x), nil })
}

func isUndefined(x any) bool {
	_, ok := x.(*undefined)
	return ok
}

func isNumber(x any) bool {
	switch typeName(x) {
	case "bool", "int", "float":
		return true
	}
	return false
}

// isSequence asks for a length and an index, as Jinja does: a dict has both.
func isSequence(x any) bool {
	switch x := x.(type) {
	case str, *Map, *undefined:
		return true
	case *list:
		return x.kind <= kindTuple
	}
	return false
}

func isIterable(x any) bool {
	switch x.(type) {
	case str, *Map, *undefined, *list:
		return true
	}
	return false
}

// same is Python's `is`. Scalars are the same when they are equal and of one
// type, as they are in Python for all but luck.
func same(a, b any) bool {
	x, ok := a.(str)
	if y, both := b.(str); ok && both {
		return x.s == y.s
	}
	return typeName(a) == typeName(b) && a == b
}

// remainder tests the remainder of division by num, or by two.
func remainder(num string, want int64) *builtin {
	return def(num, func(m *machine, x any, p params) (any, error) {
		by := any(int64(2))
		if num != "" {
			by = p.values[0]
		}
		v, err := m.binary("%", x, by)
		if err != nil {
			return nil, err
		}
		return m.equal(v, want)
	})
}
