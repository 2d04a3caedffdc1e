package jinja

import (
	"errors"
	"strings"
)

// percent is text % values, Python's older way of formatting.
func (m *machine) percent(text str, values any) (any, error) {
	args, named := []any{values}, (*Map)(nil)
	mayRemain := false // as it may of what has an index, tuples and strings aside
	switch v := values.(type) {
	case *list:
		if v.kind == kindTuple {
			args = v.items
		}
		mayRemain = v.kind == kindList
	case *Map:
		named, mayRemain = v, true
	case *undefined:
		mayRemain = true
	}
	used := 0
	next := func() (any, error) {
		if used >= len(args) {
			return nil, errors.New("not enough arguments for format string")
		}
		used++
		return args[used-1], nil
	}
	w := &writer{m: m, markup: text.isMarkup()}
	for w.err == nil {
		if err := m.step(1); err != nil {
			return nil, err
		}
		i := strings.IndexByte(text.s, '%')
		if i < 0 {
			w.write(text)
			break
		}
		w.write(text.sub(0, i))
		text = text.from(i + 1)
		if strings.HasPrefix(text.s, "%") {
			w.write(text.sub(0, 1))
			text = text.from(1)
			continue
		}
		s, rest, err := m.directive(text.s, named, next)
		if err != nil {
			return nil, err
		}
		w.put(s)
		text = text.from(len(text.s) - len(rest))
	}
	if used < len(args) && !mayRemain {
		return nil, errors.New("not all arguments converted during string formatting")
	}
	return w.done()
}

// flags reads a directive's flags, and tells whether one asks for zeros.
func (f *spec) flags(text string) (zero bool, rest string) {
	for ; text != ""; text = text[1:] {
		switch text[0] {
		case '-':
			f.align = '<'
		case '0':
			zero = true
		case '+', ' ':
			if f.sign != '+' {
				f.sign = text[0]
			}
		case '#':
			f.alt = true
		default:
			return zero, text
		}
	}
	return zero, text
}

// directive formats the one at the start of text, behind its percent sign.
func (m *machine) directive(text string, named *Map, next func() (any, error)) (str, string, error) {
	f := spec{fill: plain(" "), prec: -1}
	var v any
	if strings.HasPrefix(text, "(") {
		end := strings.IndexByte(text, ')')
		if end < 0 {
			return str{}, "", errors.New("incomplete format key")
		}
		if named == nil {
			return str{}, "", errors.New("format requires a mapping")
		}
		ok := false
		if err := m.spend(end); err != nil {
			return str{}, "", err
		}
		if v, ok = named.get(text[1:end]); !ok {
			return str{}, "", errors.New("no key '" + text[1:end] + "' to format")
		}
		text = text[end+1:]
		next2 := next
		next = func() (any, error) {
			if next2 == nil {
				return nil, errors.New("* wants a tuple")
			}
			return v, nil
		}
	}
	zero, text := f.flags(text)
	number := func() (n int64, err error) {
		if strings.HasPrefix(text, "*") {
			text = text[1:]
			v, err := next()
			if err != nil {
				return 0, err
			}
			return wantInt(v)
		}
		n, text, err = count(text)
		return n, err
	}
	var err error
	if f.width, err = number(); err != nil {
		return str{}, "", err
	}
	if f.width < 0 {
		f.align, f.width = '<', -max(f.width, -1<<62)
	}
	if strings.HasPrefix(text, ".") {
		text = text[1:]
		if f.prec, err = number(); err != nil {
			return str{}, "", err
		}
		f.prec = max(f.prec, 0)
	}
	text = strings.TrimLeft(text, "hlL")
	if text == "" {
		return str{}, "", errors.New("incomplete format")
	}
	f.verb = text[0]
	if v, err = next(); err != nil {
		return str{}, "", err
	}
	switch {
	case f.verb == 'r' || f.verb == 'a':
		if v, err = m.repr(v); err != nil {
			return str{}, "", err
		}
		f.verb = 's'
	case f.verb == 's' || f.verb == 'c':
	case zero && f.align == 0:
		f.fill, f.align = plain("0"), '='
	}
	if f.align == 0 {
		f.align = '>' // strings as well
	}
	s, err := m.layout(v, f)
	return s, text[1:], err
}
