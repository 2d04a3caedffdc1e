package format

import (
	"math"
	"reflect"
)

// kind is a metadata value's type; the values are GGUF's.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
	kindCount
)

var kinds = [kindCount]struct {
	name string
	size int // bytes of a value; 0 where it varies
	goes reflect.Kind
}{
	kindUint8:   {"uint8", 1, reflect.Uint8},
	kindInt8:    {"int8", 1, reflect.Int8},
	kindUint16:  {"uint16", 2, reflect.Uint16},
	kindInt16:   {"int16", 2, reflect.Int16},
	kindUint32:  {"uint32", 4, reflect.Uint32},
	kindInt32:   {"int32", 4, reflect.Int32},
	kindFloat32: {"float32", 4, reflect.Float32},
	kindBool:    {"bool", 1, reflect.Bool},
	kindString:  {"string", 0, reflect.String},
	kindArray:   {"array", 0, reflect.Slice},
	kindUint64:  {"uint64", 8, reflect.Uint64},
	kindInt64:   {"int64", 8, reflect.Int64},
	kindFloat64: {"float64", 8, reflect.Float64},
}

func (k kind) String() string { return kinds[k].name }

func (k kind) signed() bool {
	return k == kindInt8 || k == kindInt16 || k == kindInt32 || k == kindInt64
}

func (k kind) unsigned() bool {
	return k == kindUint8 || k == kindUint16 || k == kindUint32 || k == kindUint64
}

func (k kind) integer() bool { return k.signed() || k.unsigned() }
func (k kind) float() bool   { return k == kindFloat32 || k == kindFloat64 }

// little reads a little-endian number of len(s) bytes.
func little(s string) uint64 {
	var u uint64
	for i := len(s) - 1; i >= 0; i-- {
		u = u<<8 | uint64(s[i])
	}
	return u
}

// toInt reads an integer of kind k, false when an int64 cannot hold it.
func toInt(k kind, s string) (int64, bool) {
	u := little(s)
	if k.signed() {
		up := 64 - 8*len(s)
		return int64(u<<up) >> up, true
	}
	return int64(u), u <= math.MaxInt64
}

// toUint reads an integer of kind k, false when it is negative.
func toUint(k kind, s string) (uint64, bool) {
	if k.signed() {
		v, _ := toInt(k, s)
		return uint64(v), v >= 0
	}
	return little(s), true
}

// toFloat reads a float of kind k.
func toFloat(k kind, s string) (float64, bool) {
	if k == kindFloat32 {
		return float64(math.Float32frombits(uint32(little(s)))), true
	}
	return math.Float64frombits(little(s)), true
}

// toBool reads a bool; parsing has seen that it is 0 or 1.
func toBool(_ kind, s string) (bool, bool) { return s[0] != 0, true }
