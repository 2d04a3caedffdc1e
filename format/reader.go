package format

import (
	"encoding/binary"
)

// reader walks a header. It keeps the first error in err, and everything read
// after that is zero.
type reader struct {
	data []byte
	off  int
	err  error
	what string // names the thing that ends where data ends, for errors
}

func newReader(data []byte) *reader {
	if len(data) > maxHeader {
		return &reader{data: data[:maxHeader], what: "the longest header mil reads"}
	}
	return &reader{data: data, what: "the file"}
}

func (r *reader) left() int { return len(r.data) - r.off }

func (r *reader) fail(kind error, text string, args ...any) {
	if r.err == nil {
		r.err = fault(kind, text, args...)
	}
}

// take is the next n bytes; what names them in the error.
func (r *reader) take(n uint64, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(r.left()) {
		r.fail(ErrTruncated, "%s at offset %d is %d bytes long, and %s ends %d bytes after", what, r.off, n, r.what, r.left())
		return nil
	}
	p := r.data[r.off : r.off+int(n)]
	r.off += int(n)
	return p
}

func (r *reader) u32(what string) uint32 {
	if p := r.take(4, what); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64(what string) uint64 {
	if p := r.take(8, what); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// count reads how many items follow, at most most and each at least least bytes
// long.
func (r *reader) count(what string, most, least int) int {
	n := r.u64("the number of " + what)
	return r.bound(n, what, most, least)
}

func (r *reader) bound(n uint64, what string, most, least int) int {
	if r.err == nil && n > uint64(r.left()/least) {
		r.fail(ErrTruncated, "%d %s declared at offset %d, and the rest of %s holds %d at most", n, what, r.off, r.what, r.left()/least)
	}
	if r.err == nil && n > uint64(most) {
		r.fail(ErrCorrupt, "%d %s; at most %d are taken", n, what, most)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// name reads a key or a tensor's name.
func (r *reader) name(what string) string {
	at := r.off
	n := r.u64(what)
	if n > maxName {
		r.fail(ErrCorrupt, "%s at offset %d is %d bytes long, more than %d", what, at, n, maxName)
	}
	return string(r.take(n, what))
}

// value walks over a metadata value and returns where it lies.
func (r *reader) value(key string) entry {
	what := "the value of key " + show(key)
	k := kind(r.u32(what))
	array := k == kindArray
	count := uint64(1)
	if array {
		k = kind(r.u32(what))
		count = r.u64(what)
	}
	if r.err == nil && (k >= kindCount || k == kindArray) {
		if array {
			r.fail(ErrCorrupt, "key %s holds an array of elements of type %d, which mil does not read", show(key), uint32(k))
		} else {
			r.fail(ErrCorrupt, "key %s has type %d, which GGUF does not know", show(key), uint32(k))
		}
	}
	if r.err != nil {
		return entry{}
	}
	e := entry{kind: k, array: array}
	if k == kindString {
		e.count = r.bound(count, "strings of key "+show(key), maxItems, 8)
		e.off = r.off
		for range e.count {
			n := r.u64(what)
			if !array {
				e.off = r.off
			}
			r.take(n, what)
			if r.err != nil {
				return entry{}
			}
		}
		e.n = r.off - e.off
		return e
	}
	size := kinds[k].size
	e.count = r.bound(count, "elements of key "+show(key), maxItems, size)
	e.off, e.n = r.off, e.count*size
	p := r.take(uint64(e.n), what)
	if k == kindBool {
		for i, b := range p {
			if b > 1 {
				r.fail(ErrCorrupt, "key %s holds a bool of value %d at offset %d", show(key), b, e.off+i)
			}
		}
	}
	return e
}
