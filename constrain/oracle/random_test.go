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
