package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// Area is memory that belongs to a compiled program. It begins at a multiple of
// Align.
type Area int

// The areas. Those from Scratch on hand data from launch to launch.
const (
	_         Area = iota // none
	Params                // the parameter block
	Values                // activations, as backend.PlanValues places them
	Logits                // float32 [rows][vocabulary]
	Best                  // of each row RankWords words
	Constants             // of nodes
	Scratch
)

// Align divides the addresses of areas and constants.
const Align = 256

// Ref names memory: a tensor's, a state's, or from Off on in an area. The zero
// Ref is none.
type Ref struct {
	Tensor *backend.Tensor
	State  *backend.State
	Area   Area
	Off    int // bytes
	Bytes  int // from there on that a kernel may touch
}

// OfTensor is a weight's memory.
func OfTensor(t *backend.Tensor) Ref { return Ref{Tensor: t, Bytes: t.Bytes()} }

// OfState is a state's memory.
func OfState(s *backend.State) Ref { return Ref{State: s, Bytes: s.Bytes} }

// Skip is the memory behind the first bytes of r, or none behind none.
func (r Ref) Skip(bytes int) Ref {
	if r != (Ref{}) {
		r.Off += bytes
		r.Bytes -= bytes
	}
	return r
}

// Pack lays an argument struct out as C does: fields of 4 bytes, and 8 for a
// Ref, whose address belongs at the offset in at.
func Pack(args any) (data []byte, refs []Ref, at []int) {
	v := reflect.New(reflect.TypeOf(args)).Elem() // whose fields have addresses
	v.Set(reflect.ValueOf(args))
	p := packer{}
	p.value(v)
	if len(p.at) > 0 {
		p.align(8)
	}
	return p.data, p.refs, p.at
}

type packer struct {
	data []byte
	refs []Ref
	at   []int
}

func (p *packer) align(n int) {
	for len(p.data)%n != 0 {
		p.data = append(p.data, 0)
	}
}

func (p *packer) value(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[Ref]():
		p.align(8)
		p.refs, p.at = append(p.refs, *(*Ref)(unsafe.Pointer(v.UnsafeAddr()))), append(p.at, len(p.data))
		p.data = append(p.data, make([]byte, 8)...)
	case v.Kind() == reflect.Int32:
		p.data = binary.NativeEndian.AppendUint32(p.data, uint32(v.Int()))
	case v.Kind() == reflect.Float32:
		p.data = binary.NativeEndian.AppendUint32(p.data, math.Float32bits(float32(v.Float())))
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			p.value(v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		held := len(p.at)
		for i := range v.NumField() {
			p.value(v.Field(i))
		}
		if len(p.at) > held {
			p.align(8)
		}
	default:
		panic(fmt.Sprintf("gpu: an argument of type %v", v.Type()))
	}
}
