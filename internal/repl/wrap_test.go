package repl

import (
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil/vt"
)

// wrapped is the view of a screen with the given columns of text that came in pieces
// of n runes.
func wrapped(text string, n, columns int, escapes bool) []string {
	s := vt.New(columns, 60)
	w := &wrapper{out: s, columns: func() int { return columns }, escapes: escapes}
	for r := []rune(text); len(r) > 0; r = r[min(n, len(r)):] {
		w.Write(string(r[:min(n, len(r))]))
	}
	return s.Lines()
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"Once upon a time there was a fox.", 12, "Once upon a|time there|was a fox."},
		{"Once upon a time", 11, "Once upon a|time"},
		{"aaa bbb", 3, "aaa|bbb"},
		{"aaa   bbb", 4, "aaa|bbb"},
		{"abcdefghij kl", 4, "abcd|efgh|ij|kl"},
		{"one\ntwo three\n\nfour", 9, "one|two three||four"},
		{"see /usr/local/well-known/x now", 14, "see|/usr/local/wel|l-known/x now"},
		{"    indented code is kept", 14, "    indented|code is kept"},
		{"漢字かな交じり文。次の文", 10, "漢字かな交|じり文。次|の文"},
		{"smile \U0001F642\U0001F642 \U0001F642 end", 10, "smile \U0001F642\U0001F642|\U0001F642 end"},
		{"cafe\u0301 cafe\u0301 x", 9, "cafe\u0301 cafe\u0301|x"},
		{"a\tb c", 10, "a       b|c"},
	} {
		for n := 1; n < 9; n++ {
			for _, escapes := range []bool{true, false} {
				got := strings.Join(wrapped(c.text, n, c.columns, escapes), "|")
				if got != c.want {
					t.Errorf("%q at %d, in pieces of %d: %q, want %q", c.text, c.columns, n, got, c.want)
				}
			}
		}
	}
}

// Without escapes none is written; a row is never longer than the terminal.
func TestWrapPlain(t *testing.T) {
	var b strings.Builder
	w := &wrapper{out: &b, columns: func() int { return 10 }}
	for _, c := range "many words \U0001F468\u200D\U0001F469\u200D\U0001F467 and long ones like interchangeability" {
		w.Write(string(c))
	}
	if strings.Contains(b.String(), "\033") {
		t.Errorf("escapes in %q", b.String())
	}
}

// A terminal that becomes narrower or wider gets rows of its new width.
func TestWrapResized(t *testing.T) {
	columns := 30
	s := vt.New(columns, 20)
	w := &wrapper{out: s, columns: func() int { return columns }, escapes: true}
	for i, word := range strings.Fields(strings.Repeat("alpha beta gamma ", 8)) {
		if i == 4 {
			columns = 12
			s.Resize(columns, 20)
		}
		if i == 14 {
			columns = 40
			s.Resize(columns, 20)
		}
		w.Write(word + " ")
	}
	got := strings.Join(s.Lines(), "|")
	if want := "alpha beta ga|gamma alpha|beta gamma"; !strings.Contains(got, "|beta gamma|alpha beta|") || !strings.HasSuffix(got, "gamma alpha beta gamma") {
		t.Errorf("%q, want as in %q", got, want)
	}
}
