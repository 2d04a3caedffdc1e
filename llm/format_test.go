package llm_test

import (
	"context"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/llm"
)

// formats are forms with what tells that a whole reply holds to them.
func formats(t *testing.T) map[string]struct {
	g     *constrain.Grammar
	holds func(text string) bool
} {
	t.Helper()
	must := func(g *constrain.Grammar, err error) *constrain.Grammar {
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	object := must(constrain.Regex(`\{"name": "[A-Z][a-z]{2,9}", "planet": "(Mars|Venus|Neptune)", "visited": (true|false)\}`))
	pattern := `(no|yes), [a-z ]{3,30}\.`
	return map[string]struct {
		g     *constrain.Grammar
		holds func(text string) bool
	}{
		"object":  {object, func(s string) bool { var v map[string]any; return json.Unmarshal([]byte(s), &v) == nil && len(v) == 3 }},
		"json":    {must(constrain.JSON()), func(s string) bool { return json.Valid([]byte(s)) && s[0] == '{' }},
		"pattern": {must(constrain.Regex(pattern)), regexp.MustCompile("^" + pattern + "$").MatchString},
		"choice":  {must(constrain.Choice([]string{"Mars", "Venus", "Neptune"})), regexp.MustCompile("^(Mars|Venus|Neptune)$").MatchString},
	}
}

// TestFormat holds replies of the demo to forms, alone, with drafts and in a
// service: the text of a seed is one, whoever helps.
func TestFormat(t *testing.T) {
	ctx := context.Background()
	for name, f := range formats(t) {
		for seed := range uint64(3) {
			texts := map[string]string{}
			var why llm.Reply
			for _, draft := range []string{"", "lookup", "demo"} {
				m := open(t, "", llm.Options{Draft: draft, Seed: seed + 1})
				set := func(s *llm.Settings) { s.Format, s.MaxTokens, s.Sampling.Temp = f.g, 120, 0.8 }
				why = whole(t, m.Chat(ctx, llm.User("Tell me about Mars."), set))
				texts["draft "+draft] = why.Text
				texts["service "+draft] = served(t, m, set, draft != "")
			}
			for who, text := range texts {
				if text != texts["draft "] {
					t.Fatalf("%s, seed %d: %s gives %q, and alone it is %q", name, seed, who, text, texts["draft "])
				}
			}
			if text := texts["draft "]; why.Cut == "" && !f.holds(text) {
				t.Errorf("%s, seed %d: %q does not hold to the form", name, seed, text)
			} else if why.Cut != "" && name != "json" {
				t.Errorf("%s, seed %d: %q was cut", name, seed, text)
			}
		}
	}
}

// served is the same reply from a service.
func served(t *testing.T, m *llm.Model, set func(*llm.Settings), draft bool) string {
	t.Helper()
	s, err := m.Serve(llm.ServiceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settings := m.Settings()
	set(&settings)
	p, err := s.Prompt("", llm.User("Tell me about Mars."), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Ask(t.Context(), llm.Ask{Tokens: p.Tokens, Settings: settings, Draft: draft})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for piece := range a.Told(t.Context()) {
		text += piece
	}
	if r := a.Result(); r.Err != nil {
		t.Fatal(r.Err)
	}
	return text
}
