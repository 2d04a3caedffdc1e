package tokenizer

import (
	"hash/maphash"
	"unicode/utf8"
)

// shortWord is the number of symbols up to which merging scans an array: below it that
// is fastest, above it quadratic time would show.
const shortWord = 48

// largeWord is the number of symbols beyond which the memory to merge a word is not
// kept for the next.
const largeWord = 1 << 16

// scratch is the memory that one Encode call works in.
type scratch struct {
	ids     []int32
	ranks   []uint32
	windows windows
	cache   wordCache

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
		s.ids, s.windows = nil, windows{}
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
