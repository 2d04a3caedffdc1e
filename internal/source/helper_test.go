package source

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/show"
)

// put writes files into a fresh folder.
func put(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// safetensors is a file with this header and n bytes of data.
func safetensors(header string, data int) string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return string(b) + header + strings.Repeat("\x00", data)
}

// code assembles a pickle.
type code struct{ bytes.Buffer }

func (c *code) op(ops ...byte) *code { c.Write(ops); return c }

func (c *code) global(module, name string) *code {
	c.WriteString("c" + module + "\n" + name + "\n")
	return c
}

func (c *code) text(s string) *code {
	c.WriteByte('X')
	c.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	c.WriteString(s)
	return c
}

func (c *code) num(n int32) *code {
	c.WriteByte('J')
	c.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	return c
}

func (c *code) tuple(v ...int32) *code {
	c.op('(')
	for _, n := range v {
		c.num(n)
	}
	return c.op('t')
}

// storage refers to n values of the entry data/key.
func (c *code) storage(class, key string, n int32) *code {
	return c.op('(').text("storage").global("torch", class).text(key).text("cpu").num(n).op('t', 'Q')
}

// tensor is a rebuilt view of a storage.
func (c *code) tensor(class, key string, n, offset int32, shape, strides []int32) *code {
	c.global("torch._utils", "_rebuild_tensor_v2").op('(').storage(class, key, n).num(offset)
	return c.tuple(shape...).tuple(strides...).op(0x89).global("collections", "OrderedDict").op(')', 'R', 't', 'R')
}

// dict is a whole pickle of a dict whose members f writes.
func dict(f func(c *code)) string {
	c := &code{}
	c.op(0x80, 2, '}', '(')
	f(c)
	return c.op('u', '.').String()
}

// entry is one of a zip.
type entry struct {
	name, content string
	method        uint16
}

// archived is a zip as torch.save makes it, with data.pkl and other entries.
func archived(tb testing.TB, pickle string, more ...entry) string {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range append([]entry{{"archive/data.pkl", pickle, zip.Store}}, more...) {
		n := uint64(len(e.content)) // raw, so that another method is but a claim
		f, err := w.CreateRaw(&zip.FileHeader{Name: e.name, Method: e.method, CRC32: crc32.ChecksumIEEE([]byte(e.content)), CompressedSize64: n, UncompressedSize64: n})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := f.Write([]byte(e.content)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// floats is little-endian float32.
func floats(v ...float32) string {
	b, _ := binary.Append(nil, binary.LittleEndian, v)
	return string(b)
}

// fails asserts that the folder does not open, for the reason given, and that
// the message is one line.
func fails(t *testing.T, files map[string]string, want string) {
	t.Helper()
	c, err := Open(put(t, files))
	if err == nil {
		c.Close()
		t.Fatalf("opened; want %q", want)
	}
	if !strings.Contains(err.Error(), want) || !show.Plain(err.Error()) {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

// oneLine asserts that an error's message is one line.
func oneLine(t *testing.T, err error) error {
	if err != nil && !show.Plain(err.Error()) {
		t.Errorf("%q is not one line", err)
	}
	return err
}

// readAll reads the tensors of a file, if it is one.
func readAll(t *testing.T, read func(*Checkpoint, file) error, data []byte) {
	c := &Checkpoint{tensors: map[string]*Tensor{}}
	if oneLine(t, read(c, file{bytes.NewReader(data), "fuzzed", int64(len(data))})) != nil {
		return
	}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		if x.DType == Unsupported {
			continue
		}
		if err := c.ReadRows(x, 0, x.Rows(), make([]float32, x.Len())); err != nil {
			t.Error(err)
		}
	}
}
