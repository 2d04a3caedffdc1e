//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// piece is where a part of a JSON text lies.
type piece struct{ from, to int }

// jsonParts lists the keys, values and members (key and value) of a text that
// is JSON; of one that is not, those up to the fault.
type jsonParts struct {
	keys, values, members []piece
	data                  []byte
	at                    int
}

func (p *jsonParts) space() {
	for p.at < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[p.at]) >= 0 {
		p.at++
	}
}

// value walks over one value.
func (p *jsonParts) value() {
	p.space()
	from := p.at
	switch {
	case p.at == len(p.data):
		return
	case p.data[p.at] == '{' || p.data[p.at] == '[':
		object := p.data[p.at] == '{'
		p.at++
		for p.space(); p.at < len(p.data) && p.data[p.at] != '}' && p.data[p.at] != ']'; p.space() {
			key := p.at
			if object {
				p.text()
				p.keys = append(p.keys, piece{key, p.at})
			}
			p.value()
			if object {
				p.members = append(p.members, piece{key, p.at})
			}
			if p.at == key {
				p.at++ // no JSON: on, whatever it is
			}
		}
		p.at = min(p.at+1, len(p.data))
	case p.data[p.at] == '"':
		p.text()
	default:
		for p.at < len(p.data) && strings.IndexByte(",:]}{[\" \t\r\n", p.data[p.at]) < 0 {
			p.at++
		}
	}
	p.values = append(p.values, piece{from, p.at})
}

func (p *jsonParts) text() {
	for p.at++; p.at < len(p.data); p.at++ {
		switch p.data[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			return
		}
	}
	p.at = min(p.at, len(p.data))
}

// absurd are values that some reader does not expect.
var absurd = []string{
	"0", "1", "-1", "-0", "0.5", "1e999", "-1e308", "1e-400", "NaN", "Infinity", "-Infinity", "null", "true", "false", `""`, `"x"`, "[]", "{}", "[null]", `{"a":{}}`,
	"2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "1048576", "1048577", "16777216",
	`"\u0000"`, `"\ud800"`, `"\u001b[31mred\u001b[0m"`, `"\u009b31m"`, `"a\nb"`, `"../../x"`, `"<|eot_id|>"`, `"1e9"`,
}

func absurdity(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0:
		n := 1 << r.IntN(15)
		return strings.Repeat("[", n) + strings.Repeat("]", n)
	case 1:
		return strconv.Quote(strings.Repeat("long ", 1<<r.IntN(14)))
	case 2:
		return "[" + strings.Repeat("0,", 1<<r.IntN(16)) + "0]"
	case 3:
		n := 1 << r.IntN(12)
		return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
	}
	return absurd[r.IntN(len(absurd))]
}

// rewriteJSON changes what a JSON text says: values, keys, members.
func rewriteJSON(r *rand.Rand, data []byte) []byte {
	p := &jsonParts{data: data}
	p.value()
	one := func(list []piece) (piece, bool) {
		if len(list) == 0 {
			return piece{}, false
		}
		// The larger a file's list (a vocabulary), the less each of it matters: the
		// small and the last come as often as any.
		switch r.IntN(3) {
		case 0:
			return list[r.IntN(min(len(list), 40))], true
		case 1:
			return list[len(list)-1-r.IntN(min(len(list), 40))], true
		}
		return list[r.IntN(len(list))], true
	}
	replace := func(at piece, with string) []byte {
		return slices.Replace(slices.Clone(data), at.from, at.to, []byte(with)...)
	}
	switch r.IntN(8) {
	case 0:
		if at, ok := one(p.keys); ok {
			return replace(at, strconv.Quote("k"+string(data[at.from+1:max(at.from+1, at.to-1)])))
		}
	case 1:
		if at, ok := one(p.members); ok { // with a comma, where one follows
			end := at.to
			for end < len(data) && (data[end] == ' ' || data[end] == ',' || data[end] == '\n') {
				end++
			}
			return slices.Delete(slices.Clone(data), at.from, end)
		}
	case 2:
		if at, ok := one(p.members); ok {
			return slices.Insert(slices.Clone(data), at.from, append(slices.Clone(data[at.from:at.to]), ',')...)
		}
	case 3:
		if at, ok := one(p.values); ok {
			if other, ok := one(p.values); ok && other.to-other.from < 1<<16 {
				return replace(at, string(data[other.from:other.to]))
			}
		}
	case 4:
		if at, ok := one(p.values); ok {
			var n float64
			if json.Unmarshal(data[at.from:at.to], &n) == nil {
				return replace(at, fmt.Sprint([]float64{n + 1, n - 1, 2 * n, -n, n * 1000, n / 3}[r.IntN(6)]))
			}
		}
	}
	if at, ok := one(p.values); ok {
		return replace(at, absurdity(r))
	}
	return scramble(r, data, nil)
}

// tags are pieces of chat templates.
var tags = []string{
	"{% for i in range(99999) %}", "{% endfor %}", "{% for m in messages %}", "{% if true %}", "{% else %}", "{% endif %}", "{% set x = x ~ x %}", "{{ messages }}", "{{ x|tojson }}",
	"{{ raise_exception('no') }}", "{% macro f(a) %}{{ f(a) }}{% endmacro %}{{ f(1) }}", "{{ ", " }}", "{% ", " %}", "{#", "#}", "((((((((", "|join(',')", "|map('upper')|list", "|replace('', 'xx')",
	"|sort", "|length", "[::-1]", "[99999999999]", ".__class__", " * 1000000", " ** 99", "{{ 'a' * 99999999 }}", "{{ '%9999999d'|format(1) }}", "{% set ns = namespace(x='ab') %}", "{{ strftime_now('%Y') }}",
	"\x1b[31m", "\xff", "{% generation %}", "{{ messages[0].content|string|indent(9999)|center(99999) }}", "{% set x = messages[0]['content'] %}",
}

// rewriteTemplate puts pieces of templates into one, or takes lines out or
// doubles them.
func rewriteTemplate(r *rand.Rand, data []byte) []byte {
	at := spot(r, data, nil)
	switch r.IntN(3) {
	case 0:
		return scramble(r, data, nil)
	case 1:
		lines := strings.SplitAfter(string(data), "}")
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		lines[i] = lines[j] + strings.Repeat(lines[i], r.IntN(3))
		return []byte(strings.Join(lines, ""))
	}
	return slices.Insert(slices.Clone(data), at, []byte(tags[r.IntN(len(tags))])...)
}
