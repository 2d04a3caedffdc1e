//go:build !nogpu

package metal

import (
	"testing"

	"github.com/ebitengine/purego"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/model"
)

// A token of the demo takes fewer than ten messages a launch. -v shows how many.
func TestMessagesOfAToken(t *testing.T) {
	r := newRecorder()
	b, _ := recorded(t, r)
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(b, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.log = nil
	if _, err := s.FeedRanked([]int32{3}, model.WantLast, backend.Ranking{}); err != nil {
		t.Fatal(err)
	}
	launches := 0
	for _, name := range r.log {
		if name == dispatchThreadgroups {
			launches++
		}
	}
	t.Logf("%d messages for %d launches", len(r.log), launches)
	if launches == 0 || len(r.log) >= 10*launches {
		t.Errorf("%d messages for %d launches", len(r.log), launches)
	}
	s.Close()
	b.Close()
	r.check(t)
}

// BenchmarkMessage is the cost of a message beside Metal's own work: a call
// through purego, to a function of the C library that does nothing worth naming.
func BenchmarkMessage(b *testing.B) {
	libc, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		b.Skip(err)
	}
	abs, err := purego.Dlsym(libc, "abs")
	if err != nil {
		b.Fatal(err)
	}
	s := &system{functions: &functions{msgSend: abs}}
	args := []arg{aWord(1), aWord(2), aWord(3)}
	b.ReportAllocs()
	for b.Loop() {
		s.send(1, 2, args)
	}
}
