package format

import (
	"fmt"
	"runtime"
	"testing"

	gate "github.com/mil-run/mil/internal/show"
)

// frugal parses data and sees that it takes no more memory than a small
// multiple of it.
func frugal(t *testing.T, data []byte) (*File, error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := Parse(data, "fuzz")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+64*uint64(len(data)) {
		t.Errorf("%d bytes of input took %d bytes of memory", len(data), grown)
	}
	return f, err
}

// A megabyte that declares as much as it can, or far more.
func TestMemory(t *testing.T) {
	const size = 1 << 20
	var keys, tensors spec
	for i := 0; keys.Len() < size; i++ {
		keys.put(fmt.Sprintf("%05x", i), uint32(kindUint8), uint8(0))
		tensors.put(fmt.Sprintf("%05x", i), uint32(1), uint64(1), uint32(0), uint64(0))
	}
	for name, data := range map[string][]byte{
		"keys":            one(0, size/18, "0", uint32(kindUint8), uint8(0), keys.Bytes()),
		"tensors":         one(size/37, 0, tensors.Bytes()),
		"empty strings":   one(0, 1, "k", uint32(kindArray), uint32(kindString), uint64(size/8), make([]byte, size)),
		"too many of it":  one(0, 1, "k", uint32(kindArray), uint32(kindString), uint64(1)<<32, make([]byte, size)),
		"a long string":   one(0, 1, "k", uint32(kindString), uint64(1)<<40, make([]byte, size)),
		"a long array":    one(0, 1, "k", uint32(kindArray), uint32(kindInt64), uint64(1)<<61, make([]byte, size)),
		"many tensors":    one(1<<50, 1, make([]byte, size)),
		"many keys":       one(1, 1<<50, make([]byte, size)),
		"a large tensor":  one(1, 0, "t", uint32(2), uint64(1)<<40, uint64(1)<<20, uint32(0), uint64(0), make([]byte, size)),
		"a distant start": one(1, 0, "t", uint32(1), uint64(1), uint32(0), uint64(1)<<50, make([]byte, size)),
	} {
		f, err := frugal(t, data)
		if name == "empty strings" {
			if v, _, err := f.KV().Strings("k"); err != nil || len(v) != size/8 {
				t.Error(name, err)
			}
		} else if err == nil && name != "keys" {
			t.Errorf("%s: it opens", name)
		}
	}
}

// FuzzParse: whatever the bytes, no panic and no memory beyond a small
// multiple of the input; what opens can be read whole.
func FuzzParse(f *testing.F) {
	_, raw := writeSmall(f, Arch)
	f.Add(raw)
	f.Add(foreign())
	f.Add(foreign()[:200])
	f.Add(one(1, 1, "k", uint32(9), uint32(8), uint64(3), "a", "b", "c", "t", uint32(2), uint64(4), uint64(2), uint32(0), uint64(32)))
	f.Add(one(1<<40, 1<<40))
	f.Add([]byte("GGUF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := frugal(t, data)
		if err != nil {
			if !gate.Plain(err.Error()) {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		m := file.KV()
		for _, k := range m.Keys() {
			if _, ok := m.Raw(k); !ok {
				t.Errorf("key %q is listed and not there", k)
			}
			m.String(k)
			m.Uint(k)
			m.Int(k)
			m.Float(k)
			m.Bool(k)
			m.Strings(k)
			m.Uints(k)
			m.Ints(k)
			m.Floats(k)
			m.Bools(k)
		}
		for _, info := range file.Tensors() {
			if got, ok := file.Tensor(info.Name); !ok || uint64(len(file.Data(got))) != info.Size {
				t.Errorf("tensor %q: %d bytes of %d", info.Name, len(file.Data(got)), info.Size)
			}
		}
		file.Verify(nil)
	})
}
