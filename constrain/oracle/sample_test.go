package oracle

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/tokenizer"
)

var sampled = flag.Int("sampled", 4_000, "tokens to sample under random schemas")

// vocab is a vocabulary with what tests need of it.
type vocab struct {
	v      *constrain.Vocabulary
	tokens [][]byte
	end    int32
	encode func(string) []int32
	byText map[string]int32
	drops  bool // the first token's first space
}

func loadVocab(t testing.TB, name string) *vocab {
	tok, err := tokenizer.FromFiles("../../testdata/tokenizers/" + name)
	if err != nil {
		t.Fatal(err)
	}
	tokens, drops, err := tok.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	v := &vocab{encode: func(s string) []int32 { return tok.Encode(s, tokenizer.EncodeOptions{}) }, byText: map[string]int32{}, drops: drops}
	special := tok.Specials()
	for id, b := range tokens {
		if _, ok := special[int32(id)]; !ok && len(b) > 0 && len(b) <= 12 {
			v.byText[string(b)] = int32(id)
		}
	}
	v.end = int32(len(tokens))
	v.tokens = append(tokens, nil)
	v.v, err = constrain.NewVocabulary(v.tokens, constrain.VocabularyOptions{Special: special, Ends: []int32{v.end}, Drops: drops})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// text is what a token adds to a text.
func (v *vocab) text(id int32, first bool) string {
	s := string(v.tokens[id])
	if first && v.drops {
		s = strings.TrimPrefix(s, " ")
	}
	return s
}

// bytesVocab has the bytes and a few pieces of JSON, so that masks cost little.
func bytesVocab(t testing.TB) *vocab {
	v := &vocab{byText: map[string]int32{}}
	add := func(s string) {
		v.byText[s] = int32(len(v.tokens))
		v.tokens = append(v.tokens, []byte(s))
	}
	for b := range 256 {
		add(string([]byte{byte(b)}))
	}
	for _, s := range []string{`":`, `",`, `"}`, `{"`, `}}`, `"a"`, `"a":`, `, "`, `null`, `true`, `\u00`, `é`, `{}`, `[]`, `],`, `00`, `12`, `.5`, `-1`, "\n ", `": "`, `-0`, `0.`, `ab`, `\"`} {
		add(s)
	}
	v.end = int32(len(v.tokens))
	v.tokens = append(v.tokens, nil)
	var err error
	if v.v, err = constrain.NewVocabulary(v.tokens, constrain.VocabularyOptions{Ends: []int32{v.end}}); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSampled samples tokens under random schemas, uniformly out of the mask, and
// later out of the tokens that close something, so that texts end. A finished text
// must follow its schema, and no state may be without a next token.
func TestSampled(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 2))
	vs := []*vocab{bytesVocab(t), bytesVocab(t), bytesVocab(t), loadVocab(t, "mistral")}
	tokens, finished, refused, schemas := 0, 0, 0, 0
	for tokens < *sampled {
		schema := style{",", ":", "", plainText}.write(randomDocument(r))
		g, err := constrain.Schema([]byte(schema), constrain.SchemaOptions{})
		if schemas++; err != nil {
			refused++
			continue
		}
		s := judge(t, schema)
		for range 3 {
			v := vs[r.IntN(len(vs))]
			text, ended := sampleText(t, r, g, v, schema, &tokens)
			if ended {
				finished++
				if !valid(t, s, text) {
					t.Errorf("does not follow: %q\nby %s", text, schema)
				}
			}
		}
	}
	t.Logf("%d tokens, %d texts finished, %d of %d schemas refused", tokens, finished, refused, schemas)
	if finished < schemas/4 {
		t.Errorf("too few texts were finished")
	}
}

func sampleText(t *testing.T, r *rand.Rand, g *constrain.Grammar, v *vocab, schema string, tokens *int) (text string, ended bool) {
	m := g.Matcher(v.v)
	var mask []uint32
	var b strings.Builder
	free := r.IntN(60)
	for i := range 400 {
		var err error
		if mask, err = m.Mask(mask); err != nil {
			t.Errorf("%v: %q by %s", err, b.String(), schema)
			return "", false
		}
		*tokens++
		id := choose(r, mask, v, i > free)
		if id < 0 {
			t.Errorf("nothing may follow %q by %s", b.String(), schema)
			return "", false
		}
		if err := m.Accept(id); err != nil {
			t.Errorf("the mask allows a token that is refused: %v: %q by %s", err, b.String(), schema)
			return "", false
		}
		if id == v.end {
			return b.String(), true
		}
		b.WriteString(v.text(id, i == 0))
	}
	return "", false
}

// choose takes a token of a mask: any one, or one that helps to end the text.
func choose(r *rand.Rand, mask []uint32, v *vocab, closing bool) int32 {
	allowed := func(id int32) bool { return mask[id/32]>>(id%32)&1 != 0 }
	if closing {
		if allowed(v.end) {
			return v.end
		}
		order := []string{"}", "]", `"`, ":", `"}`, "0", "5", "n", "t", "f", "1", ","}
		if r.IntN(3) > 0 {
			for _, s := range order {
				if id, ok := v.byText[s]; ok && allowed(id) {
					return id
				}
			}
		}
	}
	var ids []int32
	for w, bits := range mask {
		for ; bits != 0; bits &= bits - 1 {
			ids = append(ids, int32(w*32)+int32(trailing(bits)))
		}
	}
	if len(ids) == 0 {
		return -1
	}
	return ids[r.IntN(len(ids))]
}

func trailing(bits uint32) int {
	n := 0
	for ; bits&1 == 0; bits >>= 1 {
		n++
	}
	return n
}

// TestWalk reads values that follow schemas of real use token by token, as each
// tokenizer writes them and split anywhere.
func TestWalk(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 3))
	names := []string{"mistral", "qwen3", "o200k"}
	if testing.Short() {
		names = names[:1]
	}
	for _, name := range names {
		v := loadVocab(t, name)
		for range max(4, *schemas/25) {
			k := realSchema(r)
			schema := style{",", ":", "", plainText}.write(k.schema)
			g, err := constrain.Schema([]byte(schema), constrain.SchemaOptions{})
			if err != nil {
				t.Fatal(err)
			}
			value := k.make(r)
			for size(value) > 60 {
				value = k.make(r)
			}
			text := styles[r.IntN(len(styles))].write(value)
			walk(t, g, v, v.encode(text), text, schema)
			walk(t, g, v, splitAnywhere(r, v, text), text, schema)
		}
	}
}

// splitAnywhere is a text in random tokens.
func splitAnywhere(r *rand.Rand, v *vocab, text string) []int32 {
	var ids []int32
	for text != "" {
		var fit []int32
		for n := 1; n <= min(12, len(text)); n++ {
			if id, ok := v.byText[text[:n]]; ok {
				fit = append(fit, id)
			}
		}
		id := fit[r.IntN(len(fit))]
		ids = append(ids, id)
		text = text[len(v.tokens[id]):]
	}
	return ids
}

func walk(t *testing.T, g *constrain.Grammar, v *vocab, ids []int32, text, schema string) {
	t.Helper()
	all := ""
	for i, id := range ids {
		all += v.text(id, i == 0)
	}
	if all != text {
		t.Fatalf("the tokens say %q, not %q", all, text)
	}
	m := g.Matcher(v.v)
	var mask []uint32
	for i, id := range ids {
		if i < 25 || i%7 == 0 {
			var err error
			if mask, err = m.Mask(mask); err != nil {
				t.Fatal(err)
			}
			if mask[id/32]>>(id%32)&1 == 0 {
				t.Fatalf("the mask lacks token %q of %q by %s", v.tokens[id], text, schema)
			}
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("%v: %q of %q by %s", err, v.tokens[id], text, schema)
		}
	}
	if may, _, err := m.End(); err != nil || !may {
		t.Fatalf("may not end: %v: %q by %s", err, text, schema)
	}
	if err := m.Accept(v.end); err != nil {
		t.Fatal(err)
	}
	if mask, _ = m.Mask(mask); slices.Max(mask) != 0 {
		t.Fatal("something may follow the end")
	}
}
