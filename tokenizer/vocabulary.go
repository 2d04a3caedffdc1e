package tokenizer

import (
	"fmt"
	"hash/maphash"
)

const (
	// maxTokenBytes bounds how long a word is looked up whole.
	maxTokenBytes = 1 << 10
)

// Kinds of entries of a vocabulary.
type tokenKind uint8

const (
	kindUnused tokenKind = iota // a hole between ids
	kindModel                   // in the BPE model's vocabulary
	kindAdded                   // only an added token, never the outcome of BPE
)

// vocabulary holds the tokens by id and finds the model's by what they stand for.
type vocabulary struct {
	text []string    // as the file writes them
	raw  []string    // byte-level: the bytes they stand for; else text itself
	kind []tokenKind // by id

	// Open addressing over raw; only tokens that BPE can come out with are in it.
	seed    maphash.Seed
	slots   []vocabSlot
	longest int
	bytes   bool
}

type vocabSlot struct {
	tag uint32 // high bits of the hash
	id  int32  // -1: empty
}

// newVocabulary indexes the tokens; byteLevel says that text is in the byte-level alphabet.
func newVocabulary(text []string, kind []tokenKind, byteLevel bool) (*vocabulary, error) {
	v := &vocabulary{text: text, raw: text, kind: kind, seed: maphash.MakeSeed(), bytes: byteLevel}
	size := 16
	for size < 2*len(text) {
		size *= 2
	}
	v.slots = make([]vocabSlot, size)
	for i := range v.slots {
		v.slots[i].id = -1
	}
	plain := make([]bool, len(text)) // not spelled in the byte-level alphabet
	if byteLevel {
		v.spell(plain)
	}
	for id, raw := range v.raw {
		if kind[id] != kindModel || plain[id] {
			continue
		}
		h := maphash.String(v.seed, raw)
		at := findSlot(v, h, raw)
		if v.slots[at].id >= 0 {
			return nil, fmt.Errorf("token %s has two ids, %d and %d", quote(text[id]), v.slots[at].id, id)
		}
		v.slots[at] = vocabSlot{uint32(h >> 32), int32(id)}
		v.longest = min(max(v.longest, len(raw)), maxTokenBytes)
	}
	return v, nil
}

// spell fills raw with the bytes the tokens spell. They share one string: a hundred
// thousand small ones would cost more time than all the rest of loading.
func (v *vocabulary) spell(plain []bool) {
	total := 0
	for _, s := range v.text {
		total += len(s)
	}
	blob := make([]byte, 0, total)
	ends := make([]int, len(v.text))
	for id, s := range v.text {
		var ok bool
		if blob, ok = appendBytes(blob, s); !ok {
			blob = append(blob, s...)
			plain[id] = true
		}
		ends[id] = len(blob)
	}
	all, start := string(blob), 0
	v.raw = make([]string, len(v.text))
	for id, end := range ends {
		v.raw[id] = all[start:end]
		start = end
	}
}

// findSlot returns the slot that holds key, or the empty one where it would go.
func findSlot[T string | []byte](v *vocabulary, h uint64, key T) int {
	mask := len(v.slots) - 1
	tag := uint32(h >> 32)
	for i := int(h) & mask; ; i = (i + 1) & mask {
		s := v.slots[i]
		if s.id < 0 || s.tag == tag && v.raw[s.id] == string(key) {
			return i
		}
	}
}

// lookup finds a model token by the bytes it stands for, -1 when there is none.
func (v *vocabulary) lookup(raw string) int32 {
	return v.lookupHash(raw, maphash.String(v.seed, raw))
}

func (v *vocabulary) lookupHash(raw string, h uint64) int32 {
	return v.slots[findSlot(v, h, raw)].id
}

func (v *vocabulary) lookupBytes(raw []byte) int32 {
	return v.slots[findSlot(v, maphash.Bytes(v.seed, raw), raw)].id
}

// id finds a model token by its text in the file.
func (v *vocabulary) id(text string) (int32, bool) {
	if v.bytes {
		raw, ok := appendBytes(nil, text)
		if !ok {
			return 0, false
		}
		text = string(raw)
	}
	id := v.lookup(text)
	return id, id >= 0
}

func (v *vocabulary) has(id int32) bool {
	return id >= 0 && int(id) < len(v.kind) && v.kind[id] != kindUnused
}

// quote shortens a text from outside for an error's one line.
func quote(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%.40q...", s)
	}
	return fmt.Sprintf("%q", s)
}
