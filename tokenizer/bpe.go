package tokenizer

import (
	"hash/maphash"
	"slices"
	"unicode/utf8"
)

// shortWord is the number of symbols up to which merging scans an array: below it that
// is faster than a heap, above it quadratic time would show.
const shortWord = 48

// largeWord is the number of symbols beyond which the memory to merge a word is not
// kept for the next.
const largeWord = 1 << 16

// symbol is a token of a word that is being merged; words are doubly linked lists.
type symbol struct {
	id         int32 // -1: merged into its left neighbour
	prev, next int32 // -1: none
}

// scratch is what one Encode call works in.
type scratch struct {
	ids   []int32
	ranks []uint32
	syms  []symbol
	heap  mergeHeap
	cache wordCache

	out   []int32              // what the pre-tokenizer's words are encoded to
	yield []func(string, bool) // what takes the text, and then each step's pieces
}

// encodeWord appends the tokens of one pre-token.
func (t *Tokenizer) encodeWord(dst []int32, w string, s *scratch) []int32 {
	if len(w) == 1 {
		// Whole-word lookup and merging agree on a single symbol.
		if id := t.byteID[w[0]]; id >= 0 {
			return append(dst, id)
		}
	}
	h := maphash.String(t.vocab.seed, w)
	if ids, ok := s.cache.get(w, h); ok {
		return append(dst, ids...)
	}
	if t.ignoreMerges && len(w) <= t.vocab.longest {
		if id := t.vocab.lookupHash(w, h); id >= 0 && !t.barred.has(id) {
			s.ids = append(s.ids[:0], id)
			s.cache.put(w, h, s.ids)
			return append(dst, id)
		}
	}
	if len(w) > cap(s.ids) { // once, since a word may be all of a long text
		s.ids = make([]int32, 0, len(w)+shortWord)
	}
	s.ids = t.symbols(s.ids[:0], w)
	if len(s.ids) <= shortWord {
		t.mergeShort(s)
	} else {
		t.mergeLong(s)
	}
	s.cache.put(w, h, s.ids)
	dst = append(dst, s.ids...)
	if cap(s.ids) > largeWord {
		s.ids, s.syms, s.heap = nil, nil, nil
	}
	return dst
}

// symbols appends the tokens a word starts from: of its bytes or of its characters.
// A character without a token becomes its byte tokens, else unk, else nothing. As in the
// native library unk is held back until a character with a token follows.
func (t *Tokenizer) symbols(ids []int32, w string) []int32 {
	unknown := false
	for i := 0; i < len(w); {
		id, size := t.byteID[w[i]], 1
		if !t.byteLevel && w[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(w[i:])
			if id = t.vocab.lookup(w[i : i+size]); t.barred.has(id) {
				id = -1
			}
		}
		char := w[i : i+size]
		i += size
		if id >= 0 {
			if unknown {
				ids, unknown = append(ids, t.unk), false
			}
			ids = append(ids, id)
			continue
		}
		if t.byteFallback {
			n := len(ids)
			if ids = t.appendFallback(ids, char); len(ids) > n {
				continue
			}
		}
		if t.unk >= 0 {
			if unknown && !t.fuseUnk {
				ids = append(ids, t.unk)
			}
			unknown = true
		}
	}
	if unknown {
		ids = append(ids, t.unk)
	}
	return ids
}

// appendFallback appends the byte tokens of a character, or nothing if one is missing.
func (t *Tokenizer) appendFallback(ids []int32, char string) []int32 {
	n := len(ids)
	for i := range len(char) {
		// In a byte-level word a symbol is a byte, but its fallback is spelled from
		// the character that stands for the byte in the alphabet.
		if t.byteLevel {
			spelled := string(byteToRune[char[i]])
			for j := range len(spelled) {
				ids = append(ids, t.fallbackID[spelled[j]])
			}
			continue
		}
		ids = append(ids, t.fallbackID[char[i]])
	}
	for _, id := range ids[n:] {
		if id < 0 {
			return ids[:n]
		}
	}
	return ids
}

// mergeShort merges s.ids in place: the lowest rank first, the leftmost of equals.
func (t *Tokenizer) mergeShort(s *scratch) {
	ids := s.ids
	if len(ids) < 2 {
		return
	}
	ranks := s.ranks[:0] // ranks[i] is that of the pair i, i+1
	for i := range len(ids) - 1 {
		rank, _ := t.merges.find(ids[i], ids[i+1])
		ranks = append(ranks, rank)
	}
	s.ranks = ranks
	for {
		best, at := noRank, -1
		for i, r := range ranks {
			if r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			break
		}
		_, ids[at] = t.merges.find(ids[at], ids[at+1])
		ids = append(ids[:at+1], ids[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at < len(ranks) {
			ranks[at], _ = t.merges.find(ids[at], ids[at+1])
		}
		if at > 0 {
			ranks[at-1], _ = t.merges.find(ids[at-1], ids[at])
		}
	}
	s.ids = ids
}

// mergeLong does what mergeShort does in O(n log n): candidates wait in a heap and are
// checked when they come out, since a neighbour may have changed meanwhile.
func (t *Tokenizer) mergeLong(s *scratch) {
	syms, h := slices.Grow(s.syms[:0], len(s.ids)), s.heap[:0]
	pairs := 0
	for i := 1; i < len(s.ids); i++ {
		if rank, _ := t.merges.find(s.ids[i-1], s.ids[i]); rank != noRank {
			pairs++
		}
	}
	h = slices.Grow(h, pairs)
	for i, id := range s.ids {
		syms = append(syms, symbol{id, int32(i) - 1, int32(i) + 1})
		if i > 0 {
			if rank, _ := t.merges.find(s.ids[i-1], id); rank != noRank {
				h = append(h, candidate(rank, int32(i)-1))
			}
		}
	}
	syms[len(syms)-1].next = -1
	h.init()
	for len(h) > 0 {
		var top uint64
		top, h = h.pop()
		at := int32(uint32(top))
		left := &syms[at]
		if left.id < 0 || left.next < 0 {
			continue
		}
		right := &syms[left.next]
		rank, id := t.merges.find(left.id, right.id)
		if rank != uint32(top>>32) {
			continue
		}
		left.id, right.id = id, -1
		left.next = right.next
		if left.next >= 0 {
			syms[left.next].prev = at
			if rank, _ := t.merges.find(id, syms[left.next].id); rank != noRank {
				h = h.push(candidate(rank, at))
			}
		}
		if left.prev >= 0 {
			if rank, _ := t.merges.find(syms[left.prev].id, id); rank != noRank {
				h = h.push(candidate(rank, left.prev))
			}
		}
	}
	ids := s.ids[:0]
	for i := int32(0); i >= 0; i = syms[i].next {
		ids = append(ids, syms[i].id)
	}
	s.ids = ids
	s.syms, s.heap = syms, h
}
