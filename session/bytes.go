package session

import (
	"encoding/binary"
	"math"

	"github.com/mil-run/mil/model"
)

func int32s(v []int32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func appendInt32s(v []int32, b []byte) []int32 {
	for ; len(b) >= 4; b = b[4:] {
		v = append(v, int32(binary.LittleEndian.Uint32(b)))
	}
	return v
}

func float32s(v []float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func appendFloat32s(v []float32, b []byte) []float32 {
	for ; len(b) >= 4; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}

// caches is how many caches a session has, sliding how many of them, the first
// ones, are no rings.
func caches(s *model.Session) (n int) {
	for _, p := range s.Parts() {
		if p.Cache {
			n++
		}
	}
	return n
}

func sliding(s *model.Session) (n int) {
	for _, p := range s.Parts() {
		if p.Cache && p.Window == 0 {
			n++
		}
	}
	return n
}

// rows are the sections of positions [from, to) of all caches.
func rows(s *model.Session, from, to, align int) []section {
	return rowsOf(s, 0, caches(s), from, to, align)
}

// rowsOf are those of caches [first, last).
func rowsOf(s *model.Session, first, last, from, to, align int) (list []section) {
	for i := first; i < last; i++ {
		list = append(list, section{kind: kindCache, part: i, from: from, to: to, align: align,
			fill: func(buf []byte) ([]byte, error) { return s.ReadCache(i, from, to, buf) }})
	}
	return list
}
