package cpu

import (
	"encoding/binary"
	"testing"
)

func TestCountRecords(t *testing.T) {
	var b []byte
	for _, class := range []byte{0, 1, 1, 0, 0} {
		r := make([]byte, 48)
		binary.LittleEndian.PutUint32(r[4:], 48)
		r[9] = class
		b = append(b, r...)
	}
	for cut, want := range map[int]int{0: 2, 1: 2, 48*3 + 1: 1, 48 * 4: 1, len(b): 0} {
		if n := countRecords(b[:len(b)-cut]); n != want {
			t.Errorf("without the last %d bytes: %d cores, want %d", cut, n, want)
		}
	}
}
