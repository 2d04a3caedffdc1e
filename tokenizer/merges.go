package tokenizer

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// mergeTable maps a pair of adjacent tokens to the rank of their merge and the token
// it makes: open addressing, which takes half the memory of a Go map and half its time.
type mergeTable struct {
	slots []mergeSlot
	shift uint
	seed  uint64 // so that no file knows which pairs collide
	pairs []pair // in the order of the file, for writing them again
}

type mergeSlot struct {
	key  uint64 // left<<32 | right
	rank uint32
	id   int32
}

type pair struct{ left, right int32 }

const (
	noKey  = ^uint64(0)
	noRank = ^uint32(0)

	// maxScored bounds the tokens whose splits are tried when merges are derived.
	maxScored = 256
)

func newMergeTable(n int) *mergeTable {
	width := uint(4)
	for 1<<width < n+n/2 {
		width++
	}
	m := &mergeTable{slots: make([]mergeSlot, 1<<width), shift: 64 - width, seed: rand.Uint64(), pairs: make([]pair, 0, n)}
	for i := range m.slots {
		m.slots[i].key = noKey
	}
	return m
}

func mergeKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// set enters a merge; a pair named twice keeps its later rank, as in the native library.
func (m *mergeTable) set(left, right, id int32, rank uint32) {
	m.pairs = append(m.pairs, pair{left, right})
	key := mergeKey(left, right)
	*m.slot(key) = mergeSlot{key, rank, id}
}

// drop takes out the merges that make one of these tokens.
func (m *mergeTable) drop(ids idSet) {
	for i := range m.slots {
		if s := &m.slots[i]; s.key != noKey && ids.has(s.id) {
			s.rank, s.id = noRank, -1
		}
	}
}

// find returns the rank of the merge of two tokens and the token it makes;
// the rank is noRank where there is none.
func (m *mergeTable) find(left, right int32) (rank uint32, id int32) {
	key := mergeKey(left, right)
	if s := m.slot(key); s.key == key {
		return s.rank, s.id
	}
	return noRank, -1
}

func (m *mergeTable) slot(key uint64) *mergeSlot {
	mask := uint64(len(m.slots) - 1)
	high, low := bits.Mul64(key^m.seed, 0x9E3779B97F4A7C15)
	for i := (high ^ low) >> m.shift; ; i = (i + 1) & mask {
		if s := &m.slots[i]; s.key == key || s.key == noKey {
			return s
		}
	}
}

// mergeList is the merges as a file gives them: n of them, each a left and a right part.
type mergeList struct {
	n  int
	at func(i int) (left, right string, ok bool)
}

// mergeLines takes merges written "left right".
func mergeLines(lines []string) mergeList {
	return mergeList{len(lines), func(i int) (string, string, bool) {
		left, right, ok := strings.Cut(lines[i], " ")
		return left, right, ok && !strings.Contains(right, " ")
	}}
}

// mergePairs takes merges written ["left","right"].
func mergePairs(pairs [][]string) mergeList {
	return mergeList{len(pairs), func(i int) (string, string, bool) {
		if len(pairs[i]) != 2 {
			return "", "", false
		}
		return pairs[i][0], pairs[i][1], true
	}}
}

// build looks the parts up in the vocabulary, on all cores: it is most of the time that
// loading a large tokenizer takes.
func (l mergeList) build(v *vocabulary) (*mergeTable, error) {
	merges := make([]merge, l.n)
	workers := min(runtime.GOMAXPROCS(0), l.n/4096+1)
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			from, to := w*l.n/workers, (w+1)*l.n/workers
			errs[w] = l.lookUp(v, merges[from:to], from)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	m := newMergeTable(l.n)
	for rank, p := range merges {
		m.set(p.left, p.right, p.id, uint32(rank))
	}
	return m, nil
}

// merge is two tokens and the one they make.
type merge struct{ left, right, id int32 }

// lookUp fills merges with those of the list that start at from.
func (l mergeList) lookUp(v *vocabulary, merges []merge, from int) error {
	var buf []byte
	for i := range merges {
		left, right, ok := l.at(from + i)
		if !ok {
			return fmt.Errorf("merge %d is not two tokens", from+i)
		}
		leftOK, rightOK := true, true
		if v.bytes {
			buf, leftOK = appendBytes(buf[:0], left)
		} else {
			buf = append(buf[:0], left...)
		}
		cut := len(buf)
		if v.bytes {
			buf, rightOK = appendBytes(buf, right)
		} else {
			buf = append(buf, right...)
		}
		m := merge{v.lookupBytes(buf[:cut]), v.lookupBytes(buf[cut:]), v.lookupBytes(buf)}
		for _, part := range []struct {
			id   int32
			ok   bool
			text string
		}{{m.left, leftOK, left}, {m.right, rightOK, right}, {m.id, true, left + right}} {
			if part.id < 0 || !part.ok {
				return fmt.Errorf("merge %d needs token %s, which is not in the vocabulary", from+i, quote(part.text))
			}
		}
		merges[i] = m
	}
	return nil
}

// mergesByScore derives merges for a SentencePiece vocabulary that lists none: any two
// tokens that together are a third may merge, the best score first. All splits of a
// token share one rank, so that the leftmost wins, as in SentencePiece. Byte tokens and
// added tokens are never the outcome.
func mergesByScore(v *vocabulary, scores []float64, added map[string]int32) (*mergeTable, error) {
	var order []int32
	n := 0
	for id, s := range v.raw {
		if _, ok := byteToken(s); ok {
			continue
		}
		if _, ok := added[s]; ok {
			continue
		}
		if v.kind[id] == kindModel && len(s) <= maxScored && utf8.RuneCountInString(s) > 1 {
			order = append(order, int32(id))
			n += len(s)
		}
	}
	if n > maxSplit {
		return nil, fmt.Errorf("the tokens have %d bytes to derive merges from; at most %d are taken", n, maxSplit)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	m := newMergeTable(min(n, 8*len(order)))
	rank, last := uint32(0), 0.0
	for i, id := range order {
		if i > 0 && scores[id] != last {
			rank++
		}
		last = scores[id]
		s := v.raw[id]
		for cut := range s {
			if cut == 0 {
				continue
			}
			if a, b := v.lookup(s[:cut]), v.lookup(s[cut:]); a >= 0 && b >= 0 {
				if 2*len(m.pairs) >= len(m.slots) {
					m = m.grow()
				}
				if len(m.pairs) == maxDerived {
					return nil, fmt.Errorf("the scores stand for more than %d merges, more than any vocabulary needs", maxDerived)
				}
				m.set(a, b, id, rank)
			}
		}
	}
	return m, nil
}

// grow returns a table of twice the size with the same merges.
func (m *mergeTable) grow() *mergeTable {
	g := newMergeTable(len(m.slots))
	for _, s := range m.slots {
		if s.key != noKey {
			*g.slot(s.key) = s
		}
	}
	g.pairs = append(g.pairs, m.pairs...)
	return g
}
