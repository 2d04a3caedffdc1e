package constrain

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// smallVocabulary has all bytes, some pieces, tokens with the same bytes, a
// special token and two ends.
func smallVocabulary(t testing.TB) *Vocabulary {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, s := range []string{"ab", "aba", "b", "\"a", "\":", "\",", "{\"", "}}", "],", "tr", "true", "null", "12", ".5", "\xc3\xa4", "a\xc3", "\xa4b", "\xa4", " ", "  ", "\n", "ä\"", "\\\"", "\\u00", "<call>", ""} {
		tokens = append(tokens, []byte(s))
	}
	n := int32(len(tokens))
	tokens = append(tokens, []byte("<call>"), []byte("</s>"), nil)
	v, err := NewVocabulary(tokens, VocabularyOptions{Special: map[int32]string{n: "<call>", n + 1: "</s>"}, Ends: []int32{n + 1, n + 2}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func allowed(m []uint32, id int) bool { return m[id/32]>>(id%32)&1 != 0 }

// testForms are grammars of several kinds.
func testForms(t testing.TB) map[string]*Grammar {
	must := func(g *Grammar, err error) *Grammar {
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	b := new(Builder)
	nest := b.Rule("nest")
	b.Define(nest, Alt(Seq(Lit("("), Repeat(nest, 0, -1), Lit(")")), Lit("ab"), Class('ä', 'ü')))
	return map[string]*Grammar{
		"json":   must(JSON()),
		"regex":  must(Regex(`(ab|[a-zä]{2,5}b)*(12|\.5)?`)),
		"choice": must(Choice([]string{"true", "tr", "null", "äb", ""})),
		"nest":   must(b.Grammar(nest)),
		"call":   must(New(Seq(Terminal(Not(Seq(Text(), Lit("ab"), Text()))), Optional(Seq(Special("<call>"), Lit("{}")))))),
		// Behind a b both alternatives are dead.
		"dead": must(New(Alt(
			Seq(And(Repeat(Class('a', 'b'), 3, 3), Not(Seq(Text(), Lit("b"), Text()))), Lit("1")),
			Seq(And(Repeat(Class('a', 'b'), 2, 4), Not(Seq(Text(), Lit("b"), Text()))), Lit("2")),
		))),
		"key": must(New(Seq(Lit(`{"`), Terminal(And(Not(Alt(Lit("a"), Lit("aba"))), Repeat(Class(0, '!', '#', 0x10ffff), 0, 8))), Lit(`":`)))),
	}
}

// TestMask compares masks with asking for every token, on random walks that go
// back at times, and states with those of a matcher that read the tokens anew.
func TestMask(t *testing.T) {
	v := smallVocabulary(t)
	r := rand.New(rand.NewPCG(5, 6))
	for name, g := range testForms(t) {
		finished := 0
		for range 60 {
			m := g.Matcher(v)
			var mask []uint32
			for range 40 {
				var err error
				if mask, err = m.Mask(mask); err != nil {
					t.Fatal(name, err)
				}
				var may []int32
				for id := range v.Size() {
					ok := m.Accept(int32(id)) == nil
					if ok {
						m.Back(1)
						may = append(may, int32(id))
					}
					if ok != allowed(mask, id) {
						t.Fatalf("%s behind %v: token %d %q is allowed %v, and the mask says %v", name, m.tokens, id, v.tokens[id], ok, !ok)
					}
				}
				if len(may) == 0 {
					if s := m.states[len(m.states)-1]; s != ended {
						t.Fatalf("%s behind %v: nothing may follow", name, m.tokens)
					}
					finished++
					break
				}
				if err := m.Accept(may[r.IntN(len(may))]); err != nil {
					t.Fatal(err)
				}
				if r.IntN(4) == 0 {
					m.Back(r.IntN(min(3, m.Len()) + 1))
				}
			}
			fresh := g.Matcher(v)
			for _, id := range m.tokens {
				if err := fresh.Accept(id); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(fresh.states, m.states) {
				t.Fatalf("%s: states %v, and %v anew", name, m.states, fresh.states)
			}
		}
		if finished == 0 {
			t.Errorf("%s: no walk came to its end", name)
		}
	}
}

// TestJSON walks random outputs to their end: all are JSON, and special tokens do
// not come.
func TestJSON(t *testing.T) {
	v := smallVocabulary(t)
	g, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	whole := 0
	for range 300 {
		m := g.Matcher(v)
		var text []byte
		var mask []uint32
		for range 200 {
			if mask, err = m.Mask(mask); err != nil {
				t.Fatal(err)
			}
			var may []int32
			for id := range v.Size() {
				if allowed(mask, id) {
					may = append(may, int32(id))
				}
			}
			id := may[r.IntN(len(may))]
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
			if v.isEnd[id] {
				whole++
				if !json.Valid(text) || !utf8.Valid(text) {
					t.Fatalf("%q is no JSON", text)
				}
				break
			}
			text = append(text, v.tokens[id]...)
		}
	}
	if whole < 20 {
		t.Errorf("%d outputs came to their end", whole)
	}
	for _, text := range []string{`{}`, `{"a": [1, 2.5e-3, -0, null, true, {"b": "\ud83d\ude00 ä \n"}]}`, "{\n  \"a\":\n  []\n}"} {
		if ok, err := g.Matches(text); !ok || err != nil {
			t.Errorf("%s: %v, %v", text, ok, err)
		}
	}
	for _, text := range []string{``, `[]`, `{`, `{"a": 01}`, `{"a": "\ud83d"}`, `{"a" 1}`, `{} `, "{\"a\": \"\x01\"}", "{\"\xff\": 1}"} {
		if ok, _ := g.Matches(text); ok {
			t.Errorf("%q matches", text)
		}
	}
}

// TestForget follows a text while the grammar forgets its states again and again.
func TestForget(t *testing.T) {
	v := smallVocabulary(t)
	r := rand.New(rand.NewPCG(13, 14))
	for name, g := range testForms(t) {
		plain, forgets := g.Matcher(v), g.Matcher(v)
		var a, b []uint32
		for range 50 {
			var err error
			if a, err = plain.Mask(a); err != nil {
				t.Fatal(err)
			}
			g.p.bytes += freshBytes + 1 // the next call forgets
			if b, err = forgets.Mask(b); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a, b) {
				t.Fatalf("%s: another mask behind %v", name, plain.tokens)
			}
			var may []int32
			for id := range v.Size() {
				if allowed(a, id) {
					may = append(may, int32(id))
				}
			}
			if len(may) == 0 {
				break
			}
			id := may[r.IntN(len(may))]
			if plain.Accept(id) != nil || forgets.Accept(id) != nil {
				t.Fatalf("%s: token %d is refused", name, id)
			}
		}
		if g.epoch < 2 {
			t.Errorf("%s: it forgot nothing", name)
		}
	}
}
