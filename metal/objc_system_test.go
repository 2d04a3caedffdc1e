//go:build !nogpu

package metal

import (
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
)

// calling is a system whose entry points lead to a recorder: its messages go
// through the processor's registers, as to the system's own functions, and is
// read there as Apple declares it.
func calling(t *testing.T, r *recorder) *system {
	t.Helper()
	text := func(p uintptr) string { return goString(pointer(p)) }
	return &system{functions: &functions{
		getClass:     purego.NewCallback(func(name uintptr) uintptr { return uintptr(r.class(text(name))) }),
		registerName: purego.NewCallback(func(name uintptr) uintptr { return uintptr(r.selector(text(name))) }),
		push:         purego.NewCallback(func() uintptr { return r.pushPool() }),
		pop:          purego.NewCallback(func(pool uintptr) uintptr { r.popPool(pool); return 0 }),
		createDevice: purego.NewCallback(func() uintptr { return uintptr(r.defaultDevice()) }),
		msgSend: purego.NewCallback(func(to, s, a, b, c, d, e, f uintptr) uintptr {
			o := r.objects[id(to)]
			if o == nil {
				return r.send(id(to), selector(s), nil)
			}
			registers := []uintptr{a, b, c, d, e, f}
			var args []arg
			for i, k := range r.method(o, r.selectors[s-1]).args {
				v := arg{kind: k, word: registers[i]}
				switch k {
				case kindPointer, kindOut:
					v.word, v.pointer = 0, pointer(registers[i])
				case kindSize:
					v.word, v.size = 0, *(*mtlSize)(pointer(registers[i]))
				}
				args = append(args, v)
			}
			return r.send(id(to), selector(s), args)
		}),
	}}
}

// A program is compiled and run through real calls, its failures told, and every
// object given back.
func TestSystem(t *testing.T) {
	r := newRecorder()
	s := calling(t, r)
	g, err := newGPU(s, anyModule)
	if err != nil {
		t.Fatal(err)
	}
	if g.name != "Apple M1" || g.limit.buffer != 1<<30 || g.limit.working != 8<<30 {
		t.Errorf("%s with %+v", g.name, g.limit)
	}
	b := newBackend(g)
	var grids []mtlSize
	r.tamper = func(m *message) bool {
		if m.name == dispatchThreadgroups {
			grids = append(grids, m.args[0].size, m.args[1].size)
		}
		return false
	}
	if err := runOnce(b); err != nil {
		t.Fatal(err)
	}
	if len(grids) != 4 || grids[0] != (mtlSize{1, 1, 1}) || grids[1] != (mtlSize{256, 1, 1}) {
		t.Errorf("dispatched %v", grids)
	}
	r.fails["newComputePipelineStateWithFunction:error:"] = "größer"
	if _, err := g.function("another"); err == nil || err.Error() != "make the kernel another ready: größer" {
		t.Error(err)
	}
	b.Close()
	r.check(t)
}

// Eight words arrive in their order.
func TestSystemPassesRegisters(t *testing.T) {
	var got [8]uintptr
	s := &system{functions: &functions{msgSend: purego.NewCallback(func(to, s, a, b, c, d, e, f uintptr) uintptr {
		got = [8]uintptr{to, s, a, b, c, d, e, f}
		return 9
	})}}
	if n := s.send(1, 2, []arg{aWord(3), aWord(4), aWord(5), aWord(6), aWord(7), aWord(8)}); n != 9 || got != [8]uintptr{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Errorf("%v arrived, %d came back", got, n)
	}
	if unsafe.Sizeof(s.frame.registers) != 8*unsafe.Sizeof(uintptr(0)) {
		t.Error("a frame has other than eight registers, all that arm64 passes without the stack")
	}
}
