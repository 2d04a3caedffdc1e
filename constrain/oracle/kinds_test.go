package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A kind is a schema and a way to make values that follow it.
type kind struct {
	schema object
	make   func(r *rand.Rand) any
}

func strs(list ...string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

var words = []string{"alpha", "Beta", "gamma ray", "naïve", "日本語", "emoji 😀", `quote "it"`, `back\slash`, "line\nbreak", "tab\there",
	"<b>&amp;</b>", "O'Neil", "", "x", "a/b", "\u2028", "\x7f", "null", "{}", "ÄÖÜ", "1e5", "Straße 5", "+49 (0) 30", "`code`"}

func words2(r *rand.Rand) string {
	s := pick(r, words...)
	for r.IntN(2) == 0 {
		s += " " + pick(r, words...)
	}
	return s
}

// text is strings, with bounds at times.
func text(r *rand.Rand) kind {
	k := kind{object{{"type", "string"}}, func(r *rand.Rand) any { return words2(r) }}
	if r.IntN(3) == 0 {
		k.schema = append(k.schema, member{"description", "Some " + pick(r, words...)})
	}
	if r.IntN(3) == 0 {
		lo, hi := r.IntN(3), 5+r.IntN(40)
		if lo > 0 {
			k.schema = append(k.schema, member{"minLength", number(lo)})
		}
		k.schema = append(k.schema, member{"maxLength", number(hi)})
		k.make = func(r *rand.Rand) any {
			runes := []rune(words2(r) + "padding")
			return string(runes[:min(len(runes), lo+r.IntN(hi-lo+1))])
		}
	}
	return k
}

func choice(list ...string) kind {
	return kind{object{{"type", "string"}, {"enum", strs(list...)}}, func(r *rand.Rand) any { return pick(r, list...) }}
}

func constant(s string) kind {
	return kind{object{{"const", s}}, func(*rand.Rand) any { return s }}
}

func truth() kind {
	return kind{object{{"type", "boolean"}}, func(r *rand.Rand) any { return r.IntN(2) == 0 }}
}

func integer(r *rand.Rand) kind {
	k := kind{object{{"type", "integer"}}, func(r *rand.Rand) any { return number(r.IntN(1<<uint(r.IntN(40))+1) - 5) }}
	switch r.IntN(4) {
	case 0:
		lo := r.IntN(500) - 250
		hi := lo + r.IntN(70000)
		k.schema = append(k.schema, member{"minimum", number(lo)}, member{"maximum", number(hi)})
		k.make = func(r *rand.Rand) any { return number(lo + r.IntN(hi-lo+1)) }
	case 1:
		k.schema = append(k.schema, member{"minimum", number(0)})
		k.make = func(r *rand.Rand) any { return number(r.IntN(1 << uint(1+r.IntN(30)))) }
	case 2:
		of := pick(r, 2, 3, 5, 7, 10, 12, 60, 100)
		k.schema = append(k.schema, member{"exclusiveMinimum", number(-of)}, member{"multipleOf", number(of)})
		k.make = func(r *rand.Rand) any { return number(of * r.IntN(5000)) }
	}
	return k
}

func decimal(r *rand.Rand) kind {
	k := kind{object{{"type", "number"}}, func(r *rand.Rand) any {
		return json.Number(pick(r, "0", "1.5", "-2", "1e21", "6.02e+23", "-1.25E-7", "0.1", "123456.789"))
	}}
	switch r.IntN(4) {
	case 0:
		k.schema = append(k.schema, member{"minimum", json.Number("-90")}, member{"maximum", json.Number("90")})
		k.make = func(r *rand.Rand) any { return json.Number(fmt.Sprintf("%.*f", r.IntN(6), r.Float64()*179.9-89.95)) }
	case 1:
		k.schema = append(k.schema, member{"minimum", json.Number("0")}, member{"exclusiveMaximum", json.Number("1")})
		k.make = func(r *rand.Rand) any { return json.Number("0." + fmt.Sprint(r.IntN(100000))) }
	case 2:
		k.schema = append(k.schema, member{"exclusiveMinimum", json.Number("0")}, member{"multipleOf", json.Number("0.01")})
		k.make = func(r *rand.Rand) any { return json.Number(fmt.Sprintf("%d.%02d", r.IntN(1000), 1+r.IntN(99))) }
	}
	return k
}

// format is strings of a format or a pattern.
func format(r *rand.Rand) kind {
	of := func(name string, make func(r *rand.Rand) any) kind {
		return kind{object{{"type", "string"}, {"format", name}}, make}
	}
	pattern := func(p string, make func(r *rand.Rand) any) kind {
		return kind{object{{"type", "string"}, {"pattern", p}}, make}
	}
	date := func(r *rand.Rand) string {
		return fmt.Sprintf("%04d-%02d-%02d", 1900+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28))
	}
	clock := func(r *rand.Rand) string {
		return fmt.Sprintf("%02d:%02d:%02d%s%s", r.IntN(24), r.IntN(60), r.IntN(60), pick(r, "", ".5", ".123456"), pick(r, "Z", "+02:00", "-11:30"))
	}
	hex := func(r *rand.Rand, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("0123456789abcdef"[r.IntN(16)])
		}
		return b.String()
	}
	return []func() kind{
		func() kind { return of("date", func(r *rand.Rand) any { return date(r) }) },
		func() kind { return of("time", func(r *rand.Rand) any { return clock(r) }) },
		func() kind { return of("date-time", func(r *rand.Rand) any { return date(r) + "T" + clock(r) }) },
		func() kind {
			return of("email", func(r *rand.Rand) any {
				return pick(r, "a", "first.last", "x+tag", "o'neil") + "@" + pick(r, "example.com", "mail.example.co.uk", "a-b.org")
			})
		},
		func() kind {
			return of("uuid", func(r *rand.Rand) any {
				return hex(r, 8) + "-" + hex(r, 4) + "-" + hex(r, 4) + "-" + hex(r, 4) + "-" + hex(r, 12)
			})
		},
		func() kind {
			return of("ipv4", func(r *rand.Rand) any {
				return fmt.Sprintf("%d.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
			})
		},
		func() kind {
			return of("ipv6", func(r *rand.Rand) any {
				return pick(r, "::1", "::", "2001:db8::8a2e:370:7334", "fe80::1:2:3:4", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1")
			})
		},
		func() kind {
			return of("uri", func(r *rand.Rand) any {
				return pick(r, "https://example.com/a/b?x=1&y=2#top", "http://localhost:8080", "mailto:a@example.com", "urn:isbn:0451450523", "ftp://[2001:db8::7]/c=GB?one%20two")
			})
		},
		func() kind {
			return pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", func(r *rand.Rand) any { return pick(r, "web", "my-app-1", "a", "x9") })
		},
		func() kind {
			return pattern(`^\d{5}(-\d{4})?$`, func(r *rand.Rand) any { return pick(r, "12345", "00000-9999") })
		},
		func() kind {
			return pattern(`^(\+|00)[1-9][0-9 ]{5,14}$`, func(r *rand.Rand) any { return pick(r, "+49 30 1234567", "0044123456") })
		},
		func() kind { return pattern("^[0-9a-f]{40}$", func(r *rand.Rand) any { return hex(r, 40) }) },
		func() kind {
			return pattern("[A-Z]", func(r *rand.Rand) any { return words2(r) + "Q\u00e9" + words2(r) })
		},
		func() kind {
			return pattern(`^refs/(heads|tags)/.+`, func(r *rand.Rand) any { return pick(r, "refs/heads/main", "refs/tags/v1.0é") })
		},
		func() kind {
			return pattern(`^#[0-9A-Fa-f]{6}$|^none$`, func(r *rand.Rand) any { return pick(r, "none", "#FF00aa") })
		},
	}[r.IntN(15)]()
}

type prop struct {
	name     string
	kind     kind
	required bool
}

// record is an object with properties of its own.
func record(r *rand.Rand, title string, props ...prop) kind {
	var properties object
	var required []any
	for _, p := range props {
		properties = append(properties, member{p.name, p.kind.schema})
		if p.required {
			required = append(required, p.name)
		}
	}
	s := object{{"type", "object"}, {"properties", properties}}
	if title != "" {
		s = append(s, member{"title", title})
	}
	if len(required) > 0 {
		s = append(s, member{"required", required})
	}
	open := r.IntN(3)
	switch open {
	case 0:
		s = append(s, member{"additionalProperties", false})
	case 1:
		s = append(s, member{"additionalProperties", object{{"type", "string"}}})
	}
	return kind{s, func(r *rand.Rand) any {
		v := object{}
		for _, p := range props {
			if p.required || r.IntN(2) == 0 {
				v = append(v, member{p.name, p.kind.make(r)})
			}
		}
		if open != 0 && r.IntN(3) == 0 {
			v = append(v, member{"x-" + pick(r, "a", "é", `"q"`), words2(r)})
		}
		return v
	}}
}

// fields gives names random kinds.
func fields(r *rand.Rand, depth int, names ...string) []prop {
	var out []prop
	for _, n := range names {
		out = append(out, prop{n, anyKind(r, depth), r.IntN(2) == 0})
	}
	return out
}

func array(r *rand.Rand, of kind) kind {
	s := object{{"type", "array"}, {"items", of.schema}}
	lo, hi := 0, 4
	if r.IntN(3) == 0 {
		lo = 1
		s = append(s, member{"minItems", number(lo)})
	}
	if r.IntN(3) == 0 {
		hi = 3
		s = append(s, member{"maxItems", number(hi)})
	}
	return kind{s, func(r *rand.Rand) any {
		v := []any{}
		for range lo + r.IntN(hi-lo+1) {
			v = append(v, of.make(r))
		}
		return v
	}}
}

// labels is an object whose names are not known.
func labels(r *rand.Rand, of kind) kind {
	s := object{{"type", "object"}}
	names := []string{"app", "tier", "app.kubernetes.io/name", "é", "zz9"}
	switch r.IntN(3) {
	case 0:
		s = append(s, member{"additionalProperties", of.schema})
	case 1:
		s = append(s, member{"patternProperties", object{{"^[a-z]+$", of.schema}}}, member{"additionalProperties", false})
		names = []string{"app", "tier", "x"}
	case 2:
		s = append(s, member{"additionalProperties", of.schema}, member{"propertyNames", object{{"maxLength", number(12)}}})
		names = []string{"app", "tier", "é"}
	}
	return kind{s, func(r *rand.Rand) any {
		v := object{}
		for _, n := range names {
			if r.IntN(2) == 0 {
				v = append(v, member{n, of.make(r)})
			}
		}
		return v
	}}
}

func nullable(r *rand.Rand, k kind) kind {
	s := object{{"anyOf", []any{k.schema, object{{"type", "null"}}}}}
	if k.schema[0].name == "type" && len(k.schema) == 1 && r.IntN(2) == 0 {
		s = object{{"type", strs(k.schema[0].value.(string), "null")}}
	}
	return kind{s, func(r *rand.Rand) any {
		if r.IntN(3) == 0 {
			return nil
		}
		return k.make(r)
	}}
}

// union is objects that tell what they are by a property.
func union(r *rand.Rand, key string, parts ...kind) kind {
	word := pick(r, "oneOf", "anyOf")
	var list []any
	for i, p := range parts {
		name := fmt.Sprintf("%s-%d", key, i)
		s := append(object{}, p.schema...)
		for j, m := range s {
			switch m.name {
			case "properties":
				s[j].value = append(object{{key, object{{"const", name}}}}, m.value.(object)...)
			case "required":
				s[j].value = append(strs(key), m.value.([]any)...)
			}
		}
		if !has(s, "required") {
			s = append(s, member{"required", strs(key)})
		}
		list = append(list, s)
	}
	return kind{object{{word, list}}, func(r *rand.Rand) any {
		i := r.IntN(len(parts))
		return append(object{{key, fmt.Sprintf("%s-%d", key, i)}}, parts[i].make(r).(object)...)
	}}
}

func has(o object, name string) bool {
	for _, m := range o {
		if m.name == name {
			return true
		}
	}
	return false
}

// anyKind is a small kind.
func anyKind(r *rand.Rand, depth int) kind {
	n := 11
	if depth <= 0 {
		n = 8
	}
	switch r.IntN(n) {
	case 0, 1:
		return text(r)
	case 2:
		return choice("low", "medium", "high", `a "b"`, "é")
	case 3:
		return truth()
	case 4:
		return integer(r)
	case 5:
		return decimal(r)
	case 6:
		return format(r)
	case 7:
		return nullable(r, pick(r, text, integer, decimal, format)(r))
	case 8:
		return array(r, anyKind(r, depth-1))
	case 9:
		return labels(r, anyKind(r, 0))
	}
	return record(r, "", fields(r, depth-1, "id", "value", "unit", "note é")[:1+r.IntN(4)]...)
}
