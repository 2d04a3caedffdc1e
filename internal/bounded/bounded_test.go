package bounded

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// endless gives one text again and again.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// allocated is the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestRead(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10} {
		for _, in := range []io.Reader{strings.NewReader(strings.Repeat("x", n)), iotest.OneByteReader(strings.NewReader(strings.Repeat("x", n))), iotest.DataErrReader(strings.NewReader(strings.Repeat("x", n)))} {
			if b, err := Read(in, 10); len(b) != n || err != nil {
				t.Errorf("%d bytes: %d, %v", n, len(b), err)
			}
		}
	}
	for _, in := range []io.Reader{strings.NewReader(strings.Repeat("x", 11)), iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 11))), endless("ab\n")} {
		if _, err := Read(in, 10); !errors.Is(err, ErrLong) || !strings.Contains(err.Error(), "10 bytes") {
			t.Errorf("11 bytes: %v", err)
		}
	}
}

// Input without an end takes memory for its limit.
func TestEndless(t *testing.T) {
	const limit = 4 << 20
	used := allocated(func() {
		if _, err := Read(endless(strings.Repeat("y\n", 4096)), limit); !errors.Is(err, ErrLong) {
			t.Error(err)
		}
	})
	if used > 8*limit {
		t.Errorf("%d bytes for a limit of %d", used, limit)
	}
	used = allocated(func() {
		if _, err := readText(endless(strings.Repeat("y\n", 4096)), 0, limit); !errors.Is(err, ErrLong) {
			t.Error(err)
		}
	})
	if used > 8*limit {
		t.Errorf("text: %d bytes for a limit of %d", used, limit)
	}
	used = allocated(func() {
		if _, err := readText(endless(strings.Repeat("\x00", 4096)), 0, 1<<40); !errors.Is(err, ErrNotText) {
			t.Error(err)
		}
	})
	if used > limit {
		t.Errorf("zeros: %d bytes", used)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "text")
	os.WriteFile(path, []byte("Tea.\n"), 0o600)
	if text, err := Text(path); text != "Tea.\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if b, err := File(path, 5); string(b) != "Tea.\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := File(path, 4); !errors.Is(err, ErrLong) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Error(err)
	}
	os.WriteFile(path, []byte("Tea\x00.\n"), 0o600)
	if _, err := Text(path); !errors.Is(err, ErrNotText) || !strings.Contains(err.Error(), "byte 3 is zero") || !strings.HasPrefix(err.Error(), path+": ") {
		t.Error(err)
	}
	// A file that is too large is not read at all: this one has no bytes but a size.
	if err := os.Truncate(path, MaxText+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Text(path); !errors.Is(err, ErrLong) || !strings.Contains(err.Error(), "1.00 GB") {
		t.Error(err)
	}
	if _, err := Text(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	os.WriteFile(path, []byte("a\n\n \nb\nc"), 0o600)
	got := ""
	if err := Lines(path, func(b []byte) error { got += string(b) + "|"; return nil }); err != nil || got != "a|b|c|" {
		t.Errorf("%q, %v", got, err)
	}
	bad := errors.New("bad")
	if err := Lines(path, func(b []byte) error {
		if string(b) == "b" {
			return bad
		}
		return nil
	}); !errors.Is(err, bad) || err.Error() != path+": line 4: bad" {
		t.Error(err)
	}
	// One line without end, and lines without end.
	for _, text := range []string{"x", "x\n", "\n"} {
		in := endless(strings.Repeat(text, 4096))
		used := allocated(func() {
			if _, err := eachLine(in, 1<<18, 1<<20, func([]byte) error { return nil }); !errors.Is(err, ErrLong) {
				t.Errorf("%q: %v", text, err)
			}
		})
		if used > 4<<18 {
			t.Errorf("%q: %d bytes", text, used)
		}
	}
}
