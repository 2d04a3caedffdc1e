package toolcall

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/constrain"
)

// tokens is a vocabulary for tests: all bytes, longer pieces of calls, special tokens,
// and an end.
type tokens struct {
	text    []string
	special []string
	end     int32
	v       *constrain.Vocabulary
}

// vocabulary makes one in which the marks that f has in brackets are special tokens.
func vocabulary(t *testing.T, f *Format, special bool) *tokens {
	t.Helper()
	v := &tokens{}
	var raw [][]byte
	add := func(text string) int32 {
		v.text, raw = append(v.text, text), append(raw, []byte(text))
		return int32(len(raw) - 1)
	}
	for b := range 256 {
		add(string([]byte{byte(b)}))
	}
	for _, text := range []string{`{"name`, `{"name": "get`, `": "`, "get_", "weather", `", "`, `{"`, `"}`, `"}}`, "}}\n", "<tool", "_call", ">\n{", "</", "tool_call>", "hello ", "Zü", "日", "[TOOL", "_CALLS]", "\n\n", "text", "true", "\n</parameter>", "\n</parameter>\n"} {
		add(text)
	}
	o := constrain.VocabularyOptions{Special: map[int32]string{}}
	if special {
		for _, part := range strings.FieldsFunc(f.begin+" "+f.open+" "+f.mid+" "+f.close+" "+f.end, func(r rune) bool { return r == ' ' || r == '\n' }) {
			for _, mark := range []string{"<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<TOOLCALL>", "</TOOLCALL>", "<tool_calls>", "<|tool_call|>", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"} {
				if strings.Contains(part, mark) && !slices.Contains(v.special, mark) {
					v.special = append(v.special, mark)
					o.Special[add(mark)] = mark
				}
			}
		}
		o.Special[add("<think>")], v.special = "<think>", append(v.special, "<think>")
		o.Special[add("<|never|>")], v.special = "<|never|>", append(v.special, "<|never|>")
	}
	v.end = add("")
	o.Ends = []int32{v.end}
	var err error
	if v.v, err = constrain.NewVocabulary(raw, o); err != nil {
		t.Fatal(err)
	}
	return v
}

// walk makes a random reply under a grammar. Tokens that end things are likelier, so
// that most replies end.
func (v *tokens) walk(t *testing.T, r *rand.Rand, g *constrain.Grammar, most int) (text string, ended bool) {
	t.Helper()
	m := g.Matcher(v.v)
	var mask []uint32
	for n := range most {
		var err error
		if mask, err = m.Mask(mask); err != nil {
			t.Fatal(err)
		}
		var allowed, ends []int32
		for id := range v.text {
			if mask[id/32]>>(id%32)&1 == 0 {
				continue
			}
			allowed = append(allowed, int32(id))
			if strings.ContainsAny(v.text[id], "\"}]<>[\n") || int32(id) == v.end {
				ends = append(ends, int32(id))
			}
		}
		if len(allowed) == 0 {
			t.Fatalf("nothing may follow %q", text)
		}
		id := allowed[r.IntN(len(allowed))]
		if len(ends) > 0 && r.IntN(100) < min(90, 20+n/2) {
			id = ends[r.IntN(len(ends))]
		}
		if n > most/2 && slices.Contains(allowed, v.end) {
			id = v.end
		}
		if err := m.Accept(id); err != nil {
			t.Fatal(err)
		}
		if id == v.end {
			return text, true
		}
		text += v.text[id]
	}
	return text, false
}

// holds checks a call of offer's functions, as far as its schema goes, and without our
// own reading of schemas.
func holds(c *Call) error {
	var args map[string]any
	if err := json.Unmarshal([]byte(c.Arguments), &args); err != nil {
		return err
	}
	if c.Name == "a.b-c" {
		return nil
	}
	if _, ok := args["text"].(string); !ok {
		return errors.New("text is missing")
	}
	if n, ok := args["n"]; ok {
		if _, number := n.(float64); !number {
			return fmt.Errorf("n is %v", n)
		}
	}
	return nil
}

// Random replies under a format's grammar parse into calls of offered functions, whose
// arguments follow their schemas. The model's markers may be special tokens or texts.
func TestGrammar(t *testing.T) {
	for i, f := range formats {
		for _, special := range []bool{false, true} {
			for _, choice := range []Choice{Auto, Required} {
				t.Run(fmt.Sprint(f.Name, special, choice), func(t *testing.T) {
					t.Parallel()
					v := vocabulary(t, f, special)
					r := rand.New(rand.NewPCG(uint64(i), uint64(choice)))
					ended, called := 0, 0
					o := offer()
					o.Choice = choice
					few := *o
					few.Single, few.Only = true, []string{"get", "a.b-c"}
					offers := []*Offer{o, &few}
					var grammars []*constrain.Grammar
					for _, o := range offers {
						g, err := f.Grammar(o, v.special, nil)
						if err != nil {
							t.Fatal(err)
						}
						grammars = append(grammars, g)
					}
					const replies = 12
					for n := range replies {
						o := offers[n%2]
						text, end := v.walk(t, r, grammars[n%2], 800)
						_, calls, p := read(f, o, text)
						if strings.Contains(text, "<|never|>") {
							t.Fatalf("a special token that belongs to nothing: %q", text)
						}
						if choice == Required && len(calls) == 0 && end || o.Single && len(calls) > 1 {
							t.Fatalf("%d calls in %q", len(calls), text)
						}
						for n, c := range calls {
							if !end && n == len(calls)-1 {
								break // it may be cut
							}
							if err := holds(&c); err != nil || o.Only != nil && c.Name == "get_weather" {
								t.Fatalf("%v: call %q of %q", err, c, text)
							}
						}
						if end {
							if ended++; p.Cut() {
								t.Fatalf("a whole reply ends in a call: %q", text)
							}
						}
						called += min(1, len(calls))
						// Whatever is written as calls and read as calls is allowed, too.
						if f.Start != "" && end && len(calls) == 0 && strings.Contains(text, f.Start) {
							t.Fatalf("a start without a call: %q", text)
						}
					}
					if ended < replies/2 || choice == Required && called < replies {
						t.Errorf("%d replies ended, %d called", ended, called)
					}
				})
			}
		}
	}
}

// What a template writes as a call is allowed, and what is no call of an offered
// function is not.
func TestGrammarMatches(t *testing.T) {
	for i, f := range formats {
		r := rand.New(rand.NewPCG(uint64(i), 3))
		o := offer()
		auto, err := f.Grammar(o, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		required := *o
		required.Choice, required.Only = Required, []string{"get"}
		one, err := f.Grammar(&required, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		check := func(g *constrain.Grammar, text string, want bool) {
			t.Helper()
			if got, err := g.Matches(text); err != nil || got != want {
				t.Errorf("%s: %q is allowed: %t %v, want %t", f.Name, text, got, err, want)
			}
		}
		for range 8 {
			most := 3
			if f.single {
				most = 1
			}
			calls := random(r, o, most)
			if f.values {
				if strings.Contains(fmt.Sprint(calls), closeParameter) {
					continue
				}
				for n := range calls { // a.b-c has no arguments there
					calls[n].Name = "get"
				}
			}
			check(auto, f.Write(calls), true)
			if f.Start != "" {
				check(auto, "Free text é.\n"+f.Write(calls), true)
			}
		}
		good := f.Write([]Call{{ID: "abcdefghi", Name: "get", Arguments: `{"text": "a"}`}})
		check(one, good, true)
		check(one, "x"+good, false)
		check(auto, "x", true)
		check(auto, "", true)
		check(one, "", false)
		for _, bad := range []Call{{Name: "unknown", Arguments: `{"text": "a"}`}, {Name: "get", Arguments: `{"n": 1}`}, {Name: "get", Arguments: `{"text": "a", "n": "b"}`}} {
			bad.ID = "abcdefghi"
			check(one, f.Write([]Call{bad}), false)
			if f.Start != "" || bad.Name == "get" {
				check(auto, f.Write([]Call{bad}), false)
			}
		}
		check(one, f.Write([]Call{{ID: "abcdefghi", Name: "get_weather", Arguments: `{"text": "a"}`}}), false)
	}
}

// A schema that cannot be held allows any object, unless it is strict. Then the offer is
// refused, with the place.
func TestGrammarRefuses(t *testing.T) {
	hard := Tool{Name: "f", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"https://example.com/x"}}}`)}
	f := named(t, "hermes")
	g, err := f.Grammar(&Offer{Tools: []Tool{hard}, Choice: Required}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := g.Matches(f.Write([]Call{{Name: "f", Arguments: `{"b": [1, {"c": null}]}`}})); !ok || err != nil {
		t.Error(ok, err)
	}
	hard.Strict = true
	array := Tool{Name: "f", Parameters: json.RawMessage(`{"type":"array"}`)}
	text := Tool{Name: "f", Strict: true, Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","minLength":2}}}`)}
	for want, c := range map[string]struct {
		t Tool
		f *Format
	}{
		"tools[0].parameters: #/properties/a":             {hard, f},
		"tools[0].parameters: #/type: the arguments":      {array, f},
		"tools[0].parameters: #/properties/a/minLength: ": {text, named(t, "qwen-xml")},
	} {
		_, err := c.f.Grammar(&Offer{Tools: []Tool{c.t}, Choice: Required}, nil, nil)
		var e *OfferError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A reply that calls nothing holds to the form that was asked for.
func TestGrammarWithout(t *testing.T) {
	form, err := constrain.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		g, err := f.Grammar(offer(), nil, form)
		if err != nil {
			t.Fatal(err)
		}
		call := f.Write([]Call{{ID: "abcdefghi", Name: "get", Arguments: `{"text": "a"}`}})
		for text, want := range map[string]bool{call: true, `{"a": [1, {"b": null}]}`: true, "Hello": false, `{"a": 1} x`: false, "": false} {
			if got, err := g.Matches(text); err != nil || got != want {
				t.Errorf("%s: %q is allowed: %t %v, want %t", f.Name, text, got, err, want)
			}
		}
	}
}
