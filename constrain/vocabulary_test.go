package constrain_test

import (
	"math/rand/v2"
	"testing"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/tokenizer"
)

// TestLargeMask compares masks over real vocabularies with asking for every token,
// along texts, in random tokenizations, and where counts come to their ends.
func TestLargeMask(t *testing.T) {
	forms := map[string]*constrain.Grammar{
		"again":   must(constrain.Regex(`[a-y]*z1`)), // letters lead on, or to where none can be read
		"lower":   must(constrain.Regex(`[a-z]{3,40}[0-9]`)),
		"word":    must(constrain.Regex(`([A-Za-z]{1,9}(_[a-z]+)?[ .]){2,5}`)),
		"text":    must(constrain.Regex(`"([^"\\]|\\n){0,150}"`)),
		"unicode": must(constrain.Regex(`\p{L}{2,6}( \p{Lu}\p{Ll}*)*`)),
		"until":   must(constrain.New(constrain.Seq(constrain.Not(constrain.Seq(constrain.Text(), constrain.Lit("<x>"), constrain.Text())), constrain.Lit("<x>"), constrain.Lit("end")))),
		"and":     must(constrain.New(constrain.And(constrain.Repeat(constrain.Any(), 2, 30), constrain.Not(constrain.Lit("the")), constrain.Repeat(constrain.Class('a', 'z', ' ', ' ', 'ä', 'ü'), 0, -1)))),
	}
	texts := map[string]string{
		"again": "thequickbrownfoxz1", "lower": "thequickbrownfoxjumpsoverthelazydoga7", "word": "The quick brown_fox jumps.", "text": `"A long text, with many words in it, which comes near to its end. It goes on, and on, and on. Ümläute. \n日本語のテキスト. And on, on, on and on it goes."`,
		"unicode": "Größe Über Maß", "until": "Some text < x and <x>end", "and": "the quick übung and more",
	}
	for _, r := range realistic {
		forms[r.name], texts[r.name] = must(constrain.Schema([]byte(r.schema), constrain.SchemaOptions{})), r.text
	}
	names := []string{"mistral", "qwen3"}
	if testing.Short() {
		names = names[:1]
	}
	for _, name := range names {
		tok, v := smallVocabularyOf(t, name)
		r := rand.New(rand.NewPCG(1, 2))
		for form, g := range forms {
			m := g.Matcher(v)
			ids := tok.Encode(texts[form], tokenizer.EncodeOptions{})
			if !accepts(m, ids) { // a token with a space before the text
				ids = spell(tok, v, texts[form], r)
				if !accepts(m, ids) {
					t.Fatalf("%s, %s: the text is refused behind %d of %d tokens", name, form, m.Len(), len(ids))
				}
			}
			m.Back(m.Len())
			at := map[int]bool{0: true, len(ids): true}
			for range 5 {
				at[r.IntN(len(ids)+1)] = true
			}
			for i := 0; ; i++ {
				if at[i] {
					compare(t, m, v.Size(), name+" "+form)
				}
				if i == len(ids) {
					break
				}
				if err := m.Accept(ids[i]); err != nil {
					t.Fatal(err)
				}
			}
			if may, _, err := m.End(); err != nil || !may {
				t.Errorf("%s, %s: the text may not end, %v", name, form, err)
			}
			for range 3 { // other tokens for the same text
				m.Back(m.Len())
				if other := spell(tok, v, texts[form], r); !accepts(m, other) {
					t.Fatalf("%s, %s: the tokens %v are refused behind %d", name, form, other, m.Len())
				}
			}
		}
	}
}

func smallVocabularyOf(t *testing.T, name string) (*tokenizer.Tokenizer, *constrain.Vocabulary) {
	tok, err := tokenizer.FromFiles("../testdata/tokenizers/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return tok, vocabularyOf(t, tok)
}

func accepts(m *constrain.Matcher, ids []int32) bool {
	for _, id := range ids {
		if m.Accept(id) != nil {
			return false
		}
	}
	return true
}

// compare asks for every token.
func compare(t *testing.T, m *constrain.Matcher, size int, where string) {
	t.Helper()
	mask, err := m.Mask(nil)
	if err != nil {
		t.Fatal(where, err)
	}
	for id := range size {
		ok := m.Accept(int32(id)) == nil
		if ok {
			m.Back(1)
		}
		if got := mask[id/32]>>(id%32)&1 != 0; got != ok {
			t.Fatalf("%s behind %d tokens: token %d may come: %v, and the mask says %v", where, m.Len(), id, ok, got)
		}
	}
}

// spell is a text in random tokens of the vocabulary.
func spell(tok *tokenizer.Tokenizer, v *constrain.Vocabulary, text string, r *rand.Rand) []int32 {
	tokens, _, _ := tok.Bytes()
	by := map[string]int32{}
	for id, b := range tokens {
		if len(b) > 0 {
			by[string(b)] = int32(id)
		}
	}
	var ids []int32
	for len(text) > 0 {
		for n := min(len(text), 1+r.IntN(8)); ; n-- {
			if id, ok := by[text[:n]]; ok {
				ids = append(ids, id)
				text = text[n:]
				break
			}
			if n == 1 {
				return nil
			}
		}
	}
	return ids
}
