package cuda

import (
	"reflect"
	"testing"
)

// Fields follow each other without gaps, so that a struct of the same fields in
// CUDA has the same offsets; TestPlan compares the sizes.
func TestArgumentsHaveNoGaps(t *testing.T) {
	for _, v := range []any{loadArgs{}, embedArgs{}, quantizedArgs{}, prepareArgs{}, matVecArgs{}, ropeArgs{}, attendArgs{}, convArgs{}, scan1Args{}, scan2Args{}, convScan2Args{}, after1Args{}, after2Args{}} {
		s := reflect.TypeOf(v)
		var at uintptr
		for i := range s.NumField() {
			f := s.Field(i)
			if f.Offset != at {
				t.Errorf("%s.%s is at %d, not %d", s.Name(), f.Name, f.Offset, at)
			}
			at = f.Offset + f.Type.Size()
		}
		if end := (at + 7) &^ 7; s.Size() != end {
			t.Errorf("%s has %d bytes, not %d", s.Name(), s.Size(), end)
		}
	}
}
