package template

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
		"istitle": ask(func(s string) bool { return hasCase(s, isCased) && s == titleWords(s) }),

		"strip":  stripMethod(true, true),
		"lstrip": stripMethod(true, false),
		"rstrip": stripMethod(false, true),

		"split": def("sep? maxsplit?", func(m *machine, x any, p params) (any, error) {
			return m.split(x.(string), p, false)
		}),
		"rsplit": def("sep? maxsplit?", func(m *machine, x any, p params) (any, error) {
			return m.split(x.(string), p, true)
		}),
		"splitlines": def("keepends?", func(m *machine, x any, p params) (any, error) {
			s := x.(string)
			if err := m.paySplit(s, countFunc(s, isLineBreak)+1); err != nil {
				return nil, err
			}
			return newList(texts(splitLines(s, p.flag(0, false)))), nil
		}),
		"partition":  partitionMethod(false),
		"rpartition": partitionMethod(true),
		"join":       def("iterable", joinStrings),

		"startswith": affix(strings.HasPrefix),
		"endswith":   affix(strings.HasSuffix),
		"removeprefix": def("prefix", func(_ *machine, x any, p params) (any, error) {
			s, err := p.text(0, "")
			return strings.TrimPrefix(x.(string), s), err
		}),
		"removesuffix": def("suffix", func(_ *machine, x any, p params) (any, error) {
			s, err := p.text(0, "")
			return strings.TrimSuffix(x.(string), s), err
		}),

		"find":  search(strings.Index, false),
		"rfind": search(strings.LastIndex, false),
		"index": search(strings.Index, true), "rindex": search(strings.LastIndex, true),
		"count": def("sub start? end?", func(m *machine, x any, p params) (any, error) {
			s, sub, _, err := m.within(x.(string), p)
			return int64(strings.Count(s, sub)), err
		}),
		"replace": def("old new count?", func(m *machine, x any, p params) (any, error) {
			return m.replaceArgs(x.(string), p)
		}),

		"center": pad(func(width, n int) int { return (width-n)/2 + (width-n)&width&1 }),
		"ljust":  pad(func(width, n int) int { return 0 }),
		"rjust":  pad(func(width, n int) int { return width - n }),
		"zfill": def("width", func(m *machine, x any, p params) (any, error) {
			s := x.(string)
			sign := ""
			if s != "" && (s[0] == '-' || s[0] == '+') {
				sign, s = s[:1], s[1:]
			}
			width, err := p.number(0, 0)
			if err != nil {
				return nil, err
			}
			s, err = m.pad(s, width-int64(len(sign)), "0", func(width, n int) int { return width - n })
			return sign + s, err
		}),
		"format": def("*", func(m *machine, x any, p params) (any, error) {
			return m.format(x.(string), p.rest)
		}),
	}
}

// textFunc makes a method or filter of a function from string to string.
func textFunc(f func(string) string) *builtin {
	return def("", func(m *machine, x any, _ params) (any, error) {
		s, err := m.str(x)
		if err == nil {
			// Case may make a text longer, but never more than thrice.
			err = m.spend(3 * len(s))
		}
		if err != nil {
			return nil, err
		}
		return f(s), nil
	})
}

func ask(f func(string) bool) *builtin {
	return def("", func(m *machine, x any, _ params) (any, error) {
		s, err := m.str(x)
		if err == nil {
			err = m.spend(len(s))
		}
		return err == nil && f(s), err
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
				err = m.spend(len(chars) * itemBytes)
			}
			if err != nil {
				return nil, err
			}
			in = runeSet(chars)
		}
		if err := m.spend(len(s)); err != nil {
			return nil, err
		}
		return strip(s, in, left, right), nil
	})
}

func partitionMethod(right bool) *builtin {
	return def("sep", func(m *machine, x any, p params) (any, error) {
		sep, err := p.text(0, "")
		if err == nil && sep == "" {
			err = errors.New("empty separator")
		}
		if err == nil {
			err = m.spend(len(x.(string)))
		}
		if err != nil {
			return nil, err
		}
		return tuple(partition(x.(string), sep, right)...), nil
	})
}

// affix makes startswith and endswith, which take one string or a tuple.
func affix(is func(s, part string) bool) *builtin {
	return def("part start? end?", func(m *machine, x any, p params) (any, error) {
		s := x.(string)
		if p.has(1) {
			part, err := m.slice(s, p.value(1, nil), p.value(2, nil), nil)
			if err != nil {
				return nil, err
			}
			s = part.(string)
		}
		parts := []any{p.values[0]}
		if l, ok := p.values[0].(*list); ok && l.kind == kindTuple {
			parts = l.items
		}
		for _, v := range parts {
			part, err := params{values: []any{v}}.text(0, "")
			if err == nil {
				err = m.spend(min(len(part), len(s)) + 1)
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

// within reads the arguments of the searching methods: what to look for, in
// which part of the string, and how many characters stand before that part.
func (m *machine) within(x string, p params) (s, sub string, before int, err error) {
	if sub, err = p.text(0, ""); err != nil {
		return "", "", 0, err
	}
	if err = m.spend(len(x)); err != nil || !p.has(1) {
		return x, sub, 0, err
	}
	from, to, err := sliceRange(utf8.RuneCountInString(x), p.value(1, nil), p.value(2, nil), 1)
	if err != nil {
		return "", "", 0, err
	}
	return substring(x, from, max(from, to)), sub, from, nil
}

func search(find func(s, sub string) int, must bool) *builtin {
	return def("sub start? end?", func(m *machine, x any, p params) (any, error) {
		s, sub, before, err := m.within(x.(string), p)
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

func (m *machine) replaceArgs(s string, p params) (any, error) {
	old, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	with, err := p.text(1, "")
	if err != nil {
		return nil, err
	}
	n, err := p.number(2, -1)
	if err != nil {
		return nil, err
	}
	return m.replace(s, old, with, n)
}

// pad makes s as wide as width; left says how much of that goes before it.
func (m *machine) pad(s string, width int64, fill string, left func(width, n int) int) (string, error) {
	if err := m.spend(len(s)); err != nil {
		return "", err
	}
	n := utf8.RuneCountInString(s)
	if width <= int64(n) {
		return s, nil
	}
	if width > int64(m.left.Bytes) {
		return "", m.spend(-1)
	}
	missing := int(width) - n
	if err := m.spend(len(s) + missing*len(fill)); err != nil {
		return "", err
	}
	before := left(int(width), n)
	return strings.Repeat(fill, before) + s + strings.Repeat(fill, missing-before), nil
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
		fill, err := p.text(1, " ")
		if err == nil && utf8.RuneCountInString(fill) != 1 {
			err = errors.New("the fill character must be exactly one character long")
		}
		if err != nil {
			return nil, err
		}
		return m.pad(s, width, fill, left)
	})
}
