package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	known := []string{"chat", "convert", "eval", "imatrix", "m1-3b", "m1-8b", "run", "-"}
	for word, want := range map[string]string{
		"caht": "chat", "Chat": "chat", "con": "convert", "imtrix": "imatrix", "M1-3b": "m1-3b", "m1-3b-q8": "m1-3b",
		"runn": "run", "": "", "zzzz": "", "r": "", "ab": "", strings.Repeat("run", 1<<20): "",
	} {
		if got := Of(word, known); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}
