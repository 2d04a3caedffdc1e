package tokenizer

const (
	cacheBits  = 12
	cacheWord  = 27 // bytes of the longest word kept
	cacheToken = 8  // tokens of the longest result kept
)

// wordCache remembers the tokens of recent words: direct-mapped, so bounded, and without
// pointers, so free for the garbage collector. Each scratch has its own: no locks.
type wordCache []cacheEntry

type cacheEntry struct {
	tokens [cacheToken]int32
	count  int8 // of tokens; -1: the entry is empty
	length uint8
	word   [cacheWord]byte
}

func newWordCache() wordCache {
	c := make(wordCache, 1<<cacheBits)
	for i := range c {
		c[i].count = -1
	}
	return c
}

func (c wordCache) get(w string, h uint64) ([]int32, bool) {
	e := &c[h>>(64-cacheBits)]
	if len(w) > cacheWord || e.count < 0 || string(e.word[:e.length]) != w {
		return nil, false
	}
	return e.tokens[:e.count], true
}

func (c wordCache) put(w string, h uint64, ids []int32) {
	if len(w) > cacheWord || len(ids) > cacheToken {
		return
	}
	e := &c[h>>(64-cacheBits)]
	e.length = uint8(copy(e.word[:], w))
	e.count = int8(copy(e.tokens[:], ids))
}
