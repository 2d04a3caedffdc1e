//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/mil-run/mil/format"
)

// layout is where the parts of a GGUF file's header begin.
type layout struct {
	offsets  []int // of counts, keys, types, values, tensor names, shapes, ...
	checksum int   // of the header's checksum in a file of ours
	keys     int   // where they end
	end      int   // of the last tensor's description
	sums     int   // of the tensors' checksums
	data     int   // where the tensors begin
	tensors  []span
}

// span is where a tensor lies in the file.
type span struct{ from, to int }

// walker reads a GGUF header without checking it: the file is known to be good.
type walker struct {
	data []byte
	at   int
	layout
}

func (w *walker) mark() { w.offsets = append(w.offsets, w.at) }

func (w *walker) number(bytes int) uint64 {
	w.mark()
	var b [8]byte
	copy(b[:], w.data[w.at:w.at+bytes])
	w.at += bytes
	return binary.LittleEndian.Uint64(b[:])
}

func (w *walker) text() string {
	n := int(w.number(8))
	w.mark()
	w.at += n
	return string(w.data[w.at-n : w.at])
}

// sizes are the bytes of a value by its type; texts and arrays are 0.
var sizes = []int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

func (w *walker) value(kind uint64) {
	switch kind {
	case 8:
		w.text()
	case 9:
		item, n := w.number(4), w.number(8)
		if item != 8 {
			w.mark()
			w.at += int(n) * sizes[item]
			return
		}
		for range n {
			w.at += 8 + int(binary.LittleEndian.Uint64(w.data[w.at:]))
		}
	default:
		w.number(sizes[kind])
	}
}

// walk finds the offsets of a good file of ours.
func walk(data []byte) (*layout, error) {
	w := walkAny(data)
	if w.checksum == 0 {
		return nil, errors.New("the file carries no checksum")
	}
	f, err := format.Parse(data, "good")
	if err != nil {
		return nil, err
	}
	w.data, _ = f.Header()
	for _, t := range f.Tensors() {
		w.tensors = append(w.tensors, span{int(t.Offset), int(t.Offset + t.Size)})
	}
	return w, nil
}

// walkAny finds those of any good file, except for the ones that only our files
// have.
func walkAny(data []byte) *layout {
	w := &walker{data: data, at: 4}
	w.number(4)
	tensors, keys := w.number(8), w.number(8)
	for range keys {
		key, kind := w.text(), w.number(4)
		if key == "mil.checksum.header" {
			w.checksum = w.at
		}
		if key == "mil.checksum.tensors" {
			w.sums = w.at + 12 // behind the elements' type and number
		}
		w.value(kind)
	}
	w.keys = w.at
	for range tensors {
		w.text()
		for range w.number(4) {
			w.number(8)
		}
		w.number(4)
		w.number(8)
	}
	w.end = w.at
	return &w.layout
}

// split makes two files of a good one of ours, as gguf-split would: without
// checksums, the last tensor alone in the second.
func split(data []byte) (first, second []byte) {
	w := must(walk(data))
	f := must(format.Parse(data, "good"))
	tensors := f.Tensors()
	unit, _, err := f.KV().Uint("general.alignment")
	must(unit, err)
	keys := bytes.ReplaceAll(data[24:w.keys], []byte("mil."), []byte("xyz."))
	part := func(no int, keys []byte, n uint64, tensors []format.Info) []byte {
		alignment := int(unit)
		if keys == nil {
			alignment = 32 // where no key says it
		}
		b := append([]byte("GGUF"), 3, 0, 0, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
		b = append(binary.LittleEndian.AppendUint64(b, n+3), keys...)
		text := func(s string) { b = append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...) }
		for i, key := range []string{"split.no", "split.count", "split.tensors.count"} {
			text(key)
			b = binary.LittleEndian.AppendUint32(b, 4)
			b = binary.LittleEndian.AppendUint32(b, []uint32{uint32(no), 2, uint32(len(w.tensors))}[i])
		}
		var values []byte
		for _, t := range tensors {
			text(t.Name)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Dims)))
			for _, d := range t.Dims {
				b = binary.LittleEndian.AppendUint64(b, d)
			}
			b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
			b = binary.LittleEndian.AppendUint64(b, uint64(len(values)))
			values = append(values, data[t.Offset:t.Offset+t.Size]...)
			values = append(values, make([]byte, -len(values)&(alignment-1))...)
		}
		return append(append(b, make([]byte, -len(b)&(alignment-1))...), values...)
	}
	last := len(tensors) - 1
	return part(0, keys, binary.LittleEndian.Uint64(data[16:]), tensors[:last]), part(1, nil, 0, tensors[last:])
}
