//go:build linux

package metal

import (
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/conform"
)

// Rows ranked by the kernels' own text are as the definition ranks them.
func TestRank(t *testing.T) {
	s := kernelsHere(t)
	for _, c := range conform.RankCases() {
		if c.Vocab > 100_000 {
			c.Rankings = c.Rankings[2:4] // each takes seconds here, and smaller cases try all
		}
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(newBackend(s)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Mistakes planted in the ranking are found by the table.
func TestRankFindsMistakes(t *testing.T) {
	for _, c := range []struct{ what, old, new, want string }{
		{"of equal ones the higher token", "uint(~token)", "token", "ranking, few tokens"},
		{"a run from the wrong end", "across(w[3 - i], 31)", "across(w[i], 31)", "ranking, some slices"},
		{"a window that ends early", "- params[LOGITS] + row + 1", "- params[LOGITS] + row", "ranking, few tokens"},
		{"a bound that leaves too little", "if (tid == 31) peaks", "if (tid == 30) peaks", "ranking, as many as are kept"},
		{"what is no number kept", "return LOWEST;", "return ~b;", "ranking, some that are no numbers"},
		{"a run read early", "\t\tsync();\n\t\tif (turn == 0", "\t\tif (turn == 0", "with no barrier between"},
		{"values changed early", "\t\tsync();\n\t\tpenalize", "\t\tpenalize", "with no barrier between"},
		{"a place there is not", "peaks[0] = w[3]", "peaks[row + SIMDS] = w[3]", "writes behind the end of threadgroup memory"},
		{"one run more", "run < a.slices;", "run <= a.slices;", "which has 8 and is const"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStandin(t, library(t, append(alone("embed", "matvec_f32"), map[string]string{"rank": replaced(t, "rank", c.old, c.new, 1)})))
			var err error
			for _, x := range conform.RankCases() {
				if x.Vocab < 8000 && err == nil {
					err = x.Check(newBackend(s))
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}
