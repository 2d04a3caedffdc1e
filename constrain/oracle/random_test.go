package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// randomSchema is any combination of keywords.
func randomSchema(r *rand.Rand, depth int) any {
	if r.IntN(30) == 0 {
		return r.IntN(4) > 0
	}
	s := object{}
	add := func(name string, v any) {
		if !has(s, name) {
			s = append(s, member{name, v})
		}
	}
	for range 1 + r.IntN(2) {
		randomKeywords(r, depth, add)
	}
	if depth > 0 && r.IntN(3) == 0 {
		randomCombination(r, depth, add)
	}
	return s
}

var propNames = []string{"a", "b", "c", "ab", "é", `q"`}

func randomKeywords(r *rand.Rand, depth int, add func(string, any)) {
	sub := func() any { return randomSchema(r, depth-1) }
	kind := r.IntN(8)
	if depth <= 0 {
		kind = r.IntN(5)
	}
	switch kind {
	case 0:
		add("type", pick(r, "string", "integer", "number", "boolean", "null"))
	case 1:
		add("enum", []any{pick[any](r, "a", "b", nil, true), pick[any](r, "aé", json.Number("1"), json.Number("2.5"), false), pick[any](r, "", json.Number("-3"), []any{"a"}, object{{"a", json.Number("1")}})})
	case 2:
		add("type", pick[any](r, "string", strs("string", "null"), strs("string", "integer")))
		switch r.IntN(4) {
		case 0:
			lo := r.IntN(3)
			add("minLength", number(lo))
			add("maxLength", number(lo+r.IntN(4)))
		case 1:
			add("pattern", pick(r, "^a+$", "^[a-c]{2,4}$", "b", "^(é|x)+$", `^\d{3}$`, `^[^a]*$`, `^a|b$`))
		case 2:
			add("format", pick(r, "date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "uri", "hostname", "duration"))
		}
	case 3:
		add("type", pick[any](r, "integer", "number", strs("integer", "boolean")))
		lo := r.IntN(40) - 20
		if r.IntN(2) == 0 {
			add(pick(r, "minimum", "exclusiveMinimum"), json.Number(fmt.Sprint(lo)+pick(r, "", ".5", ".25")))
		}
		if r.IntN(2) == 0 {
			add(pick(r, "maximum", "exclusiveMaximum"), json.Number(fmt.Sprint(lo+r.IntN(300))+pick(r, "", ".5", ".125")))
		}
		if r.IntN(3) == 0 {
			add("multipleOf", pick(r, json.Number("3"), "0.5", "7", "0.01", "1.5", "20"))
		}
	case 4:
		add("const", pick[any](r, "a", "b", nil, json.Number("4"), json.Number("0.5"), object{{"a", "b"}, {"c", []any{}}}))
	case 5, 6:
		add("type", pick[any](r, "object", "object", strs("object", "null")))
		props := object{}
		for _, n := range propNames {
			if r.IntN(3) == 0 {
				props = append(props, member{n, sub()})
			}
		}
		if len(props) > 0 {
			add("properties", props)
		}
		if r.IntN(2) == 0 {
			add("required", strs(pick(r, propNames...)))
		}
		switch r.IntN(5) {
		case 0, 1:
			add("additionalProperties", false)
		case 2:
			add("additionalProperties", sub())
		case 3:
			add("patternProperties", object{{pick(r, "^a", "b$", "^[a-z]+$"), sub()}})
		}
		switch r.IntN(8) {
		case 0:
			add("minProperties", number(r.IntN(3)))
		case 1:
			add("maxProperties", number(r.IntN(4)))
		case 2:
			add("dependentRequired", object{{pick(r, propNames...), strs(pick(r, propNames...))}})
		case 3:
			add("dependentSchemas", object{{pick(r, propNames...), sub()}})
		case 4:
			add("propertyNames", pick[any](r, object{{"maxLength", number(2)}}, object{{"enum", strs("a", "b", "x")}}, object{{"pattern", "^[ab]"}}))
		case 5:
			add("unevaluatedProperties", pick[any](r, false, object{{"type", "string"}}))
		}
	case 7:
		add("type", "array")
		if r.IntN(3) > 0 {
			add("items", sub())
		}
		if r.IntN(3) == 0 {
			add("prefixItems", []any{sub(), sub()})
		}
		lo := r.IntN(3)
		if r.IntN(3) == 0 {
			add("minItems", number(lo))
		}
		if r.IntN(3) == 0 {
			add("maxItems", number(lo+r.IntN(3)))
		}
		switch r.IntN(6) {
		case 0:
			add("uniqueItems", true)
		case 1:
			add("contains", sub())
		case 2:
			add("unevaluatedItems", false)
		}
	}
}

func randomCombination(r *rand.Rand, depth int, add func(string, any)) {
	sub := func() any { return randomSchema(r, depth-1) }
	switch r.IntN(7) {
	case 0:
		add("allOf", []any{sub(), sub()})
	case 1:
		add("anyOf", []any{sub(), sub(), sub()}[:1+r.IntN(3)])
	case 2, 3:
		add("oneOf", []any{sub(), sub(), sub()}[:1+r.IntN(3)])
	case 4:
		add("not", sub())
	case 5:
		add("if", sub())
		add("then", sub())
		add("else", sub())
	case 6:
		add("$ref", pick(r, "#", "#/$defs/d", "#/$defs/e"))
	}
}

// randomDocument is a random schema with definitions that its references lead to.
func randomDocument(r *rand.Rand) object {
	s, ok := randomSchema(r, 3).(object)
	if !ok {
		s = object{{"type", "object"}}
	}
	return append(s, member{"$defs", object{{"d", randomSchema(r, 2)}, {"e", randomSchema(r, 1)}}})
}

// randomValue is a small value of the names and words that random schemas know.
func randomValue(r *rand.Rand, depth int) any {
	n := 10
	if depth <= 0 {
		n = 6
	}
	switch r.IntN(n) {
	case 0:
		return pick[any](r, nil, true, false)
	case 1, 2:
		return pick(r, json.Number("0"), "1", "2.5", "-3", "4", "0.5", "7", "12", "20", "100", "-20", "3.75", "0.01", "1.005")
	case 3, 4, 5:
		return pick(r, "", "a", "b", "aé", "aa", "abc", "bc", "é", "x", "123", "éx", "abab", "2020-02-29", "::1")
	case 6, 7:
		v := []any{}
		for range r.IntN(4) {
			v = append(v, randomValue(r, depth-1))
		}
		return v
	}
	v := object{}
	for _, name := range append(propNames, "x", "zz", "bb") {
		if r.IntN(4) == 0 {
			v = append(v, member{name, randomValue(r, depth-1)})
		}
	}
	return v
}

// orders are the ways to write a value with its properties in any order, at most
// limit of them. whole says that these are all.
func orders(v any, limit int) (texts []string, whole bool) {
	w := style{",", ":", "", plainText}
	switch v := v.(type) {
	case []any:
		texts, whole = []string{"["}, true
		for i, item := range v {
			texts, whole = join(texts, pick2(i > 0, ","), item, limit, whole)
		}
		return suffix(texts, "]"), whole
	case object:
		whole = true
		var all []string
		permute(v, 0, func(o object) {
			if len(all) > limit {
				whole = false
				return
			}
			texts := []string{"{"}
			for i, m := range o {
				texts, whole = join(texts, pick2(i > 0, ",")+plainText(m.name)+":", m.value, limit, whole)
			}
			all = append(all, suffix(texts, "}")...)
		})
		return all, whole
	}
	return []string{w.write(v)}, true
}

func pick2(yes bool, s string) string {
	if yes {
		return s
	}
	return ""
}

func join(texts []string, before string, v any, limit int, whole bool) ([]string, bool) {
	more, all := orders(v, limit)
	var out []string
	for _, a := range texts {
		for _, b := range more {
			if len(out) > limit {
				return out, false
			}
			out = append(out, a+before+b)
		}
	}
	return out, whole && all
}

func suffix(texts []string, s string) []string {
	for i := range texts {
		texts[i] += s
	}
	return texts
}

func permute(o object, i int, yield func(object)) {
	if i == len(o) {
		yield(o)
		return
	}
	for j := i; j < len(o); j++ {
		o[i], o[j] = o[j], o[i]
		permute(o, i+1, yield)
		o[i], o[j] = o[j], o[i]
	}
}
