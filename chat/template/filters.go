package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// filters are Jinja's by name; tojson is transformers' own. Those not here are
// refused when a template is parsed.
var filters map[string]*builtin

func init() {
	length := def("", func(m *machine, x any, _ params) (any, error) {
		n, err := m.length(x)
		return int64(n), err
	})
	otherwise := def("default_value? boolean?", func(_ *machine, x any, p params) (any, error) {
		if isUndefined(x) || (p.flag(1, false) && !truth(x)) {
			return p.value(0, ""), nil
		}
		return x, nil
	})
	toString := def("", func(m *machine, x any, _ params) (any, error) { return m.str(x) })
	escape := def("", escapeHTML)
	filters = map[string]*builtin{
		"abs":     def("", abs),
		"attr":    def("name", attribute),
		"default": otherwise, "d": otherwise,
		"length": length, "count": length,
		"float":  def("default?", toFloat),
		"int":    def("default? base?", toInt),
		"round":  def("precision? method?", round),
		"string": toString, "safe": toString,
		"escape": escape, "e": escape, "forceescape": escape,
		"tojson": def("ensure_ascii? indent? separators? sort_keys?", toJSON),

		"capitalize": textFunc(capitalize), "lower": textFunc(lower),
		"upper": textFunc(upper), "title": textFunc(titleFilter),
		"trim": stripMethod(true, true),
		"center": def("width?", func(m *machine, x any, p params) (any, error) {
			width, err := p.number(0, 80)
			if err != nil {
				return nil, err
			}
			return strMethods["center"].apply(m, "center", x, arguments{pos: []any{width}})
		}),
		"format": def("*", formatFilter),
		"indent": def("width? first? blank?", indent),
		"replace": def("old new count?", func(m *machine, x any, p params) (any, error) {
			for i, v := range []any{x, p.values[0], p.values[1]} {
				s, err := m.str(v)
				if err != nil {
					return nil, err
				}
				if i == 0 {
					x = s
				} else {
					p.values[i-1] = s
				}
			}
			return m.replaceArgs(x.(string), p)
		}),
		"wordcount": def("", func(m *machine, x any, _ params) (any, error) {
			s, err := m.str(x)
			if err == nil {
				err = m.spend(len(s))
			}
			return int64(len(strings.FieldsFunc(s, func(r rune) bool {
				return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
			}))), err
		}),
	}
	addListFilters()
}

// arithmetic on what is not a number fails as Python's functions do.
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
	if s, ok := x.(string); ok {
		if err := m.spend(len(s)); err != nil {
			return nil, err
		}
		if f, ok := parseFloat(s); ok {
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
	case string:
		if err := m.spend(len(v)); err != nil {
			return nil, err
		}
		n, ok, err := parseInt(v, base)
		if ok || err != nil {
			return n, err
		}
		if f, ok := parseFloat(v); ok {
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
		err = m.spend(5 * len(s))
	}
	if err != nil {
		return nil, err
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s), nil
}

func indent(m *machine, x any, p params) (any, error) {
	s, ok := x.(string)
	if !ok {
		return nil, fmt.Errorf("indent is for str, not %s", typeName(x))
	}
	margin, ok := p.value(0, int64(4)).(string)
	if !ok {
		n, err := p.number(0, 4)
		if err != nil {
			return nil, err
		}
		if margin, err = m.blanks(n); err != nil {
			return nil, err
		}
	}
	if err := m.paySplit(s, countFunc(s, isLineBreak)+1); err != nil {
		return nil, err
	}
	w := &writer{m: m}
	for i, line := range splitLines(s+"\n", false) {
		if i > 0 {
			w.add("\n")
		}
		switch {
		case i == 0 && p.flag(1, false), i > 0 && (line != "" || p.flag(2, false)):
			w.add(margin)
		}
		w.add(line)
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
