package models

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestNameFor(t *testing.T) {
	for path, want := range map[string]string{
		"models/M1-3B": "m1-3b", "M1-3B/": "m1-3b", "a/Llama3.2-Mamba2-3B.gguf": "llama3.2-mamba2-3b", "x.BIN": "x", "M-00001-of-00003.gguf": "m", "Mein Modell (1)": "mein-modell-1",
		"...": "model", "-rf": "rf", "käse": "k-se", "demo": "demo-model", "NUL": "nul-model", "aux.1": "aux.1-model", ".bin": "bin",
	} {
		got := NameFor(path)
		if got != want || Check(got) != nil {
			t.Errorf("%q: %q, %v; want %q", path, got, Check(got), want)
		}
	}
	if n := NameFor(strings.Repeat("Ü.", 500)); Check(n) != nil {
		t.Errorf("%q: %v", n, Check(n))
	}
}

// Names are never paths, whatever they are made of.
func TestCheck(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "../x", "a/b", `a\b`, "c:x", "/etc/passwd", "-x", ".x", "a b", "a\nb", "a\x1bb", "a\u0085b", "a\x00b", strings.Repeat("x", 300)} {
		if err := Check(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
		if path, err := Folder("/models").Path(bad); err == nil {
			t.Errorf("%q became %q", bad, path)
		}
	}
	for _, good := range []string{"m1-3b", "llama3.2", "x_1", "Ü"} {
		if err := Check(good); err != nil {
			t.Error(err)
		}
	}
	if _, err := Folder("/models").Path(Demo); !errors.Is(err, ErrName) {
		t.Errorf("the demo's name: %v", err)
	}
	if _, err := Folder("").Path("x"); err == nil {
		t.Error("a model in no folder")
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	f := Folder(filepath.Join(dir, "models"))
	if list, err := f.List(); list != nil || err != nil {
		t.Errorf("no folder: %v, %v", list, err)
	}
	if err := os.Mkdir(string(f), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "outside")
	for _, path := range []string{outside, f.file("b.bin"), f.file("a.GGUF"), f.file("b.gguf"), f.file("demo.bin"), f.file("note.txt"), f.file("b.bin.tmp-1"), f.file(".bin")} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.file("folder.bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "b"}
	if runtime.GOOS != "windows" { // where links need a privilege
		if err := errors.Join(os.Symlink(outside, f.file("link.bin")), os.Symlink("gone", f.file("gone.bin"))); err != nil {
			t.Fatal(err)
		}
		want = []string{"a", "b", "gone", "link"}
	}
	if names := f.Names(); !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if path, err := f.Find("b"); path != f.file("b.bin") || err != nil {
		t.Errorf("%q, %v", path, err)
	}
	if _, err := f.Find("c"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	for _, name := range want {
		if err := f.Remove(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"../outside", "folder", "demo", "note.txt", "note"} {
		if err := f.Remove(name); err == nil {
			t.Errorf("%s was removed", name)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error("a link's target was removed:", err)
	}
	if names := f.Names(); !slices.Equal(names, []string{"b"}) { // b.gguf, which b.bin hid
		t.Errorf("left: %q", names)
	}
}

// A model in several files has one name, and they go together.
func TestParts(t *testing.T) {
	f := Folder(t.TempDir())
	for _, name := range []string{"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf", "m-00001-of-00004.gguf.part", "n-00002-of-00002.gguf"} {
		if err := os.WriteFile(f.file(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := f.List(); err != nil || len(list) != 1 || list[0] != (Entry{"m", f.file("m-00001-of-00003.gguf")}) {
		t.Errorf("%v, %v", list, err)
	}
	if err := f.Remove("m"); err != nil {
		t.Error(err)
	}
	left, _ := os.ReadDir(string(f))
	if len(left) != 2 || left[0].Name() != "m-00001-of-00004.gguf.part" || left[1].Name() != "n-00002-of-00002.gguf" {
		t.Errorf("left: %v", left)
	}
}

func (f Folder) file(name string) string { return filepath.Join(string(f), name) }

func TestDefault(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the folder is the system's")
	}
	for _, c := range []struct{ data, home, want string }{
		{"/data", "/home/x", "/data/mil/models"}, {"data", "/home/x", "/home/x/.local/share/mil/models"}, {"", "/home/x", "/home/x/.local/share/mil/models"},
	} {
		t.Setenv("XDG_DATA_HOME", c.data)
		t.Setenv("HOME", c.home)
		if got, err := Default(); string(got) != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	t.Setenv("HOME", "")
	if got, err := Default(); !errors.Is(err, ErrFolder) {
		t.Errorf("without a home: %q, %v", got, err)
	}
}
