package format

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// Any byte of the header changed to any other value is seen when the file is
// opened, whatever the architecture it claims.
func TestHeaderFlips(t *testing.T) {
	var flips []byte // every other value of a byte; with -short some of them
	step := 1
	if testing.Short() {
		step = 23
	}
	for p := 1; p < 256; p += step {
		flips = append(flips, byte(p))
	}
	for _, arch := range []string{Arch, "llama"} {
		_, raw := writeSmall(t, arch)
		spaces := bytes.Index(raw, []byte("        "))
		tried := 0
		for i := range PageSize {
			some := flips
			if i > spaces+8 && raw[i] == ' ' { // thousands of equal bytes of padding
				some = flips[i%len(flips):][:1]
			}
			for _, p := range some {
				raw[i] ^= p
				if _, err := Parse(raw, "x"); err == nil {
					t.Errorf("%s: byte %d with %#02x flipped opens", arch, i, p)
				}
				raw[i] ^= p
				tried++
			}
		}
		if _, err := Parse(raw, "x"); err != nil || tried < PageSize+400*len(flips) {
			t.Error(err, tried)
		}
	}
}

// A file of ours cut anywhere, or continued, is refused when it is opened.
func TestCuts(t *testing.T) {
	for _, arch := range []string{Arch, "llama"} {
		_, raw := writeSmall(t, arch)
		for n := range raw {
			if _, err := Parse(raw[:n:n], "x"); err == nil {
				t.Errorf("%s: cut to %d of %d bytes it opens", arch, n, len(raw))
			}
		}
		if _, err := Parse(append(slices.Clone(raw), 0), "x"); !errors.Is(err, ErrCorrupt) {
			t.Error("a byte more:", err)
		}
	}
	// The same by way of the disk, at a few places.
	path, raw := writeSmall(t, Arch)
	for n := len(raw) - 1; n >= 0; n -= 1013 {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		if f, err := Open(path); err == nil {
			f.Close()
			t.Errorf("cut to %d of %d bytes on disk it opens", n, len(raw))
		}
	}
}

// Any change to any byte after the header is seen by Verify, which names the
// tensor it belongs to.
func TestVerify(t *testing.T) {
	_, raw := writeSmall(t, Arch)
	f, err := Parse(raw, "x")
	if err != nil {
		t.Fatal(err)
	}
	var last, total int64
	err = f.Verify(func(d, n int64) {
		if d < last {
			t.Errorf("progress went from %d back to %d", last, d)
		}
		last, total = d, n
	})
	if err != nil || last != total || total != int64(len(raw)) {
		t.Error(err, last, total)
	}
	for i := PageSize; i < len(raw); i++ {
		raw[i] ^= 1 << (i % 8)
		want := "verify x: tensor two is damaged: its checksum is "
		switch at := i - PageSize; {
		case at < 12:
			want = "verify x: tensor one is damaged: its checksum is "
		case at < 64:
			want = "verify x: the padding after tensor one is damaged: byte "
		case at >= 64+68:
			want = "verify x: the padding after tensor two is damaged: byte "
		}
		if err := f.Verify(nil); !errors.Is(err, ErrChecksum) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("byte %d: got %v, want %s", i, err, want)
		}
		raw[i] ^= 1 << (i % 8)
	}
	raw[5] ^= 1
	if err := f.Verify(nil); !errors.Is(err, ErrChecksum) {
		t.Error("the header changed after opening:", err)
	}
}

// A file that only its architecture marks as ours must carry the checksum too.
func TestOursWithoutChecksum(t *testing.T) {
	raw := one(0, 1, "general.architecture", uint32(8), "mambainllama")
	if _, err := Parse(raw, "x"); !errors.Is(err, ErrChecksum) {
		t.Error(err)
	}
}
