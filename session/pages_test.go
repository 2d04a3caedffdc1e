package session

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
)

// Where two megabytes are a few pages, they lie together, on a multiple of their
// size; what is mapped is checked there, and a damaged file leaves a session as it
// is, empty or not.
func TestLargePages(t *testing.T) {
	m := shape3B(t, 2)
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	begin := func() *model.Session {
		s, err := m.NewSession(cpu.New(2), model.Options{Context: 4096, KV: model.KVF16})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := begin()
	pretend(t, s, 3000)
	if err := Save(path, s, turnOf("a")); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(raw, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	large := 0
	for _, sec := range slices.Concat(c.caches...) {
		if sec.size == largeUnit && sec.off%largeUnit == 0 && sec.to-sec.from == 2*Page {
			large++
		}
	}
	if large != 4 {
		t.Errorf("%d large pages of two caches of 3,000 positions", large)
	}
	fresh := begin()
	if _, err := holds(t, path, fresh); err != nil {
		t.Fatal(err)
	}
	for i := range caches(s) {
		want, err := s.ReadCache(i, 0, 3008, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fresh.ReadCache(i, 0, 3008, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("cache %d is another: %v", i, err)
		}
	}
	for _, sec := range []section{c.caches[0][1], c.caches[1][len(c.caches[1])-1]} {
		raw[sec.off+sec.size/3] ^= 8
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		raw[sec.off+sec.size/3] ^= 8
		if _, err := holds(t, bad, begin()); !errors.Is(err, ErrDamaged) {
			t.Error("loaded into an empty session:", err)
		}
		if _, err := Load(bad, fresh); !errors.Is(err, ErrDamaged) || len(fresh.Tokens()) != 3000 {
			t.Errorf("%v, and %d tokens are left", err, len(fresh.Tokens()))
		}
		if got, _ := fresh.ReadCache(sec.part, sec.from, sec.from+32, nil); !bytes.Equal(got, raw[sec.off:sec.off+len(got)]) {
			t.Error("the caches changed")
		}
	}
}
