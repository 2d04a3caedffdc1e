package metal

import (
	"errors"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	naive "github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// device is a backend on this machine's GPU, or the test is skipped: it runs
// where .github/workflows/macos.yml does.
func device(t *testing.T) *Backend {
	t.Helper()
	b, err := Open()
	if errors.Is(err, ErrAbsent) || errors.Is(err, ErrNoDevice) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestDeviceConforms(t *testing.T) {
	b := device(t)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(b); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeviceRanks(t *testing.T) {
	b := device(t)
	for _, c := range conform.RankCases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(b); err != nil {
				t.Error(err)
			}
		})
	}
}

// A mapped file's weights are read where they lie, in one window and in several.
func TestDeviceReadsMappings(t *testing.T) {
	b := device(t)
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "f32")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	tokens := []int32{1, 5, 3, 2, 9, 4, 7}
	logits := func(on backend.Backend) []float32 {
		s, err := m.NewSession(on, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l, err := s.Feed(tokens, model.WantAll)
		if err != nil {
			t.Fatal(err)
		}
		return append([]float32(nil), l...)
	}
	want := logits(naive.New(0))
	for _, on := range []*Backend{b, newBackend(narrow{b.m, narrowed})} {
		if e := testutil.RelativeError(logits(on), want); !(e < 1e-3) {
			t.Errorf("buffers of up to %d bytes: relative error %.2g", on.m.limits().buffer, e)
		}
	}
}

// narrowed is less than the fixture's weights, and more than any one of them.
const narrowed = 1 << 18

// narrow is a machine that wraps less at once.
type narrow struct {
	machine
	buffer int
}

func (n narrow) limits() limits {
	l := n.machine.limits()
	l.buffer = n.buffer
	return l
}
