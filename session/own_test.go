package session

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/lock"
)

// Of several that begin one file at once, one owns it, and the others hear so.
func TestBegin(t *testing.T) {
	m := fixture(t, "mamba2-half")
	for range 3 {
		path := filepath.Join(t.TempDir(), "s")
		var got atomic.Int32
		var wg sync.WaitGroup
		var files [4]*File
		for i := range files {
			s := open2(t, m, ref.New(1), 64)
			wg.Go(func() {
				f, found, err := Open(path, s)
				if files[i] = f; err == nil && found == nil {
					got.Add(1)
				} else if !errors.Is(err, lock.ErrBusy) || !strings.Contains(err.Error(), "wait until it ends") {
					t.Error(found, err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Fatalf("%d own one file", got.Load())
		}
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("files left: %v", left)
		}
	}
}

// A file that is written anew has its owner all the time, and no other.
func TestRewriteOwned(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the old file is closed there for a moment; who opens it then keeps the new one from its name")
	}
	path, m, _ := small(t, "mamba2-half")
	s := open2(t, m, ref.New(1), 64)
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			other, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			if lock.Dead(other) && lock.Names(path, other) {
				t.Error("another process got the file")
				stop.Store(true)
			}
			other.Close()
		}
	})
	for range 40 {
		if err := f.rewrite(s, turnOf("a")); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	feed(t, s, []int32{1})
	if err := f.Append(s, turnOf("a", "b")); err != nil || f.c.records != 2 {
		t.Error(f.c.records, err)
	}
}

// Where the file of a name is no longer the one that is open, or another program
// wrote to it, nothing is written, and the error says so; saving it there again
// makes it anew, and it goes on.
func TestLost(t *testing.T) {
	for name, do := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".moved") },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte("theirs"), 0o600), os.Rename(path+"2", path))
		},
		"cut": func(path string) error { return os.Truncate(path, 200) },
		"rewritten": func(path string) error {
			b, _ := os.ReadFile(path)
			return os.WriteFile(path, make([]byte, len(b)), 0o600)
		},
	} {
		path, m, _ := small(t, "mamba2-half")
		s := open2(t, m, ref.New(1), 64)
		f, _, err := Open(path, s)
		if err != nil {
			t.Fatal(err)
		}
		if err := do(path); err != nil {
			if runtime.GOOS == "windows" { // which keeps others from it itself
				f.Close()
				continue
			}
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		feed(t, s, []int32{1, 2})
		for range 2 {
			if err := f.Append(s, turnOf("a")); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
			t.Errorf("%s: the file was written to", name)
		}
		if err := f.Renew(s, turnOf("a")); err != nil {
			t.Fatal(name, err)
		}
		feed(t, s, []int32{3})
		if err := f.Append(s, turnOf("a", "b")); err != nil {
			t.Fatal(name, err)
		}
		f.Close()
		if found, err := holds(t, path, open2(t, m, ref.New(1), 64)); err != nil || found.Turns != 2 || found.Tokens != len(s.Tokens()) {
			t.Errorf("%s, made anew: %+v, %v", name, found, err)
		}
	}
}

// Saving does not take the place of a file that somebody keeps a session in.
func TestSaveOver(t *testing.T) {
	path, m, _ := small(t, "mamba2-half")
	s := open2(t, m, ref.New(1), 64)
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	other := open2(t, m, ref.New(1), 64)
	feed(t, other, []int32{9})
	if err := Save(path, other, turnOf("z")); !errors.Is(err, lock.ErrBusy) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	feed(t, s, []int32{1})
	if err := f.Append(s, turnOf("a")); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := Save(path, other, turnOf("z")); err != nil {
		t.Error("once it is free:", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}
