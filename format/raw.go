package format

import "math"

// Raw returns a value in the Go type of its GGUF type, as Writer.Set takes it:
// string, bool, uint8 to float64, or a slice of these. Setting that value
// writes the same bytes again.
func (m *Meta) Raw(key string) (v any, ok bool) {
	e, ok := m.vals[key]
	if !ok {
		return nil, false
	}
	switch e.kind {
	case kindUint8:
		return plain(m, e, func(s string) uint8 { return uint8(little(s)) }), true
	case kindInt8:
		return plain(m, e, func(s string) int8 { return int8(little(s)) }), true
	case kindUint16:
		return plain(m, e, func(s string) uint16 { return uint16(little(s)) }), true
	case kindInt16:
		return plain(m, e, func(s string) int16 { return int16(little(s)) }), true
	case kindUint32:
		return plain(m, e, func(s string) uint32 { return uint32(little(s)) }), true
	case kindInt32:
		return plain(m, e, func(s string) int32 { return int32(little(s)) }), true
	case kindUint64:
		return plain(m, e, little), true
	case kindInt64:
		return plain(m, e, func(s string) int64 { return int64(little(s)) }), true
	case kindFloat32:
		return plain(m, e, func(s string) float32 { return math.Float32frombits(uint32(little(s))) }), true
	case kindFloat64:
		return plain(m, e, func(s string) float64 { return math.Float64frombits(little(s)) }), true
	case kindBool:
		return plain(m, e, func(s string) bool { return s[0] != 0 }), true
	}
	if e.array {
		return m.strings(e), true
	}
	return m.head[e.off : e.off+e.n], true
}

// plain decodes a scalar or an array whose elements have a fixed size.
func plain[T any](m *Meta, e entry, one func(string) T) any {
	if !e.array {
		return one(m.head[e.off : e.off+e.n])
	}
	size := kinds[e.kind].size
	out := make([]T, e.count)
	for i := range out {
		p := e.off + i*size
		out[i] = one(m.head[p : p+size])
	}
	return out
}
