package constrain

import (
	"errors"
	"strings"
	"testing"
)

// TestSchemaTexts says which texts come under a schema, and which do not.
func TestSchemaTexts(t *testing.T) {
	person := `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"é\"":{"type":"null"}},"required":["age","id"],"additionalProperties":{"type":"boolean"}}`
	for _, c := range []struct {
		name, schema string
		strict       bool
		yes, no      []string
	}{
		{name: "order", schema: person,
			yes: []string{`{"name":"x","age":1,"id":true}`, `{"age":1,"id":true}`, `{"age":1,"é\"":null,"id":true,"x":false}`, `{"age":1,"\u00E9\u0022":null,"id":true}`},
			no:  []string{`{"age":1,"name":"x","id":true}`, `{"age":1}`, `{"id":true,"age":1}`, `{"x":true,"age":1,"id":true}`}},
		{name: "keys that are named do not come again", schema: person,
			no: []string{`{"age":1,"age":1,"id":true}`, `{"age":1,"id":true,"name":true}`, `{"age":1,"id":true,"é\"":true}`, `{"age":1,"id":true,"\u00e9\u0022":true}`, `{"age":1,"id":true,"\u00e9\"":true}`}},
		{name: "white space", schema: person,
			yes: []string{`{ "age": 1, "id": true }`, "{\n  \"age\": 1,\n  \"id\": true\n}", "{\n\t\"age\":1,\"id\":\ntrue}", "{\"age\":1,\"id\":true\n" + strings.Repeat(" ", 64) + "}"},
			no: []string{` {"age":1,"id":true}`, `{"age":1,"id":true} `, `{"age" :1,"id":true}`, `{"age":1 ,"id":true}`, `{"age":1,  "id":true}`, "{\"age\":1,\"id\":true\r\n}",
				"{\"age\":1,\"id\":true\n" + strings.Repeat(" ", 65) + "}", "{\"age\":1,\t\"id\":true}"}},
		{name: "empty", schema: `{"type":["object","array"]}`, yes: []string{"{}", "[]", "{ }", "[\n]", `{"":{}}`}, no: []string{"{  }", "{,}", "[,]", "null"}},
		{name: "strict closes", schema: `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{}}},"c":{"type":"object"}}}`, strict: true,
			yes: []string{`{}`, `{"a":{"b":1}}`, `{"c":{"x":1}}`}, no: []string{`{"x":1}`, `{"a":{"x":1}}`}},
		{name: "strict leaves open what says so", schema: `{"properties":{"a":{}},"additionalProperties":true}`, strict: true, yes: []string{`{"x":1}`}},
		{name: "distinct", schema: `{"type":"array","uniqueItems":true,"items":{"enum":["a","b",1,null]}}`,
			yes: []string{`[]`, `["a"]`, `["b","a"]`, `[null,1,"b","a"]`, `[1.0,"a"]`}, no: []string{`["a","a"]`, `["a",1,"a"]`, `[1,1.0]`, `[null,null]`, `["c"]`}},
		{name: "distinct, counted", schema: `{"type":"array","uniqueItems":true,"items":{"type":["boolean","null"]},"minItems":2,"maxItems":2}`,
			yes: []string{`[true,false]`, `[null,true]`}, no: []string{`[true]`, `[true,true]`, `[true,false,null]`, `[]`}},
		{name: "one item is distinct", schema: `{"type":"array","uniqueItems":true,"maxItems":1}`, yes: []string{`[]`, `["x"]`}, no: []string{`[1,2]`}},
		{name: "contains twice", schema: `{"type":"array","items":{"type":"integer"},"contains":{"minimum":5},"minContains":2}`,
			yes: []string{`[5,6]`, `[1,7,2,8,3]`}, no: []string{`[5]`, `[1,2]`, `[5,"x",6]`}},
		{name: "unevaluated, with patterns", schema: `{"type":"object","patternProperties":{"^a":{"type":"integer"}},"unevaluatedProperties":{"type":"string"}}`,
			yes: []string{`{"a":1,"b":"x"}`}, no: []string{`{"a":"x"}`, `{"b":1}`}},
		{name: "minProperties", schema: `{"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,"minProperties":2,"maxProperties":2}`,
			yes: []string{`{"a":1,"b":2}`, `{"a":1,"c":2}`, `{"b":1,"c":2}`}, no: []string{`{}`, `{"a":1}`, `{"a":1,"b":1,"c":1}`, `{"b":1,"a":1}`}},
		{name: "minProperties with others", schema: `{"type":"object","properties":{"a":{}},"required":["a"],"minProperties":2,"maxProperties":3}`,
			yes: []string{`{"a":1,"b":2}`, `{"a":1,"b":2,"c":3}`}, no: []string{`{"a":1}`, `{"a":1,"b":1,"c":1,"d":1}`}},
		{name: "nullable", schema: `{"type":"string","nullable":true}`, yes: []string{`"x"`, `null`}, no: []string{`1`}},
		{name: "draft 4", schema: `{"type":"integer","minimum":3,"exclusiveMinimum":true,"maximum":5,"exclusiveMaximum":false}`, yes: []string{`4`, `5`}, no: []string{`3`, `6`}},
		{name: "draft 7", schema: `{"definitions":{"s":{"type":"string"}},"type":"array","items":[{"$ref":"#/definitions/s"},{"const":1}],"additionalItems":false}`,
			yes: []string{`[]`, `["x"]`, `["x",1]`}, no: []string{`[1]`, `["x",1,1]`}},
		{name: "dependencies", schema: `{"type":"object","properties":{"a":{},"b":{}},"dependencies":{"a":["b"]}}`, yes: []string{`{"b":1}`, `{"a":1,"b":1}`, `{}`}, no: []string{`{"a":1}`}},
		{name: "lengths are of characters", schema: `{"type":"string","minLength":2,"maxLength":2}`,
			yes: []string{`"éa"`, `"😀😀"`, `"\ud83d\ude00a"`, `"\n\u0000"`, `"\"\\"`}, no: []string{`"a"`, `"aaa"`, `"\ud83d\ude00"`, `"\ud83da"`}},
		{name: "patterns are of characters", schema: `{"type":"string","pattern":"^[é\"😀]\\/+$"}`,
			yes: []string{`"é/"`, `"\"/\/"`, `"\u0022/"`, `"\uD83D\uDE00/"`, `"\u00e9/"`}, no: []string{`"é"`, `"e/"`, `"\u00e8/"`, `"\ud83d\ude01/"`}},
		{name: "enum", schema: `{"enum":["a","ab","",null,2,[1,{"x":"y"}]]}`,
			yes: []string{`"a"`, `"ab"`, `""`, `null`, `2`, `2.0`, `[1,{"x":"y"}]`, `[ 1, { "x": "y" } ]`}, no: []string{`"abc"`, `"b"`, `[1]`, `[1,{"x":"z"}]`, `20`}},
		{name: "recursion", schema: `{"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"null"},{"type":"array","prefixItems":[{"$ref":"#/$defs/t"},{"$ref":"#/$defs/t"}],"items":false,"minItems":2}]}}}`,
			yes: []string{`null`, `[null,null]`, `[[null,[null,null]],null]`}, no: []string{`[null]`, `[null,null,null]`, `[]`}},
		{name: "what cannot be is left out", schema: `{"type":"object","properties":{"a":false,"b":{"$ref":"#/$defs/endless"}},"$defs":{"endless":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/endless"}}}}`,
			yes: []string{`{}`, `{"c":1}`}, no: []string{`{"a":1}`, `{"b":[]}`, `{"b":[[]]}`}},
	} {
		g, err := Schema([]byte(c.schema), SchemaOptions{Strict: c.strict})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, list := range [][]string{c.yes, c.no} {
			for _, text := range list {
				if got, err := g.Matches(text); err != nil || got != (i == 0) {
					t.Errorf("%s: %s: %v %v", c.name, text, got, err)
				}
			}
		}
	}
}

// TestSchemaErrors: a schema that cannot be held is refused with the path of the
// part that is the reason.
func TestSchemaErrors(t *testing.T) {
	for _, c := range []struct{ schema, path, says string }{
		{`{"properties":{"tags":{"type":"array","uniqueItems":true}}}`, "#/properties/tags/uniqueItems", "at most 8 values"},
		{`{"properties":{"a/b":{"type":"text"}}}`, "#/properties/a~1b/type", "a type is"},
		{`{"$ref":"other.json"}`, "#/$ref", "another document"},
		{`{"items":{"$ref":"#/$defs/x"}}`, "#/items/$ref", "leads to no schema"},
		{`{"anyOf":[{"pattern":"(?=x)"}]}`, "#/anyOf/0/pattern", "look"},
		{`{"type":"array","contains":{},"maxContains":2}`, "#/maxContains", "cannot be held"},
		{`{"oneOf":[{"additionalProperties":{"type":"string"}},{"propertyNames":{"maxLength":2}}]}`, "#/oneOf", "two branches may hold"},
		{`{"not":{"additionalProperties":false}}`, "#/not/additionalProperties", "must fail"},
		{`{"type":"object","minProperties":2}`, "#/minProperties", "requires"},
		{`{"allOf":[{"type":"string"},{"type":"null"}]}`, "#", "no text at all"},
		{`{"properties":{"a":{"minLength":-1}}}`, "#/properties/a/minLength", "whole number"},
		{`{"a":1,"a":2}`, "", "twice"},
		{`{`, "", "is not JSON: line 1"},
		{`{"$ref":"#"}`, "#", "refers to itself"},
		{`{"multipleOf":123457}`, "#/multipleOf", "states"},
		{`{"if":{"patternProperties":{"a":{"type":"null"}}},"then":{"required":["b"]}}`, "#/if/patternProperties", "must fail"},
	} {
		_, err := Schema([]byte(c.schema), SchemaOptions{})
		var e *Error
		if !errors.As(err, &e) || e.Path != c.path || !strings.Contains(e.Text, c.says) {
			t.Errorf("%s: %v", c.schema, err)
		}
	}
	if _, err := Schema([]byte(`{"type":"string","format":"iri"}`), SchemaOptions{Strict: true}); err == nil || !strings.HasPrefix(err.Error(), "#/format: ") {
		t.Errorf("strict: %v", err)
	}
	if _, err := Schema([]byte(`{"type":"string","format":"iri"}`), SchemaOptions{}); err != nil {
		t.Error(err)
	}
}
