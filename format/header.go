package format

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/lfs"
	"github.com/mil-run/mil/quant"
)

// Info describes a tensor.
type Info struct {
	Name   string
	Type   quant.Type
	Dims   []uint64 // ggml's order: Dims[0] is the row's length
	Offset uint64   // of the data, from the file's first byte
	Size   uint64   // bytes of data, padding excluded
}

// Values is the number of the tensor's elements.
func (t Info) Values() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// header is a parsed and checked header.
type header struct {
	meta    *Meta
	tensors []Info
	unit    uint64 // alignment of tensor data
	end     int    // of the tensor infos
	data    int    // where tensor data begins; end rounded up
}

// The least bytes a key with its value, and a tensor info, can take.
const (
	leastKey    = 8 + 4 + 1
	leastTensor = 8 + 4 + 8 + 4 + 8
)

// parseHeader reads and checks everything but checksums.
func parseHeader(data []byte, name string) (*header, error) {
	r := newReader(data)
	r.prologue()
	tensors := r.count("tensors", maxTensors, leastTensor)
	keys := r.count("metadata keys", maxKeys, leastKey)
	h := &header{meta: &Meta{name: name, vals: map[string]entry{}}}
	for range keys {
		if r.err != nil {
			break
		}
		r.key(h.meta)
	}
	r.bound(uint64(tensors), "tensors", maxTensors, leastTensor)
	seen := map[string]bool{}
	for range tensors {
		if r.err != nil {
			break
		}
		t := r.tensor()
		if r.err == nil && seen[t.Name] {
			r.fail(ErrCorrupt, "tensor %s is listed twice", show(t.Name))
		}
		seen[t.Name] = true
		h.tensors = append(h.tensors, t)
	}
	if r.err != nil {
		return nil, r.err
	}
	h.end = r.off
	h.meta.head = string(data[:r.off])
	return h, h.place(uint64(len(data)))
}

// prologue reads magic and version.
func (r *reader) prologue() {
	if len(r.data) == 0 {
		r.fail(ErrNotGGUF, "not a GGUF file: it is empty")
		return
	}
	head := r.data[:min(4, len(r.data))]
	if err := lfs.Check(r.data[:min(64, len(r.data))]); err != nil {
		r.err = &problem{err.Error(), ErrNotGGUF}
		return
	}
	for _, old := range []string{"ggml", "ggmf", "ggjt", "lmgg", "fmgg", "tjgg"} {
		if string(head) == old {
			r.fail(ErrNotGGUF, "a GGML file of before GGUF (%q); download the model as GGUF", head)
			return
		}
	}
	if !bytes.Equal(head, []byte(magic)[:len(head)]) {
		r.fail(ErrNotGGUF, "not a GGUF file: it begins with %q, not %q", head, magic)
		return
	}
	r.take(4, "the magic number")
	v := r.u32("the version")
	switch {
	case r.err != nil || v == version || v == oldVersion:
	case v&0xffff == 0:
		r.fail(ErrVersion, "a big-endian GGUF file (version %d); only little-endian files are read", bits.ReverseBytes32(v))
	case v == 1:
		r.fail(ErrVersion, "GGUF version 1, of August 2023; versions 2 and 3 are read: convert the model again with a tool of today")
	default:
		r.fail(ErrVersion, "GGUF version %d; versions 2 and 3 are read", v)
	}
}

func (r *reader) key(m *Meta) {
	key := r.name("a metadata key")
	e := r.value(key)
	if r.err != nil {
		return
	}
	if _, dup := m.vals[key]; dup {
		r.fail(ErrCorrupt, "key %s is there twice", show(key))
		return
	}
	m.keys = append(m.keys, key)
	m.vals[key] = e
}

func (r *reader) tensor() Info {
	t := Info{Name: r.name("a tensor's name")}
	what := "the description of tensor " + show(t.Name)
	n := r.u32(what)
	if r.err == nil && (n < 1 || n > maxDims) {
		r.fail(ErrCorrupt, "tensor %s has %d dimensions, not 1 to %d", show(t.Name), n, maxDims)
	}
	if r.err != nil {
		return t
	}
	t.Dims = make([]uint64, n)
	for i := range t.Dims {
		t.Dims[i] = r.u64(what)
	}
	t.Type = quant.Type(r.u32(what))
	t.Offset = r.u64(what)
	if r.err == nil {
		t.Size, r.err = tensorSize(t.Name, t.Type, t.Dims)
	}
	return t
}

// tensorSize checks a shape against its type and returns the bytes it takes.
func tensorSize(name string, t quant.Type, dims []uint64) (uint64, error) {
	s, ok := t.Spec()
	if !ok {
		if ggml, ok := t.Known(); ok {
			return 0, fault(ErrUnknownType, "tensor %s: %s is not supported (supported: %s); take a file of another quantization", show(name), ggml, knownTypes())
		}
		return 0, fault(ErrUnknownType, "tensor %s has type %d, which nobody knows (supported: %s)", show(name), uint32(t), knownTypes())
	}
	if dims[0]%uint64(s.Block) != 0 {
		return 0, fault(ErrCorrupt, "tensor %s has rows of %d values, not a multiple of the %d of a %s block", show(name), dims[0], s.Block, s.Name)
	}
	values, size := uint64(1), uint64(s.Bytes)
	var over, carry uint64
	for i, d := range dims {
		if d == 0 {
			return 0, fault(ErrCorrupt, "tensor %s has an empty dimension: %v", show(name), dims)
		}
		carry, values = bits.Mul64(values, d)
		over |= carry
		if i == 0 {
			d /= uint64(s.Block)
		}
		carry, size = bits.Mul64(size, d)
		over |= carry
	}
	if over != 0 || values >= 1<<62 || size >= 1<<62 {
		return 0, fault(ErrCorrupt, "tensor %s is absurdly large: %v", show(name), dims)
	}
	return size, nil
}

func knownTypes() string {
	var names []string
	for _, t := range quant.Types() {
		names = append(names, t.String())
	}
	return strings.Join(names, " ")
}

// place finds the data section. It checks that every tensor lies within a file
// of size bytes and overlaps no other. It makes offsets count from the file's
// start.
func (h *header) place(size uint64) error {
	unit, ok, err := h.meta.Uint("general.alignment")
	switch {
	case err != nil:
		return fault(ErrCorrupt, "key general.alignment is %s, not an unsigned integer", h.meta.vals["general.alignment"].describe())
	case !ok:
		unit = defaultUnit
	case unit < 8 || unit > 1<<16 || unit&(unit-1) != 0:
		return fault(ErrCorrupt, "key general.alignment is %d, not a power of two from 8 to 65536", unit)
	}
	h.unit = unit
	start := roundUp(uint64(h.end), unit)
	h.data = int(start)
	for i := range h.tensors {
		t := &h.tensors[i]
		if t.Offset%unit != 0 {
			return fault(ErrCorrupt, "tensor %s begins at offset %d of the data, not a multiple of %d", show(t.Name), t.Offset, unit)
		}
		if t.Offset >= 1<<62 {
			return fault(ErrCorrupt, "tensor %s begins at the absurd offset %d", show(t.Name), t.Offset)
		}
		t.Offset += start
		if end := t.Offset + t.Size; end > size {
			return fault(ErrTruncated, "tensor %s ends %d bytes past the file", show(t.Name), end-size)
		}
	}
	return h.apart()
}

// apart checks that no two tensors overlap.
func (h *header) apart() error {
	byOffset := slices.Clone(h.tensors)
	slices.SortStableFunc(byOffset, func(a, b Info) int {
		switch {
		case a.Offset < b.Offset:
			return -1
		case a.Offset > b.Offset:
			return 1
		}
		return 0
	})
	for i := 1; i < len(byOffset); i++ {
		a, b := byOffset[i-1], byOffset[i]
		if a.Offset+a.Size > b.Offset {
			return fault(ErrCorrupt, "tensors %s and %s overlap at offset %d", show(a.Name), show(b.Name), b.Offset)
		}
	}
	return nil
}
