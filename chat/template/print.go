package template

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// writer builds a text and pays for it; after an error it does nothing.
type writer struct {
	m   *machine
	b   strings.Builder
	err error
}

func (w *writer) add(s string) {
	if w.err == nil && w.b.Len()+len(s) > maxText {
		w.err = errTooLong
	}
	if w.err == nil {
		w.err = w.m.spend(len(s))
	}
	if w.err == nil {
		w.b.WriteString(s)
	}
}

func (w *writer) done() (string, error) {
	if w.err != nil {
		return "", w.err
	}
	return w.b.String(), nil
}

// str is Python's str(v); a string comes back as it is, for nothing.
func (m *machine) str(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	w := &writer{m: m}
	w.str(v)
	return w.done()
}

// repr is Python's repr(v).
func (m *machine) repr(v any) (string, error) {
	w := &writer{m: m}
	w.repr(v)
	return w.done()
}

func (w *writer) str(v any) {
	switch v := v.(type) {
	case string:
		w.add(v)
	case *undefined:
	default:
		w.repr(v)
	}
}

func (w *writer) repr(v any) {
	if w.err == nil {
		w.err = w.m.enter()
	}
	if w.err != nil {
		return
	}
	defer w.m.leave()
	switch v := v.(type) {
	case nil:
		w.add("None")
	case bool:
		w.add(pyBool(v))
	case int64:
		w.add(strconv.FormatInt(v, 10))
	case json.Number:
		w.add(string(v))
	case float64:
		w.add(pyFloat(v, "inf", "nan"))
	case string:
		w.quote(v)
	case *list:
		w.sequence(v)
	case *Map:
		w.mapping(v)
	case *undefined:
		w.add("Undefined")
	case *namespace:
		w.add("<Namespace ")
		w.mapping(v.vars)
		w.add(">")
	case *loop:
		n, err := v.length()
		if w.err == nil {
			w.err = err
		}
		w.add(fmt.Sprintf("<LoopContext %d/%d>", v.index0+1, n))
	case *function:
		if v.attrs != nil {
			w.add("<Macro '" + v.name + "'>")
			return
		}
		w.add("<function " + v.name + ">")
	default:
		w.add(fmt.Sprintf("<%T>", v))
	}
}

func pyBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

func (w *writer) sequence(l *list) {
	begin, end := "[", "]"
	switch l.kind {
	case kindTuple:
		begin, end = "(", ")"
		if len(l.items) == 1 {
			end = ",)"
		}
	case kindKeys, kindValues, kindItems:
		begin, end = typeName(l)+"([", "])"
	case kindGenerator:
		w.add("<generator object>")
		return
	}
	w.add(begin)
	for i, x := range l.items {
		if w.err != nil {
			return
		}
		if i > 0 {
			w.add(", ")
		}
		w.repr(x)
	}
	w.add(end)
}

func (w *writer) mapping(d *Map) {
	w.add("{")
	for i, k := range d.keys {
		if w.err != nil {
			return
		}
		if i > 0 {
			w.add(", ")
		}
		w.repr(k)
		w.add(": ")
		w.repr(d.values[i])
	}
	w.add("}")
}

// quote writes a string the way Python's repr does.
func (w *writer) quote(s string) {
	// Paid for in advance, as up to ten bytes come of one.
	if w.err == nil {
		w.err = w.m.spend(len(s))
	}
	if w.err != nil {
		return
	}
	q := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		q = '"'
	}
	plain := 0
	flush := func(to int, escape string) {
		w.add(s[plain:to])
		w.add(escape)
	}
	w.add(string(q))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		escape := ""
		switch {
		case r == rune(q) || r == '\\':
			escape = `\` + string(r)
		case r == '\n':
			escape = `\n`
		case r == '\r':
			escape = `\r`
		case r == '\t':
			escape = `\t`
		case unicode.IsPrint(r):
		case r < 0x100:
			escape = fmt.Sprintf(`\x%02x`, r)
		case r < 0x10000:
			escape = fmt.Sprintf(`\u%04x`, r)
		default:
			escape = fmt.Sprintf(`\U%08x`, r)
		}
		if escape != "" {
			flush(i, escape)
			plain = i + n
		}
		i += n
	}
	flush(len(s), string(q))
}

// pyFloat is the shortest text that reads back as f, laid out as Python does:
// with an exponent from 1e16 up and below 1e-4, and never without a point.
func pyFloat(f float64, inf, nan string) string {
	switch {
	case math.IsNaN(f):
		return nan
	case math.IsInf(f, 1):
		return inf
	case math.IsInf(f, -1):
		return "-" + inf
	case f == 0 || (math.Abs(f) >= 1e-4 && math.Abs(f) < 1e16):
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if strings.IndexByte(s, '.') < 0 {
			s += ".0"
		}
		return s
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}
