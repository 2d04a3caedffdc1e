package constrain

import (
	"strings"
	"testing"
)

// TestClamp compares masks with asking for every token where tokens are as long as
// what is left of counts, and a little shorter and longer.
func TestClamp(t *testing.T) {
	var tokens [][]byte
	for n := 1; n <= 8; n++ {
		a := strings.Repeat("a", n)
		tokens = append(tokens, []byte(a), []byte(a+"b"), []byte("\""+a), []byte(a+"\"")) // the longest has 9 bytes
	}
	tokens = append(tokens, nil)
	end := int32(len(tokens) - 1)
	v, err := NewVocabulary(tokens, VocabularyOptions{Special: map[int32]string{end: "</s>"}, Ends: []int32{end}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{`a{20,}b`, `a{12,40}b`, `"a{0,30}"`, `(a{25}b|a{27,29})`, `(ab?){13,26}`, `a{30}`} {
		g, err := Regex(p)
		if err != nil {
			t.Fatal(err)
		}
		m := g.Matcher(v)
		if p[0] == '"' {
			if err := m.Accept(2); err != nil {
				t.Fatal(err)
			}
		}
		for {
			mask, err := m.Mask(nil)
			if err != nil {
				t.Fatal(err)
			}
			for id := range tokens {
				ok := m.Accept(int32(id)) == nil
				if ok {
					m.Back(1)
				}
				if got := allowed(mask, id); got != ok {
					t.Fatalf("%s behind %d tokens: %q may come: %v, and the mask says %v", p, m.Len(), tokens[id], ok, got)
				}
			}
			if m.Accept(0) != nil {
				break
			}
			if m.Len() > 60 {
				break
			}
		}
	}
}
