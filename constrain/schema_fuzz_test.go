package constrain

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// FuzzSchema: any bytes are a grammar or an error of one line, within a second.
// What the grammar lets through is JSON.
func FuzzSchema(f *testing.F) {
	for _, doc := range hostileSchemas() {
		f.Add([]byte(doc), uint64(1))
	}
	f.Fuzz(func(t *testing.T, doc []byte, seed uint64) {
		tryHostile(t, doc, seed)
	})
}

// TestHostile tries schemas that are made to take long or to break something.
func TestHostile(t *testing.T) {
	for _, doc := range hostileSchemas() {
		tryHostile(t, []byte(doc), 1)
	}
}

func tryHostile(t *testing.T, doc []byte, seed uint64) {
	t.Helper()
	start := time.Now()
	g, err := Schema(doc, SchemaOptions{Strict: seed%2 == 0})
	if d := time.Since(start); d > 20*time.Second { // far below a second where nothing else runs
		t.Errorf("took %v: %.300s", d, doc)
	}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 2000 {
			t.Errorf("error %q of type %T for %.300s", err, err, doc)
		}
		return
	}
	r := rand.New(rand.NewPCG(seed, 1))
	text := randomText(t, g, r)
	if text != "" && !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %q by %.300s", text, doc)
	}
}

// randomText walks a grammar by bytes to a whole text, or gives up.
func randomText(t *testing.T, g *Grammar, r *rand.Rand) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var text []byte
	err := g.p.guard(func() {
		g.p.limit = 200_000
		state := g.root
		for range 300 {
			if g.p.nodes[state].nullable && r.IntN(3) == 0 {
				return
			}
			var next []int32
			var bytes []byte
			for c, b := range g.p.sample {
				if s := g.p.next(state, uint8(c)); s != none {
					next, bytes = append(next, s), append(bytes, b)
				}
			}
			if len(next) == 0 {
				if !g.p.nodes[state].nullable {
					t.Errorf("nothing may follow %q", text)
				}
				return
			}
			i := r.IntN(len(next))
			if j := strings.IndexAny(string(bytes), `}]"`); j >= 0 && r.IntN(2) == 0 {
				i = j
			}
			state = next[i]
			text = append(text, bytes[i])
		}
		text = nil
	})
	g.p.limit = mostWork
	if err != nil && !errors.Is(err, ErrWork) {
		t.Error(err)
	}
	if err != nil {
		return ""
	}
	return string(text)
}

func hostileSchemas() []string {
	many := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	numbered := func(n int, item func(i string) string) string {
		var list []string
		for i := range n {
			list = append(list, item(strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26)))
		}
		return strings.Join(list, ",")
	}
	return []string{
		``, `{`, `nul`, `[]`, `1`, `"x"`, `true`, `false`, `{}`, "\xff", `{"a":1,"a":2}`, `{"const":"\ud800"}`, `{"const":"\ud83d\ude00"}`,
		`{"type":"integers"}`, `{"type":[]}`, `{"type":{}}`, `{"enum":[]}`, `{"enum":{}}`, `{"minimum":"1"}`, `{"minimum":1e999999999}`,
		`{"const":1e400}`, `{"const":1e-400,"type":"number"}`, `{"multipleOf":0}`, `{"multipleOf":-1}`, `{"multipleOf":1e300}`, `{"multipleOf":7919}`,
		`{"minLength":-1}`, `{"minLength":1e9}`, `{"minLength":99999999999999999999}`, `{"maxLength":2147483647,"type":"string"}`, `{"minLength":900000,"type":"string"}`,
		`{"type":"array","minItems":1000000}`, `{"type":"array","minItems":2000000}`, `{"type":"array","items":{"type":"array","minItems":1000,"items":{"minItems":1000,"type":"array"}}}`,
		`{"pattern":"("}`, `{"pattern":"a{1000}{1000}"}`, `{"pattern":"((a{30}){30}){30}"}`, `{"type":"string","pattern":"(a|b|ab)*c{900}"}`, `{"pattern":"\\b"}`,
		`{"pattern":"(?=a)b"}`, `{"type":"string","pattern":"^(.*a.*){20}$","not":{"pattern":"b.{200}c"}}`,
		`{"type":"string","allOf":[{"pattern":"a.{15}b"},{"pattern":"b.{17}a"},{"pattern":"c.{13}d"},{"pattern":"d.{19}c"}]}`,
		`{"type":"string","not":{"pattern":"(a|b)*a(a|b){24}"}}`,
		`{"$ref":"#"}`, `{"$ref":"#/x"}`, `{"$ref":"#/$ref"}`, `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`, `{"$ref":"http://[::1"}`,
		`{"$ref":"%zz"}`, `{"$id":"a","properties":{"x":{"$id":"a"}}}`, `{"$anchor":"x","properties":{"x":{"$anchor":"x"}}}`, `{"$defs":{"a":{"$ref":"file:///etc/passwd"}},"$ref":"#/$defs/a"}`,
		`{"allOf":[{"$ref":"#"}]}`, `{"not":{"$ref":"#"}}`, `{"oneOf":[{"$ref":"#"},{"$ref":"#"}]}`, `{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`,
		`{"anyOf":[{"type":"array","items":{"$ref":"#"},"minItems":1},{"type":"object","additionalProperties":{"$ref":"#"},"minProperties":1}]}`,
		`{"oneOf":[{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]},{"type":"object","properties":{"b":{"$ref":"#"}},"required":["b"]},{"type":"null"}]}`,
		`{"type":"object","properties":{"a":{"not":{"$ref":"#"}}}}`,
		`{"if":{"properties":{"a":{"$ref":"#"}}},"then":{"required":["a"]},"else":{"required":["b"]}}`,
		`{"anyOf":[` + many(300, `{"type":"object"}`) + `]}`,
		`{"allOf":[` + many(12, `{"anyOf":[{"required":["a"]},{"required":["b"]},{"required":["c"]}]}`) + `]}`,
		`{"allOf":[` + numbered(20, func(s string) string {
			return `{"anyOf":[{"required":["` + s + `"]},{"properties":{"` + s + `":{"const":1}}}]}`
		}) + `]}`,
		`{"oneOf":[` + numbered(60, func(s string) string { return `{"required":["` + s + `"]}` }) + `]}`,
		`{"oneOf":[` + numbered(60, func(s string) string { return `{"type":"string","pattern":"^` + s + `"}` }) + `]}`,
		`{"type":"string","enum":[` + numbered(3000, func(s string) string { return `"` + s + `"` }) + `]}`,
		`{"type":"object","properties":{` + numbered(900, func(s string) string { return `"` + s + `":{"type":"string"}` }) + `}}`,
		`{"type":"object","minProperties":30,"additionalProperties":false,"properties":{` + numbered(80, func(s string) string { return `"` + s + `":{}` }) + `}}`,
		`{"type":"object","patternProperties":{` + numbered(12, func(s string) string { return `"` + s + `":{}` }) + `}}`,
		`{"type":"object","patternProperties":{"a.{9}b":{},"b.{9}a":{},"c.{9}a":{},"d.{9}a":{}},"additionalProperties":false}`,
		`{"type":"array","uniqueItems":true,"items":{"enum":[1,2,3,4,5,6,7,8]}}`,
		`{"dependentRequired":{` + numbered(30, func(s string) string { return `"` + s + `":["z","` + s + `q"]` }) + `}}`,
		strings.Repeat(`{"items":`, 150) + `{}` + strings.Repeat(`}`, 150), strings.Repeat(`{"properties":{"a":`, 90) + `{}` + strings.Repeat(`}}`, 90),
		strings.Repeat(`{"not":`, 150) + `{}` + strings.Repeat(`}`, 150), strings.Repeat(`{"items":`, 9000) + `{}` + strings.Repeat(`}`, 9000),
		strings.Repeat(`{"anyOf":[{"type":"object","properties":{"a":`, 40) + `{}` + strings.Repeat(`}},{"type":"null"}]}`, 40),
		strings.Repeat(`{"oneOf":[{"type":"null"},{"properties":{"a":`, 40) + `{}` + strings.Repeat(`}}]}`, 40),
		`{"enum":[` + many(200000, `"a"`) + `]}`, `{"enum":[` + many(300000, `1`) + `],"minimum":0}`,
		`{"allOf":[{"enum":[` + numbered(20000, func(s string) string { return `"` + s + `"` }) + `]},{"enum":[` + numbered(20000, func(s string) string { return `"` + s + `"` }) + `]}]}`,
		`{"const":"` + strings.Repeat(`ab`, 200000) + `","pattern":"(a|ab|b)*c?$"}`, `{"enum":[` + many(3000, `"`+strings.Repeat("ab", 100)+`"`) + `],"pattern":"(a|b){50}.*a"}`,
		`{"patternProperties":{"a.*b":{},"b.*a":{}},"required":["` + strings.Repeat("ab", 100000) + `"]}`,
		strings.Repeat(`[`, 100000), `{"` + strings.Repeat(`x`, 5000) + `":1,"properties":{"` + strings.Repeat(`y`, 5000) + `":{"type":"z"}}}`,
		`{"properties":{"a\nb\u001b[31m":{"type":"z"}}}`, `{"format":"\u001b[31m\n"}`, `{"$ref":"\n\u001b"}`, `{"pattern":"(\n"}`,
		`{"type":"object","unevaluatedProperties":false,"anyOf":[{"properties":{"a":{}}},{"properties":{"b":{}}},{"properties":{"c":{}}},{"properties":{"d":{}}}]}`,
	}
}
