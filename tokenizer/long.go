package tokenizer

// Words of any length are merged a window at a time, which keeps the work in the
// nearest caches. This is exact, whatever the merges are.
//
// Merging takes the lowest rank, of equals the leftmost. What it does between two
// places that no merge joins it does without the text around, in the same order. So a
// part of the result, from one token's begin to another's end, is what its text alone
// becomes. And the other way round: tokens are the result for the whole text if any two
// neighbours are the result for theirs. For the first merge that joins two of the
// tokens would be the next one for these two alone.
//
// So a window that begins within the text before it, and shares a token with its result
// (begin and end), is put onto it there: any two neighbours come from one of the two. A
// window that shares no token begins again, further left.

// windowSize is the number of symbols by which a window advances, as a rule. With what
// it shares, levels of eight branches hold them.
const windowSize = 448

// span is a token of a window, and the symbol it begins at.
type span struct{ start, id int32 }

// windows merge a long word.
type windows struct {
	tree       mergeTree
	done, next []span
}

// mergeLong does what mergeShort does to a word of any length, in O(n log n).
func (t *Tokenizer) mergeLong(s *scratch) { t.mergeWindows(s, windowSize) }

// mergeWindows merges s.ids in place, in windows that advance by size symbols or more.
func (t *Tokenizer) mergeWindows(s *scratch, size int) {
	ids, w := s.ids, &s.windows
	end := min(size, len(ids)) // w.done is the result for what lies before
	w.done = w.tree.merge(t.merges, w.done[:0], ids[:end], 0)
	for back := size / 7; end < len(ids); {
		at := len(w.done) - 1
		for at > 0 && int(w.done[at].start) > end-back {
			at--
		}
		begin := int(w.done[at].start)
		// As much as is merged again, or more, is new: so the work stays linear.
		stop := min(end+max(size, end-begin), len(ids))
		w.next = w.tree.merge(t.merges, w.next[:0], ids[begin:stop], int32(begin))
		i, j := sharedToken(w.done[at:], w.next, end, stop)
		switch {
		case i >= 0:
			w.done = append(w.done[:at+i], w.next[j:]...)
			back = max(back/2, size/7)
		case at == 0:
			w.done, w.next = w.next, w.done
		default:
			back = 2 * (end - begin)
			continue
		}
		end = stop
	}
	s.ids = ids[:0]
	for _, token := range w.done {
		s.ids = append(s.ids, token.id)
	}
}

// sharedToken returns the first token of a that b has too: its place in both, -1 if
// there is none. a ends at aEnd, b at bEnd.
func sharedToken(a, b []span, aEnd, bEnd int) (i, j int) {
	ends := func(s []span, i, end int) int {
		if i+1 < len(s) {
			return int(s[i+1].start)
		}
		return end
	}
	for i < len(a) && j < len(b) {
		switch {
		case a[i].start < b[j].start:
			i++
		case a[i].start > b[j].start:
			j++
		case ends(a, i, aEnd) == ends(b, j, bEnd):
			return i, j
		default:
			i++
			j++
		}
	}
	return -1, 0
}

// noPair is the key of a symbol that begins no pair that merges.
const noPair = ^uint64(0)

// mergeTree merges the symbols of a window. A symbol's key is that of the pair that it
// begins, rank<<32 | place, so that equal ranks come from left to right. Levels of eight
// branches find the least key.
type mergeTree struct {
	ids, made  []int32    // of each symbol, and what its pair makes
	prev, next []int32    // of the symbols that are left; -1, and their number: none
	levels     [][]uint64 // the keys; the least of eight each; and so on up to eight
	kept       [11][]uint64
}

// merge appends the tokens of symbols, which begin at base.
func (m *mergeTree) merge(table *mergeTable, dst []span, symbols []int32, base int32) []span {
	n := len(symbols)
	if !m.fill(table, symbols) {
		for i, id := range symbols {
			dst = append(dst, span{base + int32(i), id})
		}
		return dst
	}
	keys := m.levels[0]
	for {
		top := least8(m.levels[len(m.levels)-1])
		if top == noPair {
			break
		}
		at := int32(uint32(top))
		right := m.next[at]
		after := m.next[right]
		m.ids[at], m.next[at] = m.made[at], after
		keys[right], keys[at] = noPair, noPair
		if int(after) < n {
			m.prev[after] = at
			m.pair(table, at, after)
		}
		before := m.prev[at]
		if before >= 0 {
			m.pair(table, before, at)
		} else {
			before = at
		}
		m.update(int(before), int(at), int(right))
	}
	for i := int32(0); int(i) < n; i = m.next[i] {
		dst = append(dst, span{base + i, m.ids[i]})
	}
	return dst
}

// pair sets the key of the symbol at, which is followed by after, and returns it.
func (m *mergeTree) pair(table *mergeTable, at, after int32) uint64 {
	rank, id := table.find(m.ids[at], m.ids[after])
	m.made[at] = id
	key := noPair
	if rank != noRank {
		key = uint64(rank)<<32 | uint64(uint32(at))
	}
	m.levels[0][at] = key
	return key
}

// fill begins a window, and reports whether any of its pairs merges.
func (m *mergeTree) fill(table *mergeTable, symbols []int32) bool {
	n := len(symbols)
	m.ids = append(m.ids[:0], symbols...)
	if cap(m.made) < n {
		m.made, m.prev, m.next = make([]int32, n), make([]int32, n), make([]int32, n)
	}
	m.made, m.prev, m.next = m.made[:n], m.prev[:n], m.next[:n]
	size := n
	for l := 0; ; l++ {
		size = (size + 7) &^ 7
		if cap(m.kept[l]) < size {
			m.kept[l] = make([]uint64, size)
		}
		m.kept[l] = m.kept[l][:size]
		if size == 8 {
			m.levels = m.kept[:l+1]
			break
		}
		size /= 8
	}
	least := noPair
	for i := range n {
		m.prev[i], m.next[i] = int32(i)-1, int32(i)+1
		if i+1 < n {
			least = min(least, m.pair(table, int32(i), int32(i)+1))
		}
	}
	if least == noPair {
		return false
	}
	for i := n - 1; i < len(m.levels[0]); i++ {
		m.levels[0][i] = noPair
	}
	for l, below := range m.levels[:len(m.levels)-1] {
		level := m.levels[l+1]
		for i := range level {
			level[i] = noPair
			if 8*i < len(below) {
				level[i] = least8(below[8*i:])
			}
		}
	}
	return true
}

// update corrects the levels above three keys, the first of which is the leftmost.
func (m *mergeTree) update(a, b, c int) {
	for l, below := range m.levels[:len(m.levels)-1] {
		level := m.levels[l+1]
		a, b, c = a/8, b/8, c/8
		level[a] = least8(below[8*a:])
		if b != a {
			level[b] = least8(below[8*b:])
		}
		if c != b {
			level[c] = least8(below[8*c:])
		}
	}
}

// least8 is the least of the first eight.
func least8(k []uint64) uint64 {
	_ = k[7]
	return min(min(min(k[0], k[1]), min(k[2], k[3])), min(min(k[4], k[5]), min(k[6], k[7])))
}
