package quant

import (
	"fmt"
	"strings"
)

// Mix says which type each tensor of a model gets. Its name is a type's, and
// then every matrix gets that type, or one of
//
//	                                                   q4_k_m  q5_k_m
//	Output, and Embedding where it serves as such      q6_k    q6_k
//	Embedding otherwise                                q5_k    q6_k
//	Sensitive, in the first and last eighth of the
//	  layers and in every third layer between          q6_k    q6_k
//	Projection                                         q5_k    q6_k
//	Selection                                          q8_0    q8_0
//	every other matrix                                 q4_k    q5_k
//
// In every mix exact roles and every tensor of one dimension stay f32. A tensor
// whose row length the type cannot take gets the type of Fallback.
type Mix struct {
	name string
	base Type // every other matrix
	// The rest is set for the mixes that give some tensors more bits.
	mixed                       bool
	output, embed               Type
	picked, project, selections Type // picked: Sensitive in some of the layers
}

// mixes are those whose name is not a type's.
var mixes = []Mix{
	{name: "q4_k_m", base: Q4_K, mixed: true, output: Q6_K, embed: Q5_K, picked: Q6_K, project: Q5_K, selections: Q8_0},
	{name: "q5_k_m", base: Q5_K, mixed: true, output: Q6_K, embed: Q6_K, picked: Q6_K, project: Q6_K, selections: Q8_0},
}

// MixNames lists the names that ParseMix takes: the types, then the mixes.
func MixNames() []string {
	var names []string
	for i := range specs {
		names = append(names, specs[i].Name)
	}
	for _, m := range mixes {
		names = append(names, m.name)
	}
	return names
}

// ParseMix finds a mix by name, in either case.
func ParseMix(name string) (Mix, error) {
	for _, m := range mixes {
		if strings.EqualFold(m.name, name) {
			return m, nil
		}
	}
	if t, err := Parse(name); err == nil {
		return Mix{name: t.String(), base: t}, nil
	}
	return Mix{}, fmt.Errorf("unknown type %q (known: %s)", name, strings.Join(MixNames(), " "))
}

// String is the mix's name.
func (m Mix) String() string { return m.name }

// TensorInfo is the data about a tensor that a mix needs.
type TensorInfo struct {
	Role   Role
	Layer  int // not read for tensors outside the layers
	Layers int
	RowLen int
	Rank   int  // dimensions
	Tied   bool // Embedding serves as Output
}

// TypeFor is the type that t is stored in: Want's, or its Fallback.
func (m Mix) TypeFor(t TensorInfo) Type { return Fallback(m.Want(t), t.RowLen) }

// Want is the type that the mix has for t, whatever its row length. It differs
// from TypeFor only because of the row length.
func (m Mix) Want(t TensorInfo) Type {
	switch {
	case t.Role == 0:
		panic("quant: a tensor without a role")
	case t.Exact():
		return F32
	case !m.mixed:
		return m.base
	case t.Role == Output, t.Role == Embedding && t.Tied:
		return m.output
	case t.Role == Embedding:
		return m.embed
	case t.Role == Projection:
		return m.project
	case t.Role == Selection:
		return m.selections
	case t.Role == Sensitive && t.picked():
		return m.picked
	}
	return m.base
}

// Exact says whether t stays f32 in every mix. Models read such tensors as f32.
func (t *TensorInfo) Exact() bool { return t.Rank < 2 || t.Role.Exact() }

// picked says whether t's layer is among those whose most sensitive matrices
// get more bits: the first and last eighth, and every third between.
func (t *TensorInfo) picked() bool {
	eighth := t.Layers / 8
	return t.Layer < eighth || t.Layer >= 7*t.Layers/8 || (t.Layer-eighth)%3 == 2
}

// Fallback is t where rows of n values can be cut into its blocks. Otherwise it
// is the next type that keeps at least as much: q8_0 for the K types, then f16.
func Fallback(t Type, n int) Type {
	for _, c := range []Type{t, Q8_0} {
		if s, ok := c.Spec(); ok && n%s.Block == 0 {
			return c
		}
	}
	return F16
}
