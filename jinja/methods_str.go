package jinja

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

var strMethods map[string]*builtin

func init() {
	strMethods = map[string]*builtin{
		"capitalize": textFunc(capitalize),
		"lower":      textFunc(lower), "upper": textFunc(upper),
		"title": textFunc(titleWords), "swapcase": textFunc(swapCase),

		"isalnum": askRunes(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
		"isalpha": askRunes(unicode.IsLetter), "isdecimal": askRunes(unicode.IsDigit),
		"isdigit": askRunes(isDigit),
		"isspace": askRunes(isSpace),
		"isascii": ask(isASCII),
		"islower": ask(func(s string) bool { return hasCase(s, isLower) }),
		"isupper": ask(func(s string) bool { return hasCase(s, isUpper) }),
		"istitle": ask(func(s string) bool { return hasCase(s, isCased) && s == recase(titleWords).text(s) }),

		"strip":  stripMethod(true, true),
		"lstrip": stripMethod(true, false),
		"rstrip": stripMethod(false, true),

		"split": def("sep? maxsplit?", func(m *machine, x any, p params) (any, error) {
			return m.split(x.(str), p, false)
		}),
		"rsplit": def("sep? maxsplit?", func(m *machine, x any, p params) (any, error) {
			return m.split(x.(str), p, true)
		}),
		"splitlines": def("keepends?", splitLinesMethod),
		"partition":  partitionMethod(false),
		"rpartition": partitionMethod(true),
		"join":       def("iterable", joinStrings),

		"startswith":   affix(strings.HasPrefix),
		"endswith":     affix(strings.HasSuffix),
		"removeprefix": def("prefix", removePrefix), "removesuffix": def("suffix", removeSuffix),

		"find":  search(strings.Index, false),
		"rfind": search(strings.LastIndex, false),
		"index": search(strings.Index, true), "rindex": search(strings.LastIndex, true),
		"count": def("sub start? end?", func(m *machine, x any, p params) (any, error) {
			s, sub, _, err := m.within(x.(str), p)
			return int64(strings.Count(s, sub)), err
		}),
		"replace": def("old new count?", func(m *machine, x any, p params) (any, error) {
			return m.replaceArgs(x.(str), p)
		}),
		"expandtabs": def("tabsize?", expandTabs),

		"center": pad(func(width, n int) int { return (width-n)/2 + (width-n)&width&1 }),
		"ljust":  pad(func(width, n int) int { return 0 }),
		"rjust":  pad(func(width, n int) int { return width - n }),
		"zfill":  def("width", zeroFill),
		"format": def("*", func(m *machine, x any, p params) (any, error) {
			return m.format(x.(str), p.rest)
		}),
		"format_map": def("mapping", func(m *machine, x any, p params) (any, error) {
			d, ok := p.values[0].(*Map)
			if !ok {
				return nil, notMapping(p.values[0])
			}
			return m.format(x.(str), arguments{named: d})
		}),
		"isnumeric": askRunes(unicode.IsNumber),
		"isprintable": ask(func(s string) bool {
			return s == "" || allRunes(s, unicode.IsPrint)
		}),
		"isidentifier": ask(func(s string) bool {
			return s != "" && !unicode.IsDigit([]rune(s[:min(4, len(s))])[0]) &&
				allRunes(s, func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
		}),
	}
}

func splitLinesMethod(m *machine, x any, p params) (any, error) {
	s := x.(str)
	if err := m.paySplit(s.s, countFunc(s.s, isLineBreak)+1); err != nil {
		return nil, err
	}
	return newList(s.parts(splitLines(s.s, p.flag(0, false)))), nil
}

func removePrefix(m *machine, x any, p params) (any, error) {
	s, err := p.text(0, "")
	if err == nil {
		err = m.spend(len(s))
	}
	rest := strings.TrimPrefix(x.(str).s, s)
	return x.(str).from(len(x.(str).s) - len(rest)), err
}

func removeSuffix(m *machine, x any, p params) (any, error) {
	s, err := p.text(0, "")
	if err == nil {
		err = m.spend(len(s))
	}
	return x.(str).sub(0, len(strings.TrimSuffix(x.(str).s, s))), err
}

// zeroFill pads a number with zeros behind its sign.
func zeroFill(m *machine, x any, p params) (any, error) {
	s := x.(str)
	sign := 0
	if s.s != "" && (s.s[0] == '-' || s.s[0] == '+') {
		sign = 1
	}
	width, err := p.number(0, 0)
	if err != nil {
		return nil, err
	}
	return m.padAfter(s, sign, width, plain("0"))
}

// textFunc makes a method or filter of a change of case.
func textFunc(f recase) *builtin {
	return def("", func(m *machine, x any, _ params) (any, error) {
		s, err := m.str(x)
		if err == nil {
			err = m.spend(4 * len(s.s))
		}
		if err != nil {
			return nil, err
		}
		return f.apply(s), nil
	})
}

// expandTabs makes columns of a text with tabs.
func expandTabs(m *machine, x any, p params) (any, error) {
	size, err := p.number(0, 8)
	if err != nil {
		return nil, err
	}
	s, w, column, rest := x.(str), &writer{m: m}, int64(0), 0
	if err := m.spend(len(s.s)); err != nil {
		return nil, err
	}
	for i, r := range s.s {
		switch column++; r {
		case '\n', '\r':
			column = 0
		case '\t':
			w.write(s.sub(rest, i))
			rest = i + 1
			if column--; size > 0 {
				n := size - column%size
				blanks, err := m.blanks(n)
				if err != nil {
					return nil, err
				}
				w.write(s.at(i, blanks.s))
				column += n
			}
		}
	}
	w.write(s.from(rest))
	out, err := w.done()
	return out.as(s.isMarkup()), err
}

func ask(f func(string) bool) *builtin {
	return def("", func(m *machine, x any, _ params) (any, error) {
		s, err := m.str(x)
		if err == nil {
			err = m.spend(2 * len(s.s))
		}
		return err == nil && f(s.s), err
	})
}

func askRunes(f func(rune) bool) *builtin {
	return ask(func(s string) bool { return allRunes(s, f) })
}

func stripMethod(left, right bool) *builtin {
	return def("chars?", func(m *machine, x any, p params) (any, error) {
		s, err := m.str(x)
		if err != nil {
			return nil, err
		}
		in := isSpace
		if p.given(0) {
			chars, err := p.text(0, "")
			if err == nil {
				err = m.spend(len(chars) * charBytes)
			}
			if err != nil {
				return nil, err
			}
			in = runeSet(chars)
		}
		if err := m.spend(4 * len(s.s)); err != nil {
			return nil, err
		}
		return strip(s, in, left, right), nil
	})
}

func partitionMethod(right bool) *builtin {
	return def("sep", func(m *machine, x any, p params) (any, error) {
		sep, err := p.str(0, "")
		if err == nil && sep.s == "" {
			err = errors.New("empty separator")
		}
		if err == nil {
			err = m.read(x, sep)
		}
		if err != nil {
			return nil, err
		}
		return tuple(partition(x.(str), sep, right)...), nil
	})
}

// affix makes startswith and endswith, which take one string or a tuple.
func affix(is func(s, part string) bool) *builtin {
	return def("part start? end?", func(m *machine, x any, p params) (any, error) {
		s := x.(str).s
		if p.has(1) {
			part, err := m.slice(x, p.value(1, nil), p.value(2, nil), nil)
			if err != nil {
				return nil, err
			}
			s = part.(str).s
		}
		parts := []any{p.values[0]}
		if l, ok := p.values[0].(*list); ok && l.kind == kindTuple {
			parts = l.items
		}
		for _, v := range parts {
			part, err := params{values: []any{v}}.text(0, "")
			if err == nil {
				err = m.spend(min(len(part), len(s)) + itemBytes)
			}
			if err != nil {
				return nil, err
			}
			if is(s, part) {
				return true, nil
			}
		}
		return false, nil
	})
}

// within reads the arguments of the searching methods: the text to find, the
// part of the string to search, and how many characters stand before that part.
func (m *machine) within(x str, p params) (s, sub string, before int, err error) {
	if sub, err = p.text(0, ""); err != nil {
		return "", "", 0, err
	}
	if err = m.spend(2*len(x.s) + len(sub)); err != nil || !p.has(1) {
		return x.s, sub, 0, err
	}
	from, to, err := sliceRange(utf8.RuneCountInString(x.s), p.value(1, nil), p.value(2, nil), 1)
	if err != nil {
		return "", "", 0, err
	}
	i, j := bytesOf(x.s, from, max(from, to))
	return x.s[i:j], sub, from, nil
}

func search(find func(s, sub string) int, must bool) *builtin {
	return def("sub start? end?", func(m *machine, x any, p params) (any, error) {
		s, sub, before, err := m.within(x.(str), p)
		if err != nil {
			return nil, err
		}
		i := find(s, sub)
		if i < 0 {
			if must {
				return nil, errors.New("substring not found")
			}
			return int64(-1), nil
		}
		return int64(before + utf8.RuneCountInString(s[:i])), nil
	})
}

func (m *machine) replaceArgs(s str, p params) (any, error) {
	old, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	with, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	n, err := p.number(2, -1)
	if err != nil {
		return nil, err
	}
	return m.replace(s, old, with, n)
}

// pad makes s as wide as width. left says how much of the padding goes before
// it.
func (m *machine) pad(s str, width int64, fill str, left func(width, n int) int) (str, error) {
	return m.padAt(s, width, fill, func(width, n int) (at, before int) { return 0, left(width, n) })
}

// padAfter puts the padding behind the first bytes of s, a sign.
func (m *machine) padAfter(s str, sign int, width int64, fill str) (str, error) {
	return m.padAt(s, width, fill, func(width, n int) (at, before int) { return sign, width - n })
}

func (m *machine) padAt(s str, width int64, fill str, left func(width, n int) (at, before int)) (str, error) {
	if err := m.spend(len(s.s)); err != nil {
		return str{}, err
	}
	n := utf8.RuneCountInString(s.s)
	if width <= int64(n) {
		return s, nil
	}
	if width > int64(m.left.Bytes) {
		return str{}, m.spend(-1)
	}
	missing := int(width) - n
	at, before := left(int(width), n)
	if err := m.spend(missing * len(fill.s)); err != nil {
		return str{}, err
	}
	w := &writer{m: m, markup: s.isMarkup()}
	w.write(s.sub(0, at))
	w.put(str{strings.Repeat(fill.s, before), fill.mark})
	w.write(s.from(at))
	w.put(str{strings.Repeat(fill.s, missing-before), fill.mark})
	return w.done()
}

func pad(left func(width, n int) int) *builtin {
	return def("width fillchar?", func(m *machine, x any, p params) (any, error) {
		s, err := m.str(x)
		if err != nil {
			return nil, err
		}
		width, err := p.number(0, 0)
		if err != nil {
			return nil, err
		}
		fill, err := p.str(1, " ")
		if err == nil && utf8.RuneCountInString(fill.s) != 1 {
			err = errors.New("the fill character must be exactly one character long")
		}
		if err != nil {
			return nil, err
		}
		return m.pad(s, width, fill, left)
	})
}
