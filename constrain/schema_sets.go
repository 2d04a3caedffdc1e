package constrain

// maskSets is the algebra of null and of booleans: bits of the possible values.
type maskSets struct {
	of   jsonTypes
	full uint8
}

func (m maskSets) kind() jsonTypes                         { return m.of }
func (m maskSets) all() uint8                              { return m.full }
func (m maskSets) none() uint8                             { return 0 }
func (m maskSets) dead(x uint8) bool                       { return x == 0 }
func (m maskSets) empty(x uint8) (bool, error)             { return x == 0, nil }
func (m maskSets) and(x, y uint8, _ string) (uint8, error) { return x & y, nil }
func (m maskSets) or(x, y uint8, _ string) (uint8, error)  { return x | y, nil }
func (m maskSets) forget(x uint8) uint8                    { return x }

func (m maskSets) keywords(*schemaNode, bool) ([]uint8, error) { return nil, nil }

func (m maskSets) unevaluated(_ *schemaNode, x uint8, _ bool) (uint8, error) { return x, nil }

func (m maskSets) values(_ *schemaNode, vs []*jsonValue, neg bool) (uint8, error) {
	var x uint8
	for _, v := range vs {
		switch {
		case v.kind == 'n' && m.of == typeNull, v.kind == 'f' && m.of == typeBool:
			x |= 1
		case v.kind == 't' && m.of == typeBool:
			x |= 2
		}
	}
	if neg {
		x ^= m.full
	}
	return x, nil
}

// textSets is the algebra of strings.
type textSets struct{ c *schemaCompiler }

func (textSets) kind() jsonTypes                               { return typeString }
func (textSets) all() textSet                                  { return allTexts }
func (textSets) none() textSet                                 { return noTexts }
func (textSets) dead(x textSet) bool                           { return x.finite && len(x.words) == 0 }
func (t textSets) empty(x textSet) (bool, error)               { return x.empty(t.c) }
func (t textSets) and(x, y textSet, _ string) (textSet, error) { return t.c.andTexts(x, y), nil }
func (textSets) or(x, y textSet, _ string) (textSet, error)    { return x.or(y), nil }
func (textSets) forget(x textSet) textSet                      { return x }

func (textSets) unevaluated(_ *schemaNode, x textSet, _ bool) (textSet, error) { return x, nil }

func (textSets) values(_ *schemaNode, vs []*jsonValue, neg bool) (textSet, error) {
	var words []string
	for _, v := range vs {
		if v.kind == 's' {
			words = append(words, v.text)
		}
	}
	words = once(words)
	if neg {
		return wordSet(words...).not(), nil
	}
	return wordSet(words...), nil
}

func (t textSets) keywords(n *schemaNode, neg bool) ([]textSet, error) {
	out, err := lengths(n, neg)
	if err != nil {
		return nil, err
	}
	add := func(s textSet, err error) error {
		if neg {
			s = s.not()
		}
		out = append(out, s)
		return err
	}
	for _, p := range n.patterns {
		if err := add(t.c.pattern(p, n.path+"/pattern")); err != nil {
			return nil, err
		}
	}
	if n.format != "" {
		if err := add(formatSet(n, t.c.strict)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lengths are the sets of minLength and maxLength, in characters. Strings of more
// than MostRepeat characters are not written, whatever maxLength says.
func lengths(n *schemaNode, neg bool) ([]textSet, error) {
	if n.minLength > MostRepeat {
		return nil, schemaErrorf(n.path+"/minLength", "strings of more than %d characters are not written", MostRepeat)
	}
	var out []textSet
	longest := min(n.maxLength, MostRepeat)
	if neg {
		if n.minLength > 0 {
			out = append(out, textSet{e: Repeat(Any(), 0, n.minLength-1)})
		}
		if n.maxLength >= 0 && n.maxLength < MostRepeat {
			out = append(out, textSet{e: Repeat(Any(), n.maxLength+1, -1)})
		}
		return out, nil
	}
	switch {
	case n.maxLength >= 0 && n.maxLength < n.minLength:
		out = append(out, noTexts)
	case n.minLength > 0 || n.maxLength >= 0:
		out = append(out, textSet{e: Repeat(Any(), n.minLength, longest)})
	}
	return out, nil
}

// numberSets is the algebra of numbers.
type numberSets struct{ c *schemaCompiler }

func (numberSets) kind() jsonTypes                   { return typeNumber }
func (numberSets) all() numberSet                    { return allNumbers }
func (numberSets) none() numberSet                   { return noNumbers }
func (numberSets) dead(x numberSet) bool             { return x.finite && len(x.values) == 0 }
func (n numberSets) empty(x numberSet) (bool, error) { return x.empty(n.c) }
func (n numberSets) and(x, y numberSet, _ string) (numberSet, error) {
	return n.c.andNumbers(x, y), nil
}
func (numberSets) or(x, y numberSet, _ string) (numberSet, error) { return x.or(y), nil }
func (numberSets) forget(x numberSet) numberSet                   { return x }

func (numberSets) unevaluated(_ *schemaNode, x numberSet, _ bool) (numberSet, error) { return x, nil }

func (numberSets) values(n *schemaNode, vs []*jsonValue, neg bool) (numberSet, error) {
	var list []decimal
	for _, v := range vs {
		if v.kind != '#' {
			continue
		}
		d, ok := parseDecimal(v.text)
		if !ok {
			return noNumbers, schemaErrorf(n.path, "a number has more than %d digits", maxDigits)
		}
		list = append(list, d)
	}
	list = once(list)
	if neg {
		return except(list), nil
	}
	return numberSet{finite: true, values: list}, nil
}

func (numberSets) keywords(n *schemaNode, neg bool) ([]numberSet, error) {
	var out []numberSet
	if !neg {
		if n.low != nil || n.high != nil || n.integer {
			out = append(out, between(n.low, n.high, n.integer))
		}
	} else {
		if n.low != nil {
			out = append(out, between(nil, &bound{n.low.at, !n.low.strict}, false))
		}
		if n.high != nil {
			out = append(out, between(&bound{n.high.at, !n.high.strict}, nil, false))
		}
		if n.integer {
			out = append(out, fractional)
		}
	}
	if n.multiple != nil {
		s, err := multiples(*n.multiple, n.path+"/multipleOf")
		if err != nil {
			return nil, err
		}
		if neg {
			s = numberSet{e: And(anyDecimal, Not(s.e))}
		}
		out = append(out, s)
	}
	return out, nil
}
