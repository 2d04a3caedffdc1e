package tokenizer

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// unicodeClasses is the native library's view of the characters: inclusive ranges.
type unicodeClasses struct {
	L, N, S     [][2]rune
	Uncomposed  []rune `json:"nfc_uncomposed"`
	CombineZero []rune `json:"nfc_ccc_zero"`
}

func readClasses(t *testing.T) unicodeClasses {
	t.Helper()
	data, err := os.ReadFile("../testdata/tokenizers/unicode_classes.json")
	if err != nil {
		t.Fatal(err)
	}
	var c unicodeClasses
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestClasses compares the class of every character with the native library's; it also
// notices when a newer Go moves its tables.
func TestClasses(t *testing.T) {
	want := make([]class, unicode.MaxRune+1)
	c := readClasses(t)
	for class, ranges := range map[class][][2]rune{letter: c.L, number: c.N, space: c.S} {
		for _, r := range ranges {
			for x := r[0]; x <= r[1]; x++ {
				want[x] = class
			}
		}
	}
	for r := range rune(unicode.MaxRune + 1) {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		got, _ := classes().at(string(r), 0)
		if got&letter != 0 {
			got = letter
		}
		if got&(letter|number|space) == 0 {
			got = 0
		}
		if got != want[r] {
			t.Errorf("U+%04X has class %d, want %d", r, got, want[r])
		}
	}
}

// TestNFCAlone checks that what the native library's NFC does not know passes unchanged.
func TestNFCAlone(t *testing.T) {
	c := readClasses(t)
	for _, r := range c.Uncomposed {
		for _, s := range []string{string(r), norm.NFD.String(string(r))} {
			if got := nfc.apply(s); got != s {
				t.Errorf("nfc(%+q) = %+q", s, got)
			}
		}
	}
	for _, r := range c.CombineZero {
		// A mark of class 220 would go before one of a higher class and behind a lower.
		for _, s := range []string{"x\u0301" + string(r) + "\u0323", "x\u0334" + string(r) + "\u0301"} {
			if got := nfc.apply(s); got != s {
				t.Errorf("nfc(%+q) = %+q", s, got)
			}
		}
	}
	tok := load(t, "../testdata/tokenizers/gptneox")
	for _, g := range readLines[golden](t, filepath.Join("../testdata/tokenizers/gptneox", "unicode_edge.jsonl")) {
		if got := tok.Encode(g.Text, EncodeOptions{ParseSpecial: true}); !slices.Equal(got, g.IDs) {
			t.Errorf("%+q: got %v, want %v", g.Text, got, g.IDs)
		}
	}
}

// TestComposeLong holds the algorithm for long runs of marks to x/text on short ones.
func TestComposeLong(t *testing.T) {
	alphabet := []rune("aeAEnq\u00e9\u1e69\u0344\u1fbe\u0958\u0301\u0300\u0307\u0323\u0327\u0334\u0345\u1100\u1161\u11a8\uac00\uac01\u3099\u304b\u0b47\u0b3e")
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var b strings.Builder
		for range random.IntN(10) {
			b.WriteRune(alphabet[random.IntN(len(alphabet))])
		}
		if got, want := nfc.composeLong(b.String()), norm.NFC.String(b.String()); got != want {
			t.Fatalf("composeLong(%+q) = %+q, want %+q", b.String(), got, want)
		}
	}
}

// TestManyMarks: x/text would break long runs of marks with a U+034F, and counts a Hangul
// vowel among them.
func TestManyMarks(t *testing.T) {
	below, above := strings.Repeat("\u0323", 20), strings.Repeat("\u0301", 20)
	for text, want := range map[string]string{
		"a" + above + below:            "\u1ea1" + below[2:] + above,
		"a" + above + "\u1161" + below: "\u00e1" + above[2:] + "\u1161" + below,
		"\u1161" + above + below:       "\u1161" + below + above,
	} {
		if got := nfc.apply(text); got != want {
			t.Errorf("nfc(%+q)\n got %+q\nwant %+q", text, got, want)
		}
	}
}
