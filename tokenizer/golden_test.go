package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

type golden struct {
	Text       string  `json:"text"`
	IDs        []int32 `json:"ids"`
	AddSpecial bool    `json:"add_special"`
	Decoded    string  `json:"decoded"`
	Skipped    string  `json:"decoded_skip_special"`
	Cat        string  `json:"cat"`
}

func TestEncode(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, fam family) {
		for i, g := range readLines[golden](t, filepath.Join(fam.goldens, "golden.jsonl")) {
			got := tok.Encode(g.Text, EncodeOptions{AddSpecial: g.AddSpecial, ParseSpecial: true})
			if !slices.Equal(got, g.IDs) {
				t.Errorf("line %d (%s): %.60q\n got %v\nwant %v", i+1, g.Cat, g.Text, got, g.IDs)
			}
			checkDecode(t, tok, g.IDs, false, g.Decoded)
		}
	})
}

func TestDecode(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, fam family) {
		for _, g := range readLines[golden](t, filepath.Join(fam.goldens, "decode.jsonl")) {
			checkDecode(t, tok, g.IDs, false, g.Decoded)
			checkDecode(t, tok, g.IDs, true, g.Skipped)
		}
	})
}

// checkDecode decodes ids at once and one by one: a stream gives the same text, and never
// a part of a character.
func checkDecode(t *testing.T, tok *Tokenizer, ids []int32, skip bool, want string) {
	t.Helper()
	if got := tok.Decode(ids, skip); got != want {
		t.Errorf("decode %v, skip special %t\n got %q\nwant %q", ids, skip, got, want)
	}
	s := tok.Stream(skip)
	var b strings.Builder
	put := func(piece string) {
		if !utf8.ValidString(piece) {
			t.Errorf("stream of %v gives the broken piece %q", ids, piece)
		}
		b.WriteString(piece)
	}
	for _, id := range ids {
		put(s.Push(id))
	}
	put(s.Flush())
	if b.String() != want {
		t.Errorf("stream of %v, skip special %t\n got %q\nwant %q", ids, skip, b.String(), want)
	}
}

func TestChatIDs(t *testing.T) {
	for _, c := range []struct{ goldens, tokenizer string }{
		{"../testdata/tokenizers/zephyr", "../testdata/tokenizers/mistral"},
		{shared + "/llama3", shared + "/llama3"},
		{shared + "/llama3.1", shared + "/llama3.1"},
		{shared + "/llama3.2", shared + "/llama3.1"},
	} {
		t.Run(filepath.Base(c.goldens), func(t *testing.T) {
			if _, err := os.Stat(c.goldens); err != nil {
				t.Skipf("%s is not there: its goldens are not tested", c.goldens)
			}
			for _, tok := range []*Tokenizer{load(t, c.tokenizer), loadGGUF(t, c.tokenizer)} {
				type chat struct {
					Rendered string  `json:"rendered"`
					Error    string  `json:"error"`
					IDs      []int32 `json:"ids"`
				}
				for i, g := range readLines[chat](t, filepath.Join(c.goldens, "chat_golden.jsonl")) {
					if g.Error != "" {
						continue // the template's affair
					}
					if got := tok.Encode(g.Rendered, EncodeOptions{ParseSpecial: true}); !slices.Equal(got, g.IDs) {
						t.Errorf("line %d: %.60q\n got %v\nwant %v", i+1, g.Rendered, got, g.IDs)
					}
				}
			}
		})
	}
}
