package tokenizer

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestBytes puts the bytes of random tokens together: where they are UTF-8, they
// are what Decode makes of the tokens.
func TestBytes(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, _ family) {
		list, drops, err := tok.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		same := 0
		for range 5000 {
			var ids []int32
			var text []byte
			for range 1 + r.IntN(4) {
				id := int32(r.IntN(len(list)))
				ids = append(ids, id)
				text = append(text, list[id]...)
			}
			if drops && len(list[ids[0]]) == 0 {
				continue // it stands in no text
			}
			if drops {
				text = bytes.TrimPrefix(text, []byte(" "))
			}
			if got := tok.Decode(ids, true); utf8.Valid(text) {
				if got != string(text) {
					t.Fatalf("%v decode to %q, their bytes are %q", ids, got, text)
				}
				same++
			} else if !strings.Contains(got, "\uFFFD") {
				t.Fatalf("%v decode to %q, their bytes are %q, no UTF-8", ids, got, text)
			}
		}
		if same < 2000 {
			t.Errorf("%d texts were compared", same)
		}
	})
}
