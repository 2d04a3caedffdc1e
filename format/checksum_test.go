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
		case at < Alignment:
			want = "verify x: the padding after tensor one is damaged: byte "
		case at >= Alignment+68:
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

// A file of ours that another program wrote anew, with a key behind ours, has
// another file's checksums. It counts as made elsewhere.
func TestRewritten(t *testing.T) {
	_, raw := writeSmall(t, Arch)
	// As ggml writes it: every key, one more, and the tensors behind a header
	// that ends on no page.
	var s spec
	s.put("general.file_type", uint32(4), uint32(7))
	f, err := Parse(raw, "x")
	if err != nil {
		t.Fatal(err)
	}
	infos := bytes.LastIndex(raw[:PageSize], []byte("\x03\x00\x00\x00\x00\x00\x00\x00one"))
	again := slices.Concat(raw[:infos], s.Bytes(), raw[infos:PageSize])
	again = slices.Concat(again, make([]byte, -len(again)&(Alignment-1)), raw[PageSize:])
	again[16]++ // keys
	g, err := Parse(again, "x")
	if err != nil {
		t.Fatal(err)
	}
	if g.Ours() || !errors.Is(g.Verify(nil), ErrNoChecksums) {
		t.Error("it counts as ours")
	}
	for i, a := range f.Tensors() {
		if !bytes.Equal(g.Data(g.Tensors()[i]), f.Data(a)) {
			t.Errorf("tensor %s changed", a.Name)
		}
	}
	again[bytes.Index(again, []byte("mil.padding"))] ^= 1
	if _, err := Parse(again, "x"); !errors.Is(err, ErrChecksum) {
		t.Error("without the padding:", err)
	}
}

// A file that only its architecture marks as ours must carry the checksum too.
func TestOursWithoutChecksum(t *testing.T) {
	raw := one(0, 1, "general.architecture", uint32(8), "mambainllama")
	if _, err := Parse(raw, "x"); !errors.Is(err, ErrChecksum) {
		t.Error(err)
	}
}
