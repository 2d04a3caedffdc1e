package constrain

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomGrammar is rules over a few letters, each with its alternatives: sequences
// of letters and of numbers of rules.
func randomGrammar(r *rand.Rand) [][][]string {
	n := 1 + r.IntN(4)
	rules := make([][][]string, n)
	for i := range rules {
		for range 1 + r.IntN(3) {
			var alt []string
			for range r.IntN(4) {
				sym := string("abä"[r.IntN(2)])
				if r.IntN(5) == 0 {
					sym = "ä"
				}
				if to := r.IntN(n); r.IntN(2) == 0 {
					sym = string(rune('0' + to))
				}
				alt = append(alt, sym)
			}
			rules[i] = append(rules[i], alt)
		}
	}
	return rules
}

func isLetter(s string) bool { return s[0] > '9' }

// recogniser is the naive definition: which texts of at most most bytes each rule
// has, by repeating the rules until nothing is new.
func recogniser(rules [][][]string, most int) []map[string]bool {
	sets := make([]map[string]bool, len(rules))
	for i := range sets {
		sets[i] = map[string]bool{}
	}
	for changed := true; changed; {
		changed = false
		for i, alts := range rules {
			for _, alt := range alts {
				texts := []string{""}
				for _, sym := range alt {
					var next []string
					parts := []string{sym}
					if !isLetter(sym) {
						parts = nil
						for t := range sets[sym[0]-'0'] {
							parts = append(parts, t)
						}
					}
					for _, t := range texts {
						for _, p := range parts {
							if len(t)+len(p) <= most {
								next = append(next, t+p)
							}
						}
					}
					slices.Sort(next)
					texts = slices.Compact(next)
				}
				for _, t := range texts {
					if !sets[i][t] {
						sets[i][t], changed = true, true
					}
				}
			}
		}
	}
	return sets
}

func build(rules [][][]string) (*Grammar, error) {
	b := new(Builder)
	syms := make([]Expr, len(rules))
	for i := range rules {
		syms[i] = b.Rule(string(rune('0' + i)))
	}
	for i, alts := range rules {
		var kids []Expr
		for _, alt := range alts {
			var parts []Expr
			for _, sym := range alt {
				if isLetter(sym) {
					parts = append(parts, Lit(sym))
				} else {
					parts = append(parts, syms[sym[0]-'0'])
				}
			}
			kids = append(kids, Seq(parts...))
		}
		b.Define(syms[i], Alt(kids...))
	}
	return b.Grammar(syms[0])
}

// TestGrammars holds random grammars to the naive definition: whole texts, and which
// beginnings can be completed.
func TestGrammars(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const most = 7
	list := texts([]string{"a", "b", "ä"}, 4)
	nothing := 0
	for range 400 {
		rules := randomGrammar(r)
		g, err := build(rules)
		sets := recogniser(rules, most)
		if err != nil {
			switch {
			case strings.Contains(err.Error(), "no text at all"):
				nothing++
				if len(sets[0]) > 0 {
					t.Fatalf("%v: %v, and it has texts", rules, err)
				}
			default:
				t.Fatal(rules, err)
			}
			continue
		}
		for _, s := range list {
			if len(s) > most {
				continue
			}
			got, err := g.Matches(s)
			if err != nil {
				t.Fatal(rules, s, err)
			}
			if got != sets[0][s] {
				t.Fatalf("%v, text %q: %v, want %v", rules, s, got, sets[0][s])
			}
			// Whatever can be completed with few bytes is alive. What is alive can be
			// completed, which masks rest on.
			live := g.p.text(g.root, []byte(s)) != none
			for whole := range sets[0] {
				if strings.HasPrefix(whole, s) && !live {
					t.Fatalf("%v: %q begins %q, and is dead", rules, s, whole)
				}
			}
			if live && !g.completes(s) {
				t.Fatalf("%v: %q is alive, and nothing completes it", rules, s)
			}
		}
	}
	if nothing == 0 {
		t.Error("no grammar was without texts")
	}
}

// completes looks for a text that completes a beginning, state by state.
func (g *Grammar) completes(begin string) bool {
	at := g.p.text(g.root, []byte(begin))
	seen := map[int32]bool{at: true}
	queue := []int32{at}
	for i := 0; i < len(queue); i++ {
		if i == 400 { // the way to an end may be long, but this is none without one
			return true
		}
		if g.p.nodes[queue[i]].nullable {
			return true
		}
		for c := range g.p.sample {
			if d := g.p.next(queue[i], uint8(c)); d != none && !seen[d] {
				seen[d] = true
				queue = append(queue, d)
			}
		}
	}
	return false
}

// TestForced follows forced tokens: where there are some, everything else that may
// come spells the same text.
func TestForced(t *testing.T) {
	v := smallVocabulary(t)
	forms := testForms(t)
	must := func(g *Grammar, err error) *Grammar {
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	forms["long"] = must(New(Seq(Lit("ababab äb"), Class('a', 'b'), Lit(`{"a":true,`), Special("<call>"), Lit("12"))))
	forms["object"] = must(Schema([]byte(`{"type":"object","properties":{"a":{"const":"ab"},"b":{"type":"boolean"}},"required":["a","b"],"additionalProperties":false}`), SchemaOptions{}))
	forms["longer"] = must(Regex(`ab(a[12])?ba`)) // ab is forced, and aba may come
	r := rand.New(rand.NewPCG(11, 12))
	found := 0
	for name, g := range forms {
		for range 40 {
			m := g.Matcher(v)
			for range 60 {
				forced, err := m.Forced()
				if err != nil {
					t.Fatal(err)
				}
				mask, err := m.Mask(nil)
				if err != nil {
					t.Fatal(err)
				}
				var text []byte
				for _, id := range forced {
					text = append(text, v.tokens[id]...)
				}
				var may []int32
				for id := range v.Size() {
					if !allowed(mask, id) {
						continue
					}
					may = append(may, int32(id))
					if tok := v.tokens[id]; len(text) > 0 && (v.isEnd[int32(id)] || !bytes.HasPrefix(text, tok)) {
						t.Fatalf("%s behind %v: %q is forced, and %q may come", name, m.tokens, text, tok)
					}
				}
				if len(may) == 0 {
					break
				}
				next := []int32{may[r.IntN(len(may))]}
				if len(forced) > 0 {
					found++
					if r.IntN(2) == 0 {
						next = forced
					}
				}
				for _, id := range next {
					if err := m.Accept(id); err != nil {
						t.Fatalf("%s: forced %v: %v", name, forced, err)
					}
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d runs were forced", found)
	}
}
