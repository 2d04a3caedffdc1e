//go:build linux

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// spot is a place in data: mostly at or near one of the offsets.
func spot(r *rand.Rand, data []byte, offsets []int) int {
	if len(data) == 0 {
		return 0
	}
	if len(offsets) > 0 && r.IntN(3) > 0 {
		return min(max(0, offsets[r.IntN(len(offsets))]+r.IntN(9)-r.IntN(3)), len(data)-1)
	}
	return r.IntN(len(data))
}

// number writes an integer that is absurd, or nearly right, over the old one.
func number(r *rand.Rand, data []byte, offsets []int) {
	at := spot(r, data, nil)
	if len(offsets) > 0 && r.IntN(4) > 0 {
		at = offsets[r.IntN(len(offsets))]
	}
	width := 1 << r.IntN(4)
	if at+width > len(data) {
		return
	}
	var b [8]byte
	copy(b[:], data[at:at+width])
	was, size := binary.LittleEndian.Uint64(b[:]), uint64(len(data))
	values := []uint64{0, 1, 2, was + 1, was - 1, 2 * was, was << 8, ^uint64(0), 1<<63 - 1, 1 << 63, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
		size, size - 1, size + 1, size - uint64(at), size / 2, 1 << 20, 1 << 24, 1 << 40, uint64(r.IntN(256))}
	binary.LittleEndian.PutUint64(b[:], values[r.IntN(len(values))])
	copy(data[at:at+width], b[:])
}

// inPlace changes bytes of data; their number stays.
func inPlace(r *rand.Rand, data []byte, offsets []int) {
	if len(data) == 0 {
		return
	}
	at := spot(r, data, offsets)
	n := min(1+r.IntN(64), len(data)-at)
	switch r.IntN(6) {
	case 0:
		data[at] ^= 1 << r.IntN(8)
	case 1:
		data[at] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(r.IntN(256))}[r.IntN(6)]
	case 2:
		for i := range n {
			data[at+i] = byte(r.IntN(256))
		}
	case 3:
		copy(data[at:at+n], data[spot(r, data, offsets):])
	default:
		number(r, data, offsets)
	}
}

// scramble is data with bytes changed, cut off, put in, taken out or doubled.
func scramble(r *rand.Rand, data []byte, offsets []int) []byte {
	at := spot(r, data, offsets)
	n := min(1<<r.IntN(13), len(data)-at)
	switch r.IntN(8) {
	case 0:
		return slices.Clone(data[:at])
	case 1:
		in := make([]byte, 1+r.IntN(64))
		if r.IntN(2) == 0 {
			for i := range in {
				in[i] = byte(r.IntN(256))
			}
		}
		return slices.Insert(slices.Clone(data), at, in...)
	case 2:
		return slices.Insert(slices.Clone(data), at, data[at:at+n]...)
	case 3:
		return slices.Delete(slices.Clone(data), at, at+n)
	}
	data = slices.Clone(data)
	for range 1 + r.IntN(3) {
		inPlace(r, data, offsets)
	}
	return data
}
