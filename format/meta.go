package format

import (
	"fmt"
	"slices"
)

// Meta is a file's metadata. Values are decoded on demand from a copy of the
// header, so they stay valid after the file is closed.
type Meta struct {
	name string // of the file, for errors
	head string // the header's bytes; entries point into it
	keys []string
	vals map[string]entry
}

// entry is one value. For an array, kind is its elements' and off that of the
// first element.
type entry struct {
	kind   kind
	array  bool
	off, n int // bytes in head
	count  int // elements; 1 for a scalar
}

// describe is the entry's type in words.
func (e entry) describe() string {
	if e.array {
		return fmt.Sprintf("an array of %s", e.kind)
	}
	return "of type " + e.kind.String()
}

// Keys lists the keys in the order of the file.
func (m *Meta) Keys() []string { return slices.Clone(m.keys) }

// Has says whether the key is there, whatever its type.
func (m *Meta) Has(key string) bool { _, ok := m.vals[key]; return ok }

// IsArray says whether the key is there and holds an array.
func (m *Meta) IsArray(key string) bool { return m.vals[key].array }

// String returns the value of a string key. Like every getter it gives
// ok = false when the key is absent and an error when it has another type.
// Strings are the file's bytes, which need not be valid UTF-8.
func (m *Meta) String(key string) (v string, ok bool, err error) {
	e, ok, err := m.find(key, false, "a string", func(k kind) bool { return k == kindString })
	if !ok || err != nil {
		return "", ok, err
	}
	return m.head[e.off : e.off+e.n], true, nil
}

// Uint returns an integer of any width that is not negative.
func (m *Meta) Uint(key string) (v uint64, ok bool, err error) {
	return scalar(m, key, "an unsigned integer", kind.integer, toUint)
}

// Int returns an integer of any width that fits an int64.
func (m *Meta) Int(key string) (v int64, ok bool, err error) {
	return scalar(m, key, "an integer", kind.integer, toInt)
}

// Float returns a float32 or float64.
func (m *Meta) Float(key string) (v float64, ok bool, err error) {
	return scalar(m, key, "a float", kind.float, toFloat)
}

// Bool returns a bool.
func (m *Meta) Bool(key string) (v bool, ok bool, err error) {
	return scalar(m, key, "a bool", func(k kind) bool { return k == kindBool }, toBool)
}

// Strings returns an array of strings, in one allocation.
func (m *Meta) Strings(key string) (v []string, ok bool, err error) {
	e, ok, err := m.find(key, true, "an array of strings", func(k kind) bool { return k == kindString })
	if !ok || err != nil {
		return nil, ok, err
	}
	return m.strings(e), true, nil
}

// Uints returns an array of integers of any width, none negative.
func (m *Meta) Uints(key string) (v []uint64, ok bool, err error) {
	return array(m, key, "an array of unsigned integers", kind.integer, toUint)
}

// Ints returns an array of integers of any width that fit an int64.
func (m *Meta) Ints(key string) (v []int64, ok bool, err error) {
	return array(m, key, "an array of integers", kind.integer, toInt)
}

// Floats returns an array of float32 or float64.
func (m *Meta) Floats(key string) (v []float64, ok bool, err error) {
	return array(m, key, "an array of floats", kind.float, toFloat)
}

// Bools returns an array of bools.
func (m *Meta) Bools(key string) (v []bool, ok bool, err error) {
	return array(m, key, "an array of bools", func(k kind) bool { return k == kindBool }, toBool)
}

// find looks a key up and checks its type. want names the wanted type for the
// error.
func (m *Meta) find(key string, array bool, want string, fits func(kind) bool) (entry, bool, error) {
	e, ok := m.vals[key]
	if !ok {
		return e, false, nil
	}
	if e.array != array || !fits(e.kind) {
		return e, true, fault(ErrKeyType, "%s: key %s is %s, not %s", m.name, show(key), e.describe(), want)
	}
	return e, true, nil
}

func scalar[T any](m *Meta, key, want string, fits func(kind) bool, to func(kind, string) (T, bool)) (T, bool, error) {
	var none T
	e, ok, err := m.find(key, false, want, fits)
	if !ok || err != nil {
		return none, ok, err
	}
	v, good := to(e.kind, m.head[e.off:e.off+e.n])
	if !good {
		return none, true, m.misfit(key, e, 0, want)
	}
	return v, true, nil
}

func array[T any](m *Meta, key, want string, fits func(kind) bool, to func(kind, string) (T, bool)) ([]T, bool, error) {
	e, ok, err := m.find(key, true, want, fits)
	if !ok || err != nil {
		return nil, ok, err
	}
	out := make([]T, e.count)
	size := kinds[e.kind].size
	for i := range out {
		p := e.off + i*size
		v, good := to(e.kind, m.head[p:p+size])
		if !good {
			return nil, true, m.misfit(key, e, i, want)
		}
		out[i] = v
	}
	return out, true, nil
}

// misfit is the error for an integer that the wanted type cannot hold.
func (m *Meta) misfit(key string, e entry, i int, want string) error {
	p := e.off + i*kinds[e.kind].size
	s := m.head[p : p+kinds[e.kind].size]
	v := fmt.Sprint(little(s))
	if e.kind.signed() {
		n, _ := toInt(e.kind, s)
		v = fmt.Sprint(n)
	}
	at := ""
	if e.array {
		at = fmt.Sprintf("[%d]", i)
	}
	return fault(ErrKeyType, "%s: key %s%s is %s, which does not fit %s", m.name, show(key), at, v, want)
}

// strings cuts the header's text: no bytes are copied.
func (m *Meta) strings(e entry) []string {
	out := make([]string, e.count)
	p := e.off
	for i := range out {
		n := int(little(m.head[p : p+8]))
		out[i] = m.head[p+8 : p+8+n]
		p += 8 + n
	}
	return out
}
