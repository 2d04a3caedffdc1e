package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/tokenizer/regex"
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
		checkPieces(t, "llama3", c.text, piecesOf(handStep{patterns[llama3Pattern]()}, c.text), c.llama3)
		checkPieces(t, "gpt2", c.text, piecesOf(handStep{patterns[gpt2Pattern]()}, c.text), c.gpt2)
	}
}

func checkPieces(t *testing.T, name, text string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%.60s of %q\n got %q\nwant %q", name, text, got, want)
	}
}

func piecesOf(s step, text string) []string {
	var got []string
	s.split(text, true, func(piece string, _ bool) { got = append(got, piece) })
	return got
}

// TestHandmade holds each splitter written by hand to the general engine on random
// texts of what they tell apart.
func TestHandmade(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for pattern, hand := range patterns {
		re, err := regex.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		general := splitStep{finder: re, behavior: "Isolated"}
		for range 6000 {
			text := randomText(random, 24)
			checkPieces(t, pattern, text, piecesOf(handStep{hand()}, text), piecesOf(general, text))
			if t.Failed() {
				return
			}
		}
		for name, text := range benchTexts(t) {
			text = text[:1<<13]
			if !slices.Equal(piecesOf(handStep{hand()}, text), piecesOf(general, text)) {
				t.Errorf("%.60s: the pieces of %s differ", pattern, name)
			}
		}
	}
}

// TestRuns holds the steps for runs of one class to the general engine.
func TestRuns(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, pattern := range []string{`\p{N}`, digitsPattern, cjkPattern, falconThree, `\p{L}+`, `[a-c]{2,}`} {
		re, err := regex.Compile(pattern)
		if err != nil || !re.Run() {
			t.Fatalf("%s: %v", pattern, err)
		}
		general := splitStep{finder: re, behavior: "Isolated"}
		for range 2000 {
			text := randomText(random, 16)
			checkPieces(t, pattern, text, piecesOf(runStep{re}, text), piecesOf(general, text))
			checkPieces(t, pattern+" of bytes", text, piecesOf(newByteRun(re), text), piecesOf(spelledStep{general}, text))
		}
	}
}

// randomText is text of what the expressions tell apart.
func randomText(r *rand.Rand, most int) string {
	parts := strings.Split("a|b|c|A|B|I|'|'s|'S|'ll|'Re|'\u017f|d|t| |  |\n|\r\n|\t|\u00a0|\u3000|\u0085|1|23|4567|\u0663|\u00bd|!|?|...|/|$|+|"+
		"\u4e2d|\u6587|\u3042|\u30ab|\uac00|e\u0301|\u0301|\u0e01\u0e33|\u0939\u093f|\u01c5|\u02b0|\u00e9|\u00c9|\u00df|\U0001f600|\u200b|\ufeff|_|-|"+
		"\U00020000|\U0001d400|\x00|\xff|\xe4\xb8|\u0378|\U000e0100|\U0001e900", "|")
	var b strings.Builder
	for range 1 + r.IntN(most) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

// splitCase is a pre-tokenizer and the pieces that the native library cuts.
type splitCase struct {
	Name   string     `json:"name"`
	Pre    component  `json:"pre"`
	Texts  []string   `json:"texts"`
	Pieces [][]string `json:"pieces"`
}

// TestPreTokenizers holds every kind of pre-tokenizer, with every behavior, to the
// native library.
func TestPreTokenizers(t *testing.T) {
	for _, c := range readLines[splitCase](t, filepath.Join("../testdata/tokenizers", "split.jsonl.gz")) {
		checkSplitCase(t, c)
	}
}

func checkSplitCase(t *testing.T, c splitCase) {
	t.Helper()
	grow := growth(1)
	p, err := newPreTokenizer(&c.Pre, &grow)
	if err != nil {
		t.Errorf("%s: %v", c.Name, err)
		return
	}
	bad := 0
	for i, text := range c.Texts {
		var got []string
		yield := func(piece string, _ bool) {
			if p.bytes {
				piece = spellBytes(piece)
			}
			if piece != "" {
				got = append(got, piece)
			}
		}
		for k := len(p.steps) - 1; k >= 0; k-- {
			step, next := p.steps[k], yield
			yield = func(piece string, first bool) { step.split(piece, first, next) }
		}
		yield(text, true)
		if bad++; bad < 4 && !slices.Equal(got, c.Pieces[i]) {
			checkPieces(t, c.Name+" "+c.Pre.Behavior, text, got, c.Pieces[i])
		} else if slices.Equal(got, c.Pieces[i]) {
			bad--
		}
	}
}
