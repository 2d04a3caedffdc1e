package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/internal/lock"
)

// Eight writers of one file, over and over: each takes its name, since no sweep
// takes it for a dead one's, and nothing is left. Of those that want the name
// free one gets it.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Options{"over": {Perm: 0o600}, "new": {Perm: 0o600, New: true}} {
		path := filepath.Join(dir, name)
		var wg sync.WaitGroup
		done := make(chan error, 8*30)
		for range 8 {
			wg.Go(func() {
				for range 30 {
					f, err := Create(path, o)
					if err == nil {
						f.WriteString("whole")
						err = f.Commit()
					}
					done <- err
				}
			})
		}
		wg.Wait()
		close(done)
		good := 0
		for err := range done {
			if err == nil {
				good++
			} else if !o.New || !errors.Is(err, fs.ErrExist) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if b, err := os.ReadFile(path); string(b) != "whole" || o.New && good != 1 {
			t.Errorf("%s: %q, %v; %d took the name", name, b, err, good)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("files left: %v", left)
	}
}

// What a killed writer left goes with the next of the same file; what is being
// written stays, however its name is cut.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	for _, base := range []string{"f", strings.Repeat("é", 120)} {
		path := filepath.Join(dir, base)
		live, err := Create(path, Options{Perm: 0o600})
		if err != nil {
			t.Fatal(err)
		}
		dead := filepath.Join(dir, prefix(base)+"dead")
		if err := os.WriteFile(dead, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, 0o600, text("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dead); err == nil {
			t.Error("a dead writer's file is left")
		}
		if err := live.Commit(); err != nil {
			t.Error("a live writer's:", err)
		}
	}
	if got, ok := Target(prefix("a.tmp-b") + "1"); got != "a.tmp-b" || !ok {
		t.Error(got, ok)
	}
}

// A file that somebody owns is left alone, by its owner's leave alone replaced,
// and the owner has the new one from its first byte on.
func TestOwned(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	f, err := Create(path, Options{Perm: 0o600, New: true, Own: true})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := f.Keep()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Write(path, 0o600, text("x")); !errors.Is(err, lock.ErrBusy) {
			t.Fatal("written over what another owns:", err)
		}
		if other, err := os.OpenFile(path, os.O_RDWR, 0); err != nil || !errors.Is(lock.Own(other), lock.ErrBusy) {
			t.Fatal("a second owner", err)
		} else {
			other.Close()
		}
		if f, err = Create(path, Options{Perm: 0o600, Own: true, Over: mine}); err != nil {
			t.Fatal(err)
		}
		if mine, err = f.Keep(); err != nil || !lock.Names(path, mine) {
			t.Fatal(err)
		}
	}
	lock.Release(mine)
	mine.Close()
	if err := Write(path, 0o600, text("x")); err != nil {
		t.Error("once it is free:", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

// A link that leads nowhere yet gets its file where it leads.
func TestDangling(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join("to", "f"), link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "to"), 0o700), Write(link, 0o600, text("x"))); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "to", "f")); string(b) != "x" {
		t.Error(string(b), err)
	}
}
