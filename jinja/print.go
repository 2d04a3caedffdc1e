package jinja

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// writer builds a text and pays for it. After an error it does nothing.
type writer struct {
	builder
	m      *machine
	markup bool // the text is Markup: text put into it gets escaped
	err    error
}

// add writes a text of our own.
func (w *writer) add(s string) { w.write(plain(s)) }

// put writes a value's text.
func (w *writer) put(x str) {
	if w.markup && !x.isMarkup() {
		w.escape(x)
		return
	}
	w.write(x)
}

func (w *writer) write(x str) {
	if w.err == nil && w.text.Len()+len(x.s) > maxText {
		w.err = errTooLong
	}
	if w.err == nil {
		w.err = w.m.spend(2 * len(x.s)) // as the text grows it is moved
	}
	if w.err == nil {
		w.builder.put(x)
	}
}

func (w *writer) done() (str, error) {
	if w.err != nil {
		return str{}, w.err
	}
	return w.builder.str(w.markup), nil
}

// entities are Markup's spellings of the characters that HTML has a use for.
var entities = map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&#34;", '\'': "&#39;"}

func (w *writer) escape(x str) {
	rest := 0
	for rest < len(x.s) && w.err == nil {
		i := strings.IndexAny(x.s[rest:], `&<>"'`)
		if i < 0 {
			break
		}
		i += rest
		w.write(x.sub(rest, i))
		w.write(x.at(i, entities[x.s[i]]))
		rest = i + 1
	}
	w.write(x.from(rest))
}

// str is Python's str(v). A text, also Markup, comes back as it is and costs
// nothing.
func (m *machine) str(v any) (str, error) {
	if s, ok := v.(str); ok {
		return s, nil
	}
	w := &writer{m: m}
	w.str(v)
	return w.done()
}

// repr is Python's repr(v).
func (m *machine) repr(v any) (str, error) {
	w := &writer{m: m}
	w.repr(v)
	return w.done()
}

func (w *writer) str(v any) {
	switch v := v.(type) {
	case str:
		w.put(v)
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
	case str:
		if v.isMarkup() {
			w.add("Markup(")
			w.quote(v)
			w.add(")")
			return
		}
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
func (w *writer) quote(x str) {
	s := x.s
	if w.err == nil {
		w.err = w.m.spend(2 * len(s)) // looked through
	}
	if w.err != nil {
		return
	}
	q := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		q = '"'
	}
	plain := 0
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
			escape = hex(`\x`, r, 2)
		case r < 0x10000:
			escape = hex(`\u`, r, 4)
		default:
			escape = hex(`\U`, r, 8)
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
	w.add(string(q))
}

// hex is r in the given number of digits behind a prefix.
func hex(prefix string, r rune, digits int) string {
	var buf [10]byte
	out := append(buf[:0], prefix...)
	for i := digits - 1; i >= 0; i-- {
		out = append(out, "0123456789abcdef"[r>>(4*i)&15])
	}
	return string(out)
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
