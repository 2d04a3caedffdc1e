package quant

import "testing"

// Every type and mix has a number of its own, and 0 is f32's alone.
func TestFileTypes(t *testing.T) {
	seen := map[uint32]string{}
	for _, name := range MixNames() {
		m, err := ParseMix(name)
		if err != nil {
			t.Fatal(err)
		}
		n := m.FileType()
		if seen[n] != "" || n == 0 && name != "f32" {
			t.Errorf("%s has the number %d, as %s has", name, n, seen[n])
		}
		if seen[n] = name; FileTypeName(uint64(n)) != name {
			t.Errorf("%d is named %s, not %s", n, FileTypeName(uint64(n)), name)
		}
		if otherFileTypes[uint64(n)] != "" {
			t.Errorf("%d is also %s", n, otherFileTypes[uint64(n)])
		}
	}
}
