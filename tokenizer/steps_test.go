package tokenizer

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// stepCase is a normalizer or a decoder, and what the native library makes of texts or
// of tokens.
type stepCase struct {
	Name       string     `json:"name"`
	Normalizer *component `json:"normalizer"`
	Texts      []string   `json:"texts"`
	Normalized []string   `json:"normalized"`
	Decoder    *component `json:"decoder"`
	Tokens     [][]string `json:"tokens"`
	Decoded    []string   `json:"decoded"`
}

// TestSteps holds every kind of normalizer and of decoder to the native library.
func TestSteps(t *testing.T) {
	for _, c := range readLines[stepCase](t, filepath.Join("../testdata/tokenizers", "steps.jsonl.gz")) {
		grow := growth(1)
		normal, err := newNormalizer(c.Normalizer, &grow)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		for i, text := range c.Texts {
			got := normal.apply(text)
			if got != c.Normalized[i] {
				t.Errorf("%s of %+q\n got %+q\nwant %+q", c.Name, text, got, c.Normalized[i])
			}
			if float64(len(got)) > float64(grow)*float64(len(text)) {
				t.Errorf("%s of %+q: %d bytes became %d, more than %v times as many", c.Name, text, len(text), len(got), grow)
			}
		}
		for i, tokens := range c.Tokens {
			if got := decodeTexts(t, c.Decoder, tokens); got != c.Decoded[i] {
				t.Errorf("%s of %+q\n got %+q\nwant %+q", c.Name, tokens, got, c.Decoded[i])
			}
		}
	}
}

// decodeTexts decodes tokens by their texts.
func decodeTexts(t *testing.T, c *component, tokens []string) string {
	t.Helper()
	d, err := newDecoder(c)
	if err != nil {
		t.Fatal(err)
	}
	tok := &Tokenizer{decoder: d, added: &addedTokens{}, vocab: &vocabulary{text: tokens, kind: make([]tokenKind, len(tokens))}}
	s := tok.Stream(false)
	var b strings.Builder
	for id := range tokens {
		tok.vocab.kind[id] = kindModel
		piece := s.Push(int32(id))
		if !utf8.ValidString(piece) {
			t.Errorf("%+q gives the broken piece %+q", tokens, piece)
		}
		b.WriteString(piece)
	}
	b.WriteString(s.Flush())
	return b.String()
}
