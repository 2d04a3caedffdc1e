package tokenizer

import (
	"slices"
	"testing"
)

// TestSplit holds the splitters written by hand to what the expressions give.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		text         string
		llama3, gpt2 []string
	}{
		{"I'll don'T x'\u017ft'S", []string{"I", "'ll", " don", "'T", " x", "'\u017f", "t", "'S"}, []string{"I", "'ll", " don", "'", "T", " x", "'", "\u017ft", "'", "S"}},
		{"a\n\n  b \r\n\tc", []string{"a", "\n\n", " ", " b", " \r\n", "\tc"}, []string{"a", "\n\n ", " b", " \r\n", "\t", "c"}},
		{"x  1234567 y", []string{"x", " ", " ", "123", "456", "7", " y"}, []string{"x", " ", " 1234567", " y"}},
		{"\u00a1hola!\n\n?? \u00a0z", []string{"\u00a1hola", "!\n\n", "??", " ", "\u00a0z"}, []string{"\u00a1", "hola", "!", "\n", "\n", "??", " ", "\u00a0", "z"}},
		{"  ", []string{"  "}, []string{"  "}},
		{" !'re\n", []string{" !'", "re", "\n"}, []string{" !'", "re", "\n"}},
	} {
		checkSplit(t, llama3Split{classes()}, c.text, c.llama3)
		checkSplit(t, gpt2Split{classes()}, c.text, c.gpt2)
	}
}

func checkSplit(t *testing.T, s splitter, text string, want []string) {
	t.Helper()
	var got []string
	for i := 0; i < len(text); {
		end := s.next(text, i)
		got = append(got, text[i:end])
		i = end
	}
	if !slices.Equal(got, want) {
		t.Errorf("%T of %q\n got %q\nwant %q", s, text, got, want)
	}
}
