package constrain_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/tokenizer"
)

// vocabulary is that of a tokenizer, whole where the shared ones are there.
func vocabulary(tb testing.TB, name string) (*tokenizer.Tokenizer, *constrain.Vocabulary) {
	tb.Helper()
	path := "../../shared/tokenizers/" + name
	if _, err := os.Stat(path); err != nil {
		path = "../testdata/tokenizers/" + name
	}
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("the tokenizer %s is not there", name)
	}
	tok, err := tokenizer.FromFiles(path)
	if err != nil {
		tb.Fatal(err)
	}
	return tok, vocabularyOf(tb, tok)
}

func vocabularyOf(tb testing.TB, tok *tokenizer.Tokenizer) *constrain.Vocabulary {
	tb.Helper()
	tokens, drops, err := tok.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	v, err := constrain.NewVocabulary(tokens, constrain.VocabularyOptions{
		Special: tok.Specials(), Ends: tok.EndOfTurn(), Drops: drops,
		Encode: func(text string) []int32 { return tok.Encode(text, tokenizer.EncodeOptions{}) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// realistic are schemas and texts that hold to them.
var realistic = []struct{ name, schema, text string }{
	{"tool", `{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":14},"notes":{"type":"array","items":{"type":"string","maxLength":200}}},"required":["city","unit"],"additionalProperties":false}`,
		`{"city": "São Paulo, the largest city of Brazil", "unit": "celsius", "days": 7, "notes": ["Bring an umbrella, just in case it rains.", "日本語のテキスト"]}`},
	{"pod", `{"type":"object","properties":{"apiVersion":{"const":"v1"},"kind":{"const":"Pod"},"metadata":{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$","maxLength":63},"labels":{"type":"object","additionalProperties":{"type":"string"}}},"required":["name"]},"spec":{"type":"object","properties":{"containers":{"type":"array","items":{"$ref":"#/$defs/container"},"minItems":1}},"required":["containers"]}},"required":["apiVersion","kind","metadata","spec"],"$defs":{"container":{"type":"object","properties":{"name":{"type":"string"},"image":{"type":"string"},"ports":{"type":"array","items":{"type":"object","properties":{"containerPort":{"type":"integer","minimum":1,"maximum":65535}}}}},"required":["name","image"]}}}`,
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-server-01", "labels": {"app.kubernetes.io/name": "frontend"}}, "spec": {"containers": [{"name": "nginx", "image": "registry.example.com/library/nginx:1.27.3", "ports": [{"containerPort": 8080}]}]}}`},
	{"free", `{"type":"object"}`, `{"title": "A long description of things", "tags": ["one", "two", {"deep": [1, 2.5, null, true]}], "text": "Es war einmal, vor langer Zeit, ein Müller."}`},
	{"tree", `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value","children"],"additionalProperties":false}}}`,
		`{"value": "root", "children": [{"value": "left branch", "children": []}, {"value": "right", "children": [{"value": "leaf of the right branch", "children": []}]}]}`},
}

// BenchmarkMask computes the masks along texts. The first round of a grammar, in
// which nothing is known yet, is in "cold": it is what one short reply meets.
func BenchmarkMask(b *testing.B) {
	for _, name := range []string{"llama3", "o200k"} {
		tok, v := vocabulary(b, name)
		for _, r := range realistic {
			ids := tok.Encode(r.text, tokenizer.EncodeOptions{})
			for _, cold := range []bool{true, false} {
				b.Run(fmt.Sprintf("%s/%s/cold=%v", name, r.name, cold), func(b *testing.B) {
					var times []time.Duration
					var g *constrain.Grammar
					var mask []uint32
					var most time.Duration
					at := 0
					for i := 0; i < b.N; i++ {
						if g == nil || cold {
							g = must(constrain.Schema([]byte(r.schema), constrain.SchemaOptions{}))
						}
						m := g.Matcher(v)
						for j, id := range ids {
							start := time.Now()
							var err error
							if mask, err = m.Mask(mask); err != nil {
								b.Fatal(err)
							}
							took := time.Since(start)
							if times = append(times, took); took > most {
								most, at = took, j
							}
							if err := m.Accept(id); err != nil {
								b.Fatal(err)
							}
						}
					}
					slices.Sort(times)
					total := time.Duration(0)
					for _, t := range times {
						total += t
					}
					b.ReportMetric(float64(total.Microseconds())/float64(len(times)), "µs/mask")
					b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1000, "µs-p50")
					b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1000, "µs-p99")
					b.ReportMetric(float64(at), "slowest-token")
				})
			}
		}
	}
}

// BenchmarkCompile compiles schemas.
func BenchmarkCompile(b *testing.B) {
	for _, r := range realistic {
		b.Run(r.name, func(b *testing.B) {
			for b.Loop() {
				must(constrain.Schema([]byte(r.schema), constrain.SchemaOptions{}))
			}
		})
	}
}

func must(g *constrain.Grammar, err error) *constrain.Grammar {
	if err != nil {
		panic(err)
	}
	return g
}
