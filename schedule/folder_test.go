package schedule

import (
	"os"
	"path/filepath"
	"testing"
)

// The folder of a scheduler that was killed is removed by the next one. That of one that
// lives stays, and so do folders of others.
func TestSweep(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp) // Windows
	e := newSim(4096)
	live := newCore(e, Options{})
	path, err := live.path()
	if err != nil {
		t.Fatal(err)
	}
	write := func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path)
	for _, dir := range []string{folders + "dead", folders + "odd", "other"} {
		if err := os.Mkdir(filepath.Join(temp, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(temp, folders+"dead", ownerFile))
	write(filepath.Join(temp, folders+"dead", "1-1.session"))
	write(filepath.Join(temp, folders+"odd", "mine"))
	write(filepath.Join(temp, folders+"file"))
	s := New(e, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	there := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	if there(filepath.Join(temp, folders+"dead")) {
		t.Error("a dead scheduler's folder is left")
	}
	for _, kept := range []string{path, filepath.Join(temp, folders+"odd", "mine"), filepath.Join(temp, "other"), filepath.Join(temp, folders+"file")} {
		if !there(kept) {
			t.Errorf("%s is gone", kept)
		}
	}
	if err := live.close(ErrClosed); err != nil || there(filepath.Dir(path)) {
		t.Errorf("its own folder is left: %v", err)
	}
}
