package model_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// poor is a backend whose memory holds a limited number of buffers.
type poor struct {
	backend.Backend
	left, used int
}

type poorBuffer struct {
	backend.Buffer
	of *poor
}

func (b *poorBuffer) Free() error { b.of.used--; return nil }

var errPoor = errors.New("no memory")

func (p *poor) Map([]byte) (backend.Buffer, error) {
	p.used++
	return &poorBuffer{of: p}, nil
}

func (p *poor) Compile(*backend.Program) (backend.Exec, error) { return blank{}, nil }

// blank is a program that does nothing.
type blank struct{ backend.Exec }

func (blank) Close() error { return nil }

// NewSequence fails with a nil pointer in the interface, as backends may.
func (p *poor) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return backend.NewSequence(states, func(*backend.State) (backend.Buffer, error) {
		var none *poorBuffer
		if p.left == 0 {
			return none, errPoor
		}
		p.left--
		p.used++
		return &poorBuffer{of: p}, nil
	})
}

// A context too large for the memory is an error, and frees what was taken.
func TestOutOfMemory(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []int{0, 3} {
		b := &poor{left: left}
		_, err := m.NewSession(b, model.Options{Context: 1 << 28})
		if !errors.Is(err, errPoor) || !strings.Contains(err.Error(), "for a context of 268435456 tokens") {
			t.Errorf("memory for %d: %v", left, err)
		}
		if b.used != 0 {
			t.Errorf("memory for %d: %d buffers are not freed", left, b.used)
		}
	}
}
