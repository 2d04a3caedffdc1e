package llm

import (
	"errors"
	"testing"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/memory"
	"github.com/mil-run/mil/model"
)

func demoModel(t *testing.T) *model.Model {
	t.Helper()
	file, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A machine's sessions count together, and those that were closed no longer do.
func TestMemoryOfSessions(t *testing.T) {
	m := demoModel(t)
	o := model.Options{Context: 4096}
	kv, rest := need(m, o)
	if known, state := m.Memory(o); kv != known || rest != state+m.Scratch(o) || kv == 0 {
		t.Fatalf("%d and %d bytes are needed, model says %d and %d", kv, rest, known, state)
	}
	defer memory.Pretend((kv+rest)*4/3*3/2, true)()
	mc := NewMachine(Options{Backend: "cpu", Threads: 1})
	defer mc.Close()
	one, err := mc.Timeline(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mc.Timeline(m, o); !errors.Is(err, ErrMemory) {
		t.Errorf("two take what one and a half may: %v", err)
	}
	for range 2 {
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
	two, err := mc.Timeline(m, o)
	if err != nil {
		t.Fatalf("beside a closed one: %v", err)
	}
	two.Close()
	defer memory.Pretend(0, false)()
	var b budget
	for range 100 {
		if _, err := b.reserve(m, model.Options{Context: 1 << 28}, nil, func(error) {}); err != nil {
			t.Fatalf("the system does not say: %v", err)
		}
	}
}

// The longest context that fits does, and one more does not.
func TestFitting(t *testing.T) {
	m := demoModel(t)
	for _, limit := range []int64{0, 25e6, 40e6, 1e12} {
		n := fitting(m, model.Options{Context: 1 << 20}, limit)
		need := func(n int) int64 { kv, rest := need(m, model.Options{Context: n}); return kv + rest }
		switch {
		case n == 0 && need(1) <= limit, n > 0 && need(n) > limit, n < 1<<20 && n > 0 && need(n+1024) <= limit:
			t.Errorf("%d bytes: %d tokens", limit, n)
		}
	}
}
