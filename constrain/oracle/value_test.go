package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"

	"bytes"
)

// A member is a name and a value of an object, which keep their order.
type member struct {
	name  string
	value any
}

// Values are nil, bool, json.Number, string, []any and object.
type object []member

// style is how an encoder writes JSON.
type style struct {
	comma, colon string
	indent       string // "" writes one line
	text         func(string) string
}

var styles = []style{
	{",", ":", "", goText},       // Go, JavaScript
	{", ", ": ", "", asciiText},  // Python
	{",", ": ", "  ", plainText}, // JavaScript and Go with an indentation
	{",", ": ", "\t", goText},    // Go with tabs
	{", ", ": ", "", upperText},  // Java, C#
}

func goText(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func plainText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}

func asciiText(s string) string { return escaped(s, `\u%04x`) }
func upperText(s string) string { return escaped(s, `\u%04X`) }

func escaped(s, unit string) string {
	var b strings.Builder
	for _, r := range plainText(s) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, unit+unit, hi, lo)
		default:
			fmt.Fprintf(&b, unit, r)
		}
	}
	return b.String()
}

func (s style) write(v any) string {
	var b strings.Builder
	s.value(&b, v, "\n")
	return b.String()
}

func (s style) value(b *strings.Builder, v any, line string) {
	deeper := line + s.indent
	list := func(open, end string, n int, item func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteString(s.comma)
			}
			if s.indent != "" {
				b.WriteString(deeper)
			}
			item(i)
		}
		if s.indent != "" && n > 0 {
			b.WriteString(line)
		}
		b.WriteString(end)
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	case json.Number:
		b.WriteString(string(v))
	case string:
		b.WriteString(s.text(v))
	case []any:
		list("[", "]", len(v), func(i int) { s.value(b, v[i], deeper) })
	case object:
		list("{", "}", len(v), func(i int) {
			b.WriteString(s.text(v[i].name))
			b.WriteString(s.colon)
			s.value(b, v[i].value, deeper)
		})
	default:
		panic(fmt.Sprintf("no JSON: %T", v))
	}
}

// mutate returns a value with one change somewhere in it.
func mutate(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case []any:
		out := slices.Clone(v)
		switch i := r.IntN(4); {
		case len(out) > 0 && i == 0:
			k := r.IntN(len(out))
			return slices.Delete(out, k, k+1)
		case len(out) > 0 && i == 1:
			return append(out, out[r.IntN(len(out))])
		case len(out) > 0 && i == 2:
			k := r.IntN(len(out))
			out[k] = mutate(r, out[k])
			return out
		}
		return append(out, scalar(r))
	case object:
		out := slices.Clone(v)
		switch i := r.IntN(8); {
		case len(out) > 0 && i == 0:
			k := r.IntN(len(out))
			return slices.Delete(out, k, k+1)
		case i == 1:
			name := "zz" + fmt.Sprint(r.IntN(100))
			return append(out, member{name, scalar(r)})
		case i == 2:
			return scalar(r)
		case len(out) > 0:
			k := r.IntN(len(out))
			out[k].value = mutate(r, out[k].value)
			return out
		}
		return object{}
	case string:
		switch r.IntN(5) {
		case 0:
			return v + "x"
		case 1:
			return strings.TrimSuffix(v, lastRune(v))
		case 2:
			return strings.ToUpper(v)
		case 3:
			return v + v + "é\n"
		}
	case json.Number:
		if strings.ContainsAny(string(v), "eE") {
			break
		}
		switch abs := strings.TrimPrefix(string(v), "-"); r.IntN(4) {
		case 0:
			return "-1" + json.Number(abs)
		case 1:
			return "9" + json.Number(abs)
		case 2:
			if !strings.Contains(abs, ".") {
				return v + ".5"
			}
		}
	}
	return scalar(r)
}

func lastRune(s string) string {
	if s == "" {
		return ""
	}
	r := []rune(s)
	return string(r[len(r)-1])
}

func scalar(r *rand.Rand) any {
	return []any{nil, true, false, json.Number("0"), json.Number("7"), json.Number("-3"), json.Number("2.5"), json.Number("1000000"),
		"", "a", "other", "2024-02-30", []any{}, object{}}[r.IntN(14)]
}

// size is how many values there are in one.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += size(x)
		}
	case object:
		for _, m := range v {
			n += size(m.value)
		}
	}
	return n
}
