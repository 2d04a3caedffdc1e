package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLong encodes a quarter of a megabyte of every hard kind of text, on which anything
// quadratic would run into the test's time limit, and reads it back.
func TestLong(t *testing.T) {
	level, pieces := load(t, "../testdata/demo/hybrid-mamba2"), load(t, "../testdata/tokenizers/mistral")
	for name, text := range benchTexts(t) {
		text = strings.ToValidUTF8(text[:1<<18], "")
		if got := level.Decode(level.Encode(text, EncodeOptions{}), false); got != text {
			t.Errorf("%s: byte-level: another text came back, of %d bytes, not %d", name, len(got), len(text))
		}
		if got := pieces.Decode(pieces.Encode(text, EncodeOptions{}), false); got != strings.ReplaceAll(text, spaceMark, " ") || !utf8.ValidString(got) {
			t.Errorf("%s: pieces: another text came back, of %d bytes, not %d", name, len(got), len(text))
		}
	}
}
