package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strconv"
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

// TestWindows holds windows of every size to merging the whole word, for merges as no
// training makes them: ranks in any order and shared, tokens that are made in several
// ways or are single symbols.
func TestWindows(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	merged, grown := 0, 0
	for range 400 {
		symbols := 1 + random.Int32N(6)
		table := newMergeTable(64)
		for i := range 1 + random.IntN(40) {
			left, right := random.Int32N(symbols+int32(i)), random.Int32N(symbols+int32(i))
			made := symbols + int32(i)
			if random.IntN(8) == 0 {
				made = random.Int32N(made)
			}
			rank := uint32(i)
			if random.IntN(3) == 0 {
				rank = random.Uint32N(20)
			}
			table.set(left, right, made, rank)
		}
		tok := &Tokenizer{merges: table}
		word := make([]int32, 1+random.IntN(1500))
		for i := range word {
			word[i] = random.Int32N(symbols)
			if period := 1 + random.IntN(30); i >= period && random.IntN(4) > 0 {
				word[i] = word[i-period]
			}
		}
		whole := &scratch{ids: slices.Clone(word)}
		tok.mergeShort(whole)
		merged += len(word) - len(whole.ids)
		for _, size := range []int{7, 16, 48, windowSize, 4096} {
			s := &scratch{ids: slices.Clone(word)}
			tok.mergeWindows(s, size)
			if !slices.Equal(s.ids, whole.ids) {
				t.Fatalf("windows of %d: %v is %v, want %v, by %v", size, word, s.ids, whole.ids, table.slots)
			}
			if len(s.windows.tree.ids) > 4*size {
				grown++
			}
		}
	}
	if merged < 50000 || grown < 10 {
		t.Errorf("%d merges, and %d words whose last window had grown", merged, grown)
	}
}

// TestOrder holds the two ways to sort marks to each other.
func TestOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for n := range 200 {
		run := make([]char, n)
		for i := range run {
			run[i] = char{strconv.Itoa(i), uint8(1 + random.IntN(255))}
		}
		want := slices.Clone(run)
		slices.SortStableFunc(want, func(a, b char) int { return int(a.ccc) - int(b.ccc) })
		if order(run); !slices.Equal(run, want) {
			t.Fatalf("%d marks in another order: %v", n, run)
		}
	}
}
