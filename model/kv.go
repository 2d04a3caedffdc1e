package model

import (
	"fmt"

	"github.com/mil-run/mil/quant"
)

// KVType says in which type a session keeps keys and values.
type KVType int

// The zero value leaves it to the model: float32 beside float32 weights, float16
// otherwise.
const (
	KVAuto KVType = iota
	KVF16
	KVQ8_0
)

// String is the type's name, or "" for KVAuto.
func (t KVType) String() string {
	switch t {
	case KVAuto:
		return ""
	case KVF16:
		return quant.F16.String()
	case KVQ8_0:
		return quant.Q8_0.String()
	}
	return fmt.Sprintf("KVType(%d)", int(t))
}

// kvType is the type of a session's KV cache.
func (m *Model) kvType(t KVType) quant.Type {
	switch {
	case t == KVQ8_0:
		return quant.Q8_0
	case t == KVAuto && m.float:
		return quant.F32
	}
	return quant.F16
}
