package constrain

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestMaskSuite walks the suite's schemas, and some with counts about as large as
// tokens. Each mask must hold the tokens that a grammar reads from which no mask was
// ever made, and no others, also behind tokens that were taken back.
func TestMaskSuite(t *testing.T) {
	w := maskWalk{t: t, v: smallVocabulary(t), r: rand.New(rand.NewPCG(7, 7))}
	for _, groups := range readSuite(t) {
		for i, group := range groups {
			if !testing.Short() || i%4 == 0 {
				w.walk(string(group.Schema), 14)
			}
		}
	}
	for n := range 9 {
		for _, schema := range []string{
			`{"type":"string","maxLength":%d}`, `{"type":"string","minLength":%d}`, `{"type":"string","minLength":%[1]d,"maxLength":%[1]d}`,
			`{"type":"string","pattern":"^(ab|b|ä){%d}$"}`, `{"type":"string","pattern":"a.{%d}b"}`, `{"type":"string","pattern":"^[^a]*$","maxLength":%d}`,
			`{"type":"string","maxLength":%d,"not":{"pattern":"b"}}`, `{"type":"string","minLength":%d,"not":{"enum":["ab","aba","abab"]}}`,
			`{"type":"object","propertyNames":{"maxLength":%d,"pattern":"^[^b]"}}`, `{"type":"object","properties":{"a":{},"aba":{}},"maxProperties":%d}`,
			`{"type":"array","items":{"enum":[12,null,"a"]},"minItems":%d}`, `{"type":"array","items":{"type":"string","maxLength":%[1]d},"maxItems":%[1]d}`,
			`{"type":"number","minimum":0.%d5,"maximum":12}`, `{"type":"integer","multipleOf":%d1}`,
		} {
			w.walk(fmt.Sprintf(schema, n), 20)
		}
	}
	t.Logf("%d masks, %d of them of more than 100 tokens", w.masks, w.wide)
	if w.wide < 50 {
		t.Error("too few masks inside strings")
	}
}

type maskWalk struct {
	t           *testing.T
	v           *Vocabulary
	r           *rand.Rand
	masks, wide int
}

func (w *maskWalk) walk(schema string, steps int) {
	t, v := w.t, w.v
	g, err := Schema([]byte(schema), SchemaOptions{})
	if err != nil {
		return
	}
	fresh, err := Schema([]byte(schema), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher(v)
	var mask []uint32
	for range steps {
		if mask, err = m.Mask(mask); err != nil {
			t.Fatal(err)
		}
		var may []int32
		for id := range int32(v.Size()) {
			want := reads(fresh, v, m.tokens, id)
			if allowed(mask, int(id)) != want {
				t.Fatalf("%s: behind %q the mask says %v of token %q", schema, tokensText(v, m.tokens), !want, v.tokens[id])
			}
			if want {
				may = append(may, id)
			}
		}
		w.masks++
		if len(may) > 100 {
			w.wide++
		}
		if len(may) == 0 || w.r.IntN(6) == 0 && m.Len() > 0 {
			m.Back(1 + w.r.IntN(m.Len()))
			continue
		}
		if err := m.Accept(may[w.r.IntN(len(may))]); err != nil {
			t.Fatal(err)
		}
	}
}

// reads says whether a grammar reads some tokens and then another one. It goes by
// derivatives alone, a byte at a time.
func reads(g *Grammar, v *Vocabulary, tokens []int32, id int32) bool {
	g.p.work = 0
	state := g.root
	for _, x := range tokens {
		if v.isEnd[x] {
			return false
		}
		state = g.p.text(state, v.tokens[x])
	}
	if v.isEnd[id] {
		return g.p.nodes[state].nullable
	}
	return v.tokens[id] != nil && g.p.text(state, v.tokens[id]) != none
}

func tokensText(v *Vocabulary, tokens []int32) string {
	var text []byte
	for _, id := range tokens {
		text = append(text, v.tokens[id]...)
	}
	return string(text)
}
