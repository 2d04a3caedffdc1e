package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// format is str.format.
func (m *machine) format(text str, a arguments) (any, error) {
	w := &writer{m: m, markup: text.isMarkup()}
	auto := 0
	for text.s != "" && w.err == nil {
		if err := m.step(1); err != nil {
			return nil, err
		}
		i := strings.IndexAny(text.s, "{}")
		if i < 0 {
			w.write(text)
			break
		}
		w.write(text.sub(0, i))
		brace, mark := text.s[i], text.sub(i, i+1)
		text = text.from(i + 1)
		if text.s != "" && text.s[0] == brace {
			w.write(mark)
			text = text.from(1)
			continue
		}
		end := strings.IndexAny(text.s, "{}")
		if brace == '}' || end < 0 {
			return nil, errors.New("single '" + string(brace) + "' encountered in format string")
		}
		if text.s[end] == '{' {
			return nil, errors.New("a format cannot stand inside another")
		}
		s, err := m.field(text.sub(0, end), a, &auto)
		if err != nil {
			return nil, err
		}
		w.put(s)
		text = text.from(end + 1)
	}
	return w.done()
}

// field formats the text between braces: a path, !conversion and :layout.
func (m *machine) field(text str, a arguments, auto *int) (str, error) {
	if err := m.spend(callBytes + 2*len(text.s)); err != nil {
		return str{}, err
	}
	path, layout, _ := strings.Cut(text.s, ":")
	fill := text.from(len(text.s) - len(layout))
	path, conversion, converts := strings.Cut(path, "!")
	v, err := m.fieldValue(path, a, auto)
	if err != nil {
		return str{}, err
	}
	if converts {
		switch conversion {
		case "r", "a":
			v, err = m.repr(v)
		case "s":
			v, err = m.str(v)
		default:
			err = errors.New("unknown conversion in format string")
		}
		if err != nil {
			return str{}, err
		}
	}
	if layout == "" {
		return m.str(v)
	}
	f, err := parseSpec(fill)
	if err != nil {
		return str{}, err
	}
	if b, ok := v.(bool); ok {
		v, _ = asInt(b)
	}
	if !f.suits(v) {
		return str{}, fmt.Errorf("invalid format specifier '%.40s' for object of type '%s'", layout, typeName(v))
	}
	return m.layout(v, f)
}

// suits tells whether this layout is allowed for a value of v's type.
func (f spec) suits(v any) bool {
	switch v.(type) {
	case str:
		return (f.verb == 0 || f.verb == 's') && f.align != '=' && f.sign == 0 && !f.alt && !f.comma
	case int64, json.Number:
		return f.verb != 's' && (f.prec < 0 || strings.IndexByte("eEfFgG%", f.verb) >= 0)
	case float64:
		return f.verb == 0 || strings.IndexByte("eEfFgG%", f.verb) >= 0
	}
	return false
}

func (m *machine) fieldValue(path string, a arguments, auto *int) (any, error) {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	name, path := path[:end], path[end:]
	n, err := strconv.Atoi(name)
	if name == "" {
		n, err = *auto, nil
		*auto++
	}
	var v any
	if err == nil {
		if n < 0 || n >= len(a.pos) {
			return nil, fmt.Errorf("no argument %d for format string", n)
		}
		v = a.pos[n]
	} else {
		ok := false
		if v, ok = a.get(name); !ok {
			return nil, fmt.Errorf("no argument '%s' for format string", name)
		}
	}
	for path != "" {
		if path[0] == '[' {
			key, rest, ok := strings.Cut(path[1:], "]")
			if !ok {
				return nil, errors.New("expected ']' in format string")
			}
			path = rest
			if n, err := strconv.ParseInt(key, 10, 64); err == nil {
				v, err = m.item(v, n)
				if err != nil {
					return nil, err
				}
			} else if v, err = m.item(v, plain(key)); err != nil {
				return nil, err
			}
			continue
		}
		if path[0] != '.' {
			return nil, errors.New("only '.' or '[' may follow ']' in format string")
		}
		path = path[1:]
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		var err error
		if v, err = m.attr(v, path[:end]); err != nil {
			return nil, err
		}
		path = path[end:]
	}
	return v, nil
}

// parseSpec reads [[fill]align][sign][#][0][width][,][.precision][type].
func parseSpec(text str) (spec, error) {
	s := text.s
	f := spec{fill: plain(" "), prec: -1}
	take := func(set string) byte {
		if s == "" || strings.IndexByte(set, s[0]) < 0 {
			return 0
		}
		c := s[0]
		s = s[1:]
		return c
	}
	_, n := utf8.DecodeRuneInString(s)
	filled := len(s) > n && strings.IndexByte("<>^=", s[n]) >= 0
	if filled {
		f.fill, s = text.sub(0, n), s[n:]
	}
	f.align = take("<>^=")
	if f.sign = take("+- "); f.sign == '-' {
		f.sign = 0
	}
	f.alt = take("#") != 0
	if take("0") != 0 {
		f.zero = f.align == 0
		if !filled {
			f.fill = plain("0")
		}
	}
	var err error
	if f.width, s, err = count(s); err != nil {
		return f, err
	}
	if f.comma = take(",") != 0; f.comma && f.zero {
		return f, errors.New("zeros before a number with commas are not supported")
	}
	if take(".") != 0 {
		if f.prec, s, err = count(s); err != nil {
			return f, err
		}
	}
	f.verb = take("sdxXobceEfFgG%")
	if s != "" {
		return f, errors.New("invalid format specifier")
	}
	return f, nil
}
