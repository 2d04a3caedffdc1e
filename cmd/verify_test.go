package cmd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// verify runs the command on a file and returns what it prints and its error.
func verify(path string) (string, error) {
	var out bytes.Buffer
	err := Execute([]string{"verify", path}, strings.NewReader(""), &out, &out)
	return out.String(), err
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.bin")
	w := format.NewWriter(path, false)
	defer w.Abort()
	names := []string{"token_embd.weight", "blk.0.ffn_up.weight", "output_norm.weight"}
	for _, n := range names {
		w.Add(n, quant.F32, 8, 3)
	}
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	for i := range names {
		if _, err := w.Write(bytes.Repeat([]byte{byte(i + 1)}, 96)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(path); err != nil || out != path+": 3 tensors, all as written\n" {
		t.Errorf("%q %v", out, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		at := len(raw) - (len(names)-i)*96 + 31*i
		raw[at] ^= 4
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := verify(path)
		want := "verify " + path + ": tensor " + n + " is damaged: its checksum is "
		if out != "" || !errors.Is(err, format.ErrChecksum) || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q %v, want %s", out, err, want)
		}
		raw[at] ^= 4
	}
}

// A file of another program gets the structural checks.
func TestVerifyForeign(t *testing.T) {
	raw := []byte("GGUF")
	raw = binary.LittleEndian.AppendUint32(raw, 3)
	raw = binary.LittleEndian.AppendUint64(raw, 1) // tensors
	raw = binary.LittleEndian.AppendUint64(raw, 0) // keys
	raw = binary.LittleEndian.AppendUint64(raw, 1)
	raw = append(raw, 't')
	raw = binary.LittleEndian.AppendUint32(raw, 1) // dimensions
	raw = binary.LittleEndian.AppendUint64(raw, 4)
	raw = binary.LittleEndian.AppendUint32(raw, uint32(quant.F32))
	raw = binary.LittleEndian.AppendUint64(raw, 0)             // offset
	raw = append(raw, make([]byte, (32-len(raw)%32)%32+16)...) // padding, and the data
	path := filepath.Join(t.TempDir(), "other.gguf")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(path); err != nil || !strings.HasPrefix(out, path+": 1 tensors, all within the file; it carries no checksums") {
		t.Errorf("%q %v", out, err)
	}
	if err := os.WriteFile(path, raw[:len(raw)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	want := "open " + path + ": tensor t ends 1 bytes past the file"
	if out, err := verify(path); out != "" || err == nil || err.Error() != want {
		t.Errorf("%q %v, want %s", out, err, want)
	}
}
