package metal

import (
	"slices"
	"testing"
	"unsafe"
)

// The ABI: receiver and selector, words and pointers as they are, a struct of 24
// bytes as a pointer to a copy of its own.
func TestFrame(t *testing.T) {
	f := &frame{}
	out, data := new(id), []byte{1}
	got := f.fill(7, 8, []arg{anObject(9), aWord(10), aBool(true), aPointer(unsafe.Pointer(&data[0])), anOut(out), aPointer(nil)})
	want := []uintptr{7, 8, 9, 10, 1, uintptr(unsafe.Pointer(&data[0])), uintptr(unsafe.Pointer(out)), 0}
	if !slices.Equal(got, want) {
		t.Errorf("registers %v, want %v", got, want)
	}
	got = f.fill(1, 2, []arg{aSize([3]uint32{3, 4, 5}), aSize([3]uint32{6, 7, 8})})
	if len(got) != 4 || got[2] == got[3] {
		t.Fatalf("two structs in %v", got)
	}
	for i, want := range [][3]uintptr{{3, 4, 5}, {6, 7, 8}} {
		if p := *(*unsafe.Pointer)(unsafe.Pointer(&got[2+i])); *(*[3]uintptr)(p) != want {
			t.Errorf("struct %d: %v, want %v", i, *(*[3]uintptr)(p), want)
		}
	}
	if unsafe.Sizeof(mtlSize{}) <= 16 {
		t.Error("an MTLSize of 16 bytes would travel in registers")
	}
}

func TestStrings(t *testing.T) {
	r := newRecorder()
	m := newMessenger(r)
	pool := r.pushPool()
	for _, s := range []string{"", "kernel", "größer"} {
		o := m.string(s)
		if got := m.text(o); got != s {
			t.Errorf("%q became %q", s, got)
		}
		m.release(o)
	}
	r.popPool(pool)
	if m.text(0) != "" || len(r.wrong) > 0 || len(r.left()) > 0 {
		t.Errorf("wrong: %q, left: %q", r.wrong, r.left())
	}
}

// silent answers everything so that a pass completes.
type silent struct{ sent int }

func (s *silent) class(string) id                  { return 4 }
func (s *silent) selector(string) selector         { return 4 }
func (s *silent) pushPool() uintptr                { return 1 }
func (s *silent) popPool(uintptr)                  {}
func (s *silent) defaultDevice() id                { return 4 }
func (s *silent) send(id, selector, []arg) uintptr { s.sent++; return statusCompleted }

// A pass allocates nothing on our side.
func TestPassAllocatesNothing(t *testing.T) {
	s := &silent{}
	g := &hardware{messenger: newMessenger(s), device: 4, queue: 4, limit: limits{buffer: 1 << 30, page: 1 << 14}, pipelines: []pipeline{{4, 1024}}}
	b := &sharedBuffer{g, 5, make([]byte, 100)}
	d := make([]dispatch, 20)
	for i := range d {
		d[i] = dispatch{grid: [3]uint32{1, 1, 1}, block: [3]uint32{32, 1, 1}, args: []byte{1}, buffers: []binding{{1, b, 0, 4}, {2, b, i, 4}}}
	}
	if n := testing.AllocsPerRun(20, func() {
		if err := g.run(d); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a pass", n)
	}
}
