package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonWriter writes a value as Python's json.dumps does.
type jsonWriter struct {
	writer
	indent     str // one level's; with pretty false, there are no lines
	pretty     bool
	ascii      bool
	sorted     bool
	comma, col str
}

// toJSON is the filter of transformers, which escapes nothing for HTML as
// Jinja's own would.
func toJSON(m *machine, x any, p params) (any, error) {
	w := &jsonWriter{writer: writer{m: m}, comma: plain(", "), col: plain(": ")}
	w.ascii = p.flag(0, false)
	w.sorted = p.flag(3, false)
	if p.given(1) {
		w.pretty, w.comma = true, plain(",")
		if s, ok := p.values[1].(str); ok {
			w.indent = s
		} else {
			n, err := p.number(1, 0)
			if err != nil {
				return nil, err
			}
			if w.indent, err = m.blanks(n); err != nil {
				return nil, err
			}
		}
	}
	if p.given(2) {
		l, ok := p.values[2].(*list)
		if !ok || len(l.items) != 2 {
			return nil, errors.New("separators must be two strings")
		}
		var ok1, ok2 bool
		w.comma, ok1 = l.items[0].(str)
		w.col, ok2 = l.items[1].(str)
		if !ok1 || !ok2 {
			return nil, errors.New("separators must be two strings")
		}
	}
	w.value(x, 0)
	return w.done()
}

// blanks is n spaces, none if n is negative.
func (m *machine) blanks(n int64) (str, error) {
	v, err := m.repeat(plain(" "), n)
	if err != nil {
		return str{}, err
	}
	return v.(str), nil
}

func (w *jsonWriter) value(v any, depth int) {
	if w.err == nil {
		w.err = w.m.enter()
	}
	if w.err != nil {
		return
	}
	defer w.m.leave()
	switch v := v.(type) {
	case nil, bool, int64, json.Number, float64:
		w.add(jsonScalar(v))
	case str:
		w.string(v)
	case *list:
		if v.kind > kindTuple {
			w.err = notJSON(v)
			return
		}
		w.add("[")
		for i, x := range v.items {
			if w.err != nil {
				return
			}
			w.separate(i, depth+1)
			w.value(x, depth+1)
		}
		w.close(len(v.items), depth, "]")
	case *Map:
		w.object(v, depth)
	default:
		w.err = notJSON(v)
	}
}

func notJSON(v any) error {
	return fmt.Errorf("object of type %s is not JSON serializable", typeName(v))
}

func jsonScalar(v any) string {
	switch v := v.(type) {
	case bool:
		return strings.ToLower(pyBool(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return string(v)
	case float64:
		return pyFloat(v, "Infinity", "NaN")
	}
	return "null"
}

// separate writes the text before the i-th item.
func (w *jsonWriter) separate(i, depth int) {
	if i > 0 {
		w.write(w.comma)
	}
	w.line(depth)
}

func (w *jsonWriter) close(n, depth int, end string) {
	if n > 0 {
		w.line(depth)
	}
	w.add(end)
}

func (w *jsonWriter) line(depth int) {
	if !w.pretty {
		return
	}
	w.add("\n")
	for range depth {
		if w.err != nil || w.indent.s == "" {
			return
		}
		w.write(w.indent)
	}
}

func (w *jsonWriter) object(d *Map, depth int) {
	order := make([]int, d.Len())
	if w.err = w.m.spendItems(d.Len()); w.err != nil {
		return
	}
	for i := range order {
		order[i] = i
	}
	if w.sorted {
		if order, w.err = w.m.sortKeys(d, order); w.err != nil {
			return
		}
	}
	w.add("{")
	for n, i := range order {
		if w.err != nil {
			return
		}
		w.separate(n, depth+1)
		switch k := d.keys[i].(type) {
		case str:
			w.string(k)
		default:
			w.add(`"` + jsonScalar(k) + `"`)
		}
		w.write(w.col)
		w.value(d.values[i], depth+1)
	}
	w.close(len(order), depth, "}")
}

func (m *machine) sortKeys(d *Map, order []int) ([]int, error) {
	return mergeSort(m, slices.Clone(order), func(i, j int) (bool, error) {
		return m.order("<", d.keys[i], d.keys[j])
	})
}

// string writes s in quotes. Only quotes, backslashes and controls are
// escaped, and with ascii all that is not ASCII.
func (w *jsonWriter) string(x str) {
	s := x.s
	if w.err == nil {
		w.err = w.m.spend(len(s))
	}
	if w.err != nil {
		return
	}
	w.add(`"`)
	plain := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		escape := ""
		switch {
		case r == '"' || r == '\\':
			escape = `\` + string(r)
		case r < 0x20:
			const short = "\b\f\n\r\t"
			if k := strings.IndexRune(short, r); k >= 0 {
				escape = `\` + "bfnrt"[k:k+1]
			} else {
				escape = hex(`\u`, r, 4)
			}
		case r == utf8.RuneError && n == 1 && !w.ascii:
			escape = string(utf8.RuneError) // a stray byte has no JSON
		case w.ascii && r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			escape = hex(`\u`, hi, 4) + hex(`\u`, lo, 4)
		case w.ascii && r > 0x7e:
			escape = hex(`\u`, r, 4)
		}
		if escape != "" {
			w.write(x.sub(plain, i))
			w.write(x.at(i, escape))
			plain = i + n
			if w.err != nil {
				return
			}
		}
		i += n
	}
	w.write(x.from(plain))
	w.add(`"`)
}
