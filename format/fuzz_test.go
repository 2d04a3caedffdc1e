package format

import (
	"runtime"
	"testing"
)

// FuzzParse: whatever the bytes, no panic and no memory beyond a small
// multiple of the input; what opens can be read whole.
func FuzzParse(f *testing.F) {
	_, raw := writeSmall(f)
	f.Add(raw)
	f.Add(foreign(3))
	f.Add(foreign(2)[:200])
	f.Add(one(1, 1, "k", uint32(9), uint32(8), uint64(3), "a", "b", "c", "t", uint32(2), uint64(4), uint64(2), uint32(0), uint64(32)))
	f.Add(one(1<<40, 1<<40))
	f.Add([]byte("GGUF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := Parse(data, "fuzz")
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+64*uint64(len(data)) {
			t.Errorf("%d bytes of input took %d bytes of memory", len(data), grown)
		}
		if err != nil {
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
