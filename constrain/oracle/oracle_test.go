package oracle

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mil-run/mil/constrain"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var (
	schemas = flag.Int("schemas", 200, "schemas of real use to try")
	seed    = flag.Uint64("seed", 1, "of everything random")
)

// judge compiles a schema with the other implementation.
func judge(t testing.TB, schema string) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatalf("%v: %s", err, schema)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		t.Fatalf("%v: %s", err, schema)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatalf("%v: %s", err, schema)
	}
	return s
}

// valid asks the other implementation about a text.
func valid(t testing.TB, s *jsonschema.Schema, text string) bool {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Errorf("no JSON: %v: %q", err, text)
		return false
	}
	return s.Validate(v) == nil
}

// TestReal compiles schemas of real use. Values that follow them must be allowed
// in every style of encoders, and changed values must be allowed where they still
// follow the schema, and only there.
func TestReal(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 1))
	still, broken := 0, 0
	for i := range *schemas {
		k := realSchema(r)
		schema := style{",", ":", "", plainText}.write(k.schema)
		g, err := constrain.Schema([]byte(schema), constrain.SchemaOptions{})
		if err != nil {
			t.Errorf("schema %d is refused: %v: %s", i, err, schema)
			continue
		}
		s := judge(t, schema)
		for range 8 {
			v := k.make(r)
			text := styles[r.IntN(len(styles))].write(v)
			if !valid(t, s, text) {
				t.Fatalf("schema %d: the generator made a value that does not follow: %s\n%s", i, text, schema)
			}
			allow(t, g, schema, text, true)
			for range 4 {
				changed := styles[r.IntN(len(styles))].write(mutate(r, v))
				ok := valid(t, s, changed)
				if ok {
					still++
				} else {
					broken++
				}
				// Formats may be narrower than the other's.
				if ok && strings.Contains(schema, `"format"`) {
					continue
				}
				allow(t, g, schema, changed, ok)
			}
		}
	}
	t.Logf("%d schemas; of the changed values %d follow still and %d do not", *schemas, still, broken)
	if still < *schemas || broken < 4**schemas {
		t.Errorf("the changes try too little")
	}
}

func allow(t *testing.T, g *constrain.Grammar, schema, text string, want bool) {
	t.Helper()
	got, err := g.Matches(text)
	if err != nil {
		t.Errorf("%v: %s", err, schema)
	} else if got != want {
		t.Errorf("allowed %v, follows %v: %s\nby %s", got, want, text, schema)
	}
	if !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}
}

var random = flag.Int("random", 150, "random schemas to try values on")

// TestRandom compares on random schemas and values: a value that follows is allowed
// in some order of its properties, and one that does not in none.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 4))
	tried, follow, refused := 0, 0, 0
	for range *random {
		schema := style{",", ":", "", plainText}.write(randomDocument(r))
		g, err := constrain.Schema([]byte(schema), constrain.SchemaOptions{})
		if err != nil && !strings.Contains(err.Error(), "no text at all") {
			refused++
			continue
		}
		s := judge(t, schema)
		for range 60 {
			v := randomValue(r, 2)
			texts, whole := orders(v, 200)
			if !whole {
				continue
			}
			want := valid(t, s, texts[0])
			got := ""
			for _, text := range texts {
				if g == nil {
					break
				}
				ok, err := g.Matches(text)
				if err != nil {
					t.Fatalf("%v: %s", err, schema)
				}
				if ok {
					got = text
				}
			}
			tried++
			if want {
				follow++
			}
			if want != (got != "") {
				t.Errorf("%s follows: %v, allowed: %v\nby %s", texts[0], want, got != "", schema)
			}
		}
	}
	t.Logf("%d values, %d of them follow; %d of %d schemas refused", tried, follow, refused, *random)
	if follow < *random {
		t.Errorf("too few values follow")
	}
}
