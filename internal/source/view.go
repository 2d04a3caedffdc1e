package source

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/nlpodyssey/gopickle/types"
)

// storageType is one of PyTorch's storage classes.
type storageType struct {
	dtype
	name string
}

// storageTypes are the classes that may own values, all in package torch.
var storageTypes = map[string]*storageType{}

func init() {
	for _, t := range []storageType{
		{dtype{F32, 4}, "FloatStorage"}, {dtype{F16, 2}, "HalfStorage"}, {dtype{BF16, 2}, "BFloat16Storage"},
		{dtype{Unsupported, 8}, "DoubleStorage"}, {dtype{Unsupported, 8}, "LongStorage"},
		{dtype{Unsupported, 4}, "IntStorage"}, {dtype{Unsupported, 2}, "ShortStorage"},
		{dtype{Unsupported, 1}, "CharStorage"}, {dtype{Unsupported, 1}, "ByteStorage"}, {dtype{Unsupported, 1}, "BoolStorage"},
	} {
		storageTypes[t.name] = &t
	}
}

// storage is a pickle's description of an entry of values.
type storage struct {
	kind *storageType
	key  string // the entry's name
	size int64  // bytes
}

// newStorage reads a persistent identifier: ("storage", class, key, device,
// number of values).
func newStorage(id any) (*storage, error) {
	t, ok := id.(*types.Tuple)
	if !ok || t.Len() != 5 || t.Get(0) != "storage" {
		return nil, errors.New("the pickle refers to something outside that is not a storage")
	}
	kind, ok := t.Get(1).(*storageType)
	if !ok {
		return nil, errors.New("the pickle has a storage of no known class")
	}
	key, ok := t.Get(2).(string)
	if !ok {
		return nil, errors.New("the pickle has a storage whose key is not a string")
	}
	n, ok := t.Get(4).(int)
	if !ok {
		return nil, fmt.Errorf("storage %s has a length that is not an integer", Show(key))
	}
	size, ok := byteSize([]int{n}, kind.width)
	if !ok {
		return nil, fmt.Errorf("storage %s has an impossible length of %d", Show(key), n)
	}
	return &storage{kind, key, size}, nil
}

// view is a tensor without its name: a part of a storage.
type view struct {
	storage *storage
	shape   []int
	offset  int64 // bytes into the storage
	size    int64 // bytes
}

// rebuildTensor is torch._utils._rebuild_tensor_v2.
type rebuildTensor struct{}

// Call takes storage, offset, shape and strides, counted in values. Further
// arguments (gradients, hooks, metadata) do not matter here.
func (rebuildTensor) Call(args ...any) (any, error) {
	if len(args) < 4 || len(args) > 7 {
		return nil, fmt.Errorf("the pickle makes a tensor from %d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, errors.New("the pickle makes a tensor from something that is not a storage")
	}
	offset, ok1 := args[1].(int)
	shape, ok2 := ints(args[2])
	strides, ok3 := ints(args[3])
	if !ok1 || !ok2 || !ok3 || len(shape) != len(strides) {
		return nil, fmt.Errorf("a tensor in storage %s has an offset, a shape or strides that make no sense", Show(s.key))
	}
	return newView(s, offset, shape, strides)
}

// maxRank is the most dimensions a tensor may have.
const maxRank = 8

// ints is a tuple of integers.
func ints(v any) ([]int, bool) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxRank { // one tuple may serve any number of tensors
		return nil, false
	}
	out := make([]int, t.Len())
	for i := range out {
		if out[i], ok = t.Get(i).(int); !ok {
			return nil, false
		}
	}
	return out, true
}

// newView checks that a tensor lies within its storage.
func newView(s *storage, offset int, shape, strides []int) (*view, error) {
	size, ok := byteSize(shape, s.kind.width)
	if !ok {
		return nil, fmt.Errorf("a tensor in storage %s has the impossible shape %s", Show(s.key), showInts(shape))
	}
	end, ok := extent(offset, shape, strides)
	if !ok || end > s.size/s.kind.width {
		return nil, fmt.Errorf("a tensor reaches past storage %s: shape %s, strides %s from value %d of %d",
			Show(s.key), showInts(shape), showInts(strides), offset, s.size/s.kind.width)
	}
	// Other types are never read, and masks are often stretched this way.
	if s.kind.dtype.dtype != Unsupported && !inOrder(shape, strides) {
		return nil, fmt.Errorf("a tensor in storage %s is not contiguous (shape %s, strides %s): save it as contiguous()",
			Show(s.key), showInts(shape), showInts(strides))
	}
	return &view{s, shape, int64(offset) * s.kind.width, size}, nil
}

// extent is one more than the highest index into the storage, false when an
// index is negative or the result overflows.
func extent(offset int, shape, strides []int) (int64, bool) {
	if offset < 0 {
		return 0, false
	}
	last := uint64(offset)
	for i, d := range shape {
		if d == 0 {
			return int64(offset), true
		}
		if d == 1 { // its stride is never taken
			continue
		}
		if strides[i] < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(uint64(d-1), uint64(strides[i]))
		sum, carry := bits.Add64(last, lo, 0)
		if hi != 0 || carry != 0 || sum >= math.MaxInt64 {
			return 0, false
		}
		last = sum
	}
	if last == math.MaxInt64 {
		return 0, false
	}
	return int64(last) + 1, true
}

// inOrder reports whether values lie row after row with nothing between.
func inOrder(shape, strides []int) bool {
	want := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] == 0 {
			return true
		}
		if shape[i] != 1 && strides[i] != want {
			return false
		}
		want *= shape[i]
	}
	return true
}

// rebuildParameter is torch._utils._rebuild_parameter: a tensor and whether
// it is trained.
type rebuildParameter struct{}

// Call returns the tensor.
func (rebuildParameter) Call(args ...any) (any, error) {
	if len(args) != 3 {
		return nil, fmt.Errorf("the pickle makes a parameter from %d arguments", len(args))
	}
	v, ok := args[0].(*view)
	if !ok {
		return nil, errors.New("the pickle makes a parameter from something that is not a tensor")
	}
	return v, nil
}
