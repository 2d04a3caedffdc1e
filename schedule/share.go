package schedule

import (
	"cmp"
	"slices"
)

// share divides a pass's rows among requests that each have one row already.
// gains[i] is how many tokens the further rows of request i are expected to
// bring, one after another. The result is how many further rows each gets, at
// most most in all.
//
// All rows share one price: the pass's time by its number of rows. So the best
// pass makes the most tokens in its time. Rows go in by what they bring, and of
// all numbers of rows the one with the best ratio is taken. The price need not
// rise evenly, since backends round rows up to the sizes that they have.
func share(gains [][]float64, most int, price func(rows int) float64) []int {
	type row struct {
		gain   float64
		of, at int
	}
	var rows []row
	for i, list := range gains {
		least := 1.0
		for at, g := range list {
			least = min(least, g) // a row is of no use without the one before it
			rows = append(rows, row{least, i, at})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.at, b.at), cmp.Compare(a.of, b.of))
	})
	rows = rows[:min(len(rows), max(0, most))]
	n := len(gains)
	tokens := float64(n)
	best, count := tokens/price(n), 0
	for i, r := range rows {
		tokens += r.gain
		if ratio := tokens / price(n+1+i); ratio > best {
			best, count = ratio, i+1
		}
	}
	out := make([]int, n)
	for _, r := range rows[:count] {
		out[r.of]++
	}
	return out
}
