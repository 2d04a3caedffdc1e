package quant

// Class says how a type's blocks give values, whatever their bytes: integer
// levels times scales, less a constant where the class has one. Kernels are
// written for classes; a type adds how its bytes become levels and scales.
type Class uint8

// The classes. A scale or constant belongs to 32 values in a row, or to 16.
const (
	Float    Class = iota // values as they are
	Signed32              // scale * level, level within -128..127
	Offset32              // scale * level - constant, level within 0..63
	Signed16              // scale * level, level within -32..31
	Offset16              // scale * level - constant, level within 0..63
)

// Class is the class of a known type.
func (t Type) Class() Class {
	s, ok := t.Spec()
	if !ok {
		panic("quant: " + t.String() + " has no class")
	}
	return s.Class
}
