package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filters are Jinja's by name; tojson is transformers' own. A missing one is an
// error where a template reaches it, as in Jinja.
var filters map[string]*builtin

func init() {
	length := def("", lengthFilter)
	otherwise := def("default_value? boolean?", defaultFilter)
	escape := def("", escapeHTML)
	filters = map[string]*builtin{
		"abs":     def("", abs),
		"attr":    def("name", attribute),
		"default": otherwise, "d": otherwise,
		"length": length, "count": length,
		"float":  def("default?", toFloat),
		"int":    def("default? base?", toInt),
		"round":  def("precision? method?", round),
		"string": def("", toString), "safe": def("", safe),
		"escape": escape, "e": escape,
		"forceescape": def("", forceEscape),
		"tojson":      def("ensure_ascii? indent? separators? sort_keys?", toJSON),

		"capitalize": textFunc(capitalize), "lower": textFunc(lower),
		"upper":     textFunc(upper),
		"title":     def("", title),
		"trim":      stripMethod(true, true),
		"center":    def("width?", center),
		"format":    def("*", formatFilter),
		"indent":    def("width? first? blank?", indent),
		"replace":   def("old new count?", replaceFilter),
		"wordcount": def("", wordCount),
	}
	addListFilters()
	addTextFilters()
}

func lengthFilter(m *machine, x any, _ params) (any, error) {
	n, err := m.length(x)
	return int64(n), err
}

func defaultFilter(_ *machine, x any, p params) (any, error) {
	if isUndefined(x) || (p.flag(1, false) && !truth(x)) {
		return p.value(0, plain("")), nil
	}
	return x, nil
}

func toString(m *machine, x any, _ params) (any, error) { return m.str(x) }

func safe(m *machine, x any, _ params) (any, error) {
	s, err := m.str(x)
	return s.as(true), err
}

func forceEscape(m *machine, x any, p params) (any, error) {
	s, err := m.str(x)
	if err != nil {
		return nil, err
	}
	return escapeHTML(m, s.as(false), p)
}

func title(m *machine, x any, _ params) (any, error) {
	v, err := textFunc(titleFilter).apply(m, "title", x, arguments{})
	s, _ := v.(str)
	return s.as(false), err
}

func center(m *machine, x any, p params) (any, error) {
	width, err := p.number(0, 80)
	if err != nil {
		return nil, err
	}
	return strMethods["center"].apply(m, "center", x, arguments{pos: []any{width}})
}

func replaceFilter(m *machine, x any, p params) (any, error) {
	for i, v := range []any{x, p.values[0], p.values[1]} {
		s, err := m.str(v)
		if err != nil {
			return nil, err
		}
		if s = s.as(false); i == 0 {
			x = s
		} else {
			p.values[i-1] = s
		}
	}
	return m.replaceArgs(x.(str), p)
}

func wordCount(m *machine, x any, _ params) (any, error) {
	s, err := m.str(x)
	if err == nil {
		err = m.spend(4 * len(s.s))
	}
	n, inside := int64(0), false
	for _, r := range s.s {
		was := inside
		if inside = isWordChar(r); inside && !was {
			n++
		}
	}
	return n, err
}

// arithmetic on a value that is no number fails as Python's functions do.
func notNumber(v any) error {
	if u, ok := v.(*undefined); ok {
		return u.err()
	}
	return fmt.Errorf("'%s' object is not a number", typeName(v))
}

func abs(_ *machine, x any, _ params) (any, error) {
	if n, ok := asInt(x); ok {
		if n < 0 {
			return unary("-", n)
		}
		return n, nil
	}
	if f, ok := x.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, notNumber(x)
}

// attribute is Python's attribute alone, never an item.
func attribute(m *machine, x any, p params) (any, error) {
	name, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	if d, ok := x.(*Map); ok {
		if f := method(d, name); f != nil {
			return f, nil
		}
		return undef("'%s' has no attribute '%s'", objectName(x), name), nil
	}
	return m.attr(x, name)
}

func toFloat(m *machine, x any, p params) (any, error) {
	if u, ok := x.(*undefined); ok {
		return nil, u.err()
	}
	if err := m.read(x, x, x); err != nil {
		return nil, err
	}
	if s, ok := x.(str); ok {
		if f, ok := parseFloat(s.s); ok {
			return f, nil
		}
	} else if f, ok := asFloat(x); ok {
		return f, nil
	}
	return p.value(0, 0.0), nil
}

func toInt(m *machine, x any, p params) (any, error) {
	base, err := p.number(1, 10)
	if err != nil {
		return nil, err
	}
	switch v := x.(type) {
	case *undefined:
		return nil, v.err()
	case str:
		if err := m.read(v, v, v, v); err != nil {
			return nil, err
		}
		n, ok, err := parseInt(v.s, base)
		if ok || err != nil {
			return n, err
		}
		if f, ok := parseFloat(v.s); ok {
			x = f
		}
	}
	switch v := x.(type) {
	case bool, int64:
		n, _ := asInt(v)
		return n, nil
	case json.Number:
		return v, nil
	}
	if f, ok := x.(float64); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
		if math.Abs(f) >= 1<<63 {
			return nil, errOverflow
		}
		return int64(f), nil
	}
	return p.value(0, int64(0)), nil
}

// digits takes the underscores out of a number, which Python allows between
// two digits.
func digits(s string) (string, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return "", false
	}
	return strings.ReplaceAll(s, "_", ""), s != ""
}

func parseFloat(s string) (float64, bool) {
	s, ok := digits(s)
	if !ok || strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	// Past the range of floats, Python has infinity.
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

func parseInt(s string, base int64) (any, bool, error) {
	s, ok := digits(s)
	if !ok || base < 0 || base == 1 || base > 36 {
		return nil, false, nil
	}
	sign, rest := "", s
	if rest[0] == '-' || rest[0] == '+' {
		sign, rest = rest[:1], rest[1:]
	}
	prefix := map[int64]string{2: "0b", 8: "0o", 16: "0x"}[base]
	if prefix != "" && len(rest) > 2 && strings.EqualFold(rest[:2], prefix) {
		rest = rest[2:]
	}
	if rest == "" || rest[0] == '-' || rest[0] == '+' {
		return nil, false, nil
	}
	n, err := strconv.ParseInt(sign+rest, int(base), 64)
	if errors.Is(err, strconv.ErrRange) {
		return nil, false, errOverflow
	}
	return n, err == nil, nil
}

// round keeps an integer one; a float stays a float, and a half goes to the
// even side by the float's exact value.
func round(m *machine, x any, p params) (any, error) {
	places, err := p.number(0, 0)
	if err != nil {
		return nil, err
	}
	method, err := p.text(1, "common")
	if err != nil {
		return nil, err
	}
	// Digits are long to find, the more so the more there are.
	if err := m.spend(callBytes + 4*int(min(max(places, 0), 300))); err != nil {
		return nil, err
	}
	if err := m.read(x); err != nil {
		return nil, err
	}
	n, isInt := asInt(x)
	f, ok := asFloat(x)
	_, isLong := x.(json.Number)
	switch {
	case isLong:
		return nil, errOverflow
	case !ok:
		return nil, notNumber(x)
	case method != "common" && method != "ceil" && method != "floor":
		return nil, errors.New("method must be common, ceil or floor")
	case isInt && method == "common" && places >= 0:
		return n, nil
	case math.IsNaN(f) || math.IsInf(f, 0) || places > 300:
		return f, nil
	case places < -300:
		return 0.0, nil
	}
	scale := math.Pow(10, float64(places))
	switch {
	case method == "ceil":
		return math.Ceil(f*scale) / scale, nil
	case method == "floor":
		return math.Floor(f*scale) / scale, nil
	case places >= 0:
		r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(places), 64), 64)
		return r, err
	}
	r := math.RoundToEven(f*scale) / scale
	if isInt {
		return int64(r), nil
	}
	return r, nil
}

func escapeHTML(m *machine, x any, _ params) (any, error) {
	s, err := m.str(x)
	if err == nil {
		err = m.spend(len(s.s))
	}
	if err != nil || s.isMarkup() {
		return s, err
	}
	w := &writer{m: m, markup: true}
	w.put(s)
	return w.done()
}

func indent(m *machine, x any, p params) (any, error) {
	s, ok := x.(str)
	if !ok {
		return nil, fmt.Errorf("indent is for str, not %s", typeName(x))
	}
	margin, ok := p.value(0, int64(4)).(str)
	if !ok {
		n, err := p.number(0, 4)
		if err != nil {
			return nil, err
		}
		if margin, err = m.blanks(n); err != nil {
			return nil, err
		}
	}
	if err := m.paySplit(s.s, countFunc(s.s, isLineBreak)+1); err != nil {
		return nil, err
	}
	w := &writer{m: m, markup: s.isMarkup()}
	lines := splitLines(s.s, false)
	if r, _ := utf8.DecodeLastRuneInString(s.s); s.s == "" || isLineBreak(r) {
		lines = append(lines, cut{len(s.s), len(s.s)})
	}
	for i, line := range lines {
		if w.err != nil {
			break
		}
		if i > 0 {
			w.add("\n")
		}
		switch {
		case i == 0 && p.flag(1, false), i > 0 && (line.from < line.to || p.flag(2, false)):
			w.put(margin)
		}
		w.put(s.sub(line.from, line.to))
	}
	return w.done()
}

func formatFilter(m *machine, x any, p params) (any, error) {
	s, err := m.str(x)
	if err != nil {
		return nil, err
	}
	if p.rest.len() > 0 {
		if len(p.rest.pos) > 0 {
			return nil, errors.New("format takes positional or keyword arguments, not both")
		}
		return m.percent(s, p.rest.named)
	}
	return m.percent(s, tuple(p.rest.pos...))
}
