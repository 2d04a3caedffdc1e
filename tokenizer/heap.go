package tokenizer

import "slices"

// mergeHeap is a four-ary min-heap of merge candidates: rank<<32 | position of the left
// symbol, so that equal ranks come out from left to right.
type mergeHeap []uint64

func candidate(rank uint32, at int32) uint64 { return uint64(rank)<<32 | uint64(uint32(at)) }

// init orders the heap. A sorted slice is a heap, and sorting beats sifting here: what
// sifts well sorts well, and candidates that come out in order are kind to the caches.
func (h mergeHeap) init() { slices.Sort(h) }

func (h mergeHeap) push(v uint64) mergeHeap {
	h = append(h, v)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if h[up] <= v {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = v
	return h
}

func (h mergeHeap) pop() (uint64, mergeHeap) {
	top, v := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	if len(h) == 0 {
		return top, h
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		for c := child + 1; c < min(4*i+5, len(h)); c++ {
			if h[c] < h[child] {
				child = c
			}
		}
		if h[child] >= v {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = v
	return top, h
}
