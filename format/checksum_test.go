package format

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// Any change to any byte of the header is seen when the file is opened.
func TestHeaderFlips(t *testing.T) {
	_, raw := writeSmall(t)
	patterns := []byte{1, 2, 4, 8, 16, 32, 64, 128, 255, 0x55}
	if testing.Short() {
		patterns = []byte{1, 4, 255}
	}
	spaces := bytes.Index(raw, []byte("        "))
	for i := range PageSize {
		some := patterns
		if i > spaces && raw[i] == ' ' {
			some = patterns[i%len(patterns):][:1] // thousands of equal bytes of padding
		}
		for _, p := range some {
			raw[i] ^= p
			if _, err := Parse(raw, "x"); err == nil {
				t.Errorf("byte %d with %#02x flipped opens", i, p)
			}
			raw[i] ^= p
		}
		// And the byte's value gone or at its most.
		old := raw[i]
		for _, v := range []byte{0, 255} {
			if raw[i] = v; v == old || len(some) == 1 {
				continue
			}
			if _, err := Parse(raw, "x"); err == nil {
				t.Errorf("byte %d of value %d opens", i, v)
			}
		}
		raw[i] = old
	}
	if _, err := Parse(raw, "x"); err != nil {
		t.Error(err)
	}
}

// A file of ours cut anywhere, or continued, is refused when it is opened.
func TestCuts(t *testing.T) {
	_, raw := writeSmall(t)
	for n := range raw {
		if _, err := Parse(raw[:n:n], "x"); err == nil {
			t.Errorf("cut to %d of %d bytes it opens", n, len(raw))
		}
	}
	if _, err := Parse(append(slices.Clone(raw), 0), "x"); !errors.Is(err, ErrCorrupt) {
		t.Error("a byte more:", err)
	}
}

// Any change to any byte after the header is seen by Verify, which names the
// tensor it belongs to.
func TestVerify(t *testing.T) {
	_, raw := writeSmall(t)
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
