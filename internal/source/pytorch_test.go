package source

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPyTorchViews(t *testing.T) {
	values := entry{"archive/data/0", floats(0, 1, 2, 3, 4, 5), zip.Store}
	pickle := dict(func(c *code) {
		c.text("all").tensor("FloatStorage", "0", 6, 0, []int32{2, 3}, []int32{3, 1})
		c.text("tail").tensor("FloatStorage", "0", 6, 4, []int32{2}, []int32{1})
		c.text("scalar").tensor("FloatStorage", "0", 6, 3, nil, nil)
		c.text("row").tensor("FloatStorage", "0", 6, 3, []int32{1, 3}, []int32{99, 1}) // one row: its stride is never taken
		c.text("parameter").global("torch._utils", "_rebuild_parameter").op('(').
			tensor("FloatStorage", "0", 6, 1, []int32{1}, []int32{1}).op(0x88).global("collections", "OrderedDict").op(')', 'R', 't', 'R')
		c.text("version").num(2)
	})
	c, err := Open(put(t, map[string]string{"pytorch_model.bin": archived(t, pickle, values)}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, want := range map[string][]float32{"all": {0, 1, 2, 3, 4, 5}, "tail": {4, 5}, "scalar": {3}, "row": {3, 4, 5}, "parameter": {1}} {
		x, ok := c.Tensor(name)
		if !ok {
			t.Errorf("no tensor %s", name)
			continue
		}
		got := make([]float32, x.Len())
		if err := c.ReadRows(x, 0, x.Rows(), got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
}

// TestStateDictWithMetadata reads what torch.save(model.state_dict()) writes:
// an OrderedDict with an attribute.
func TestStateDictWithMetadata(t *testing.T) {
	c := &code{}
	c.op(0x80, 2).global("collections", "OrderedDict").op(')', 'R', '(')
	c.text("w").tensor("FloatStorage", "0", 1, 0, []int32{1}, []int32{1}).op('u')
	c.op('}').text("_metadata").global("collections", "OrderedDict").op(')', 'R', 's', 'b', '.')
	ck, err := Open(put(t, map[string]string{"pytorch_model.bin": archived(t, c.String(), entry{"archive/data/0", floats(7), zip.Store})}))
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	if got := ck.Names(); !slices.Equal(got, []string{"w"}) {
		t.Errorf("tensors %v", got)
	}
}

// TestNothingRuns has pickles that would run something if they were obeyed.
func TestNothingRuns(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	for name, pickle := range map[string]string{
		"os.system":    dict(func(c *code) { c.text("a").global("os", "system").op('(').text("touch "+mark).op('t', 'R') }),
		"builtin eval": dict(func(c *code) { c.text("a").global("builtins", "eval").op('(').text("1").op('t', 'R') }),
		"stack global": dict(func(c *code) { c.text("a").text("posix").text("system").op(0x93, ')', 'R') }),
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, map[string]string{"pytorch_model.bin": archived(t, pickle)}, "nothing in a checkpoint is executed")
		})
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the pickle ran")
	}
}

func TestBadPyTorch(t *testing.T) {
	values := entry{"archive/data/0", floats(0, 1), zip.Store}
	member := func(class, key string, n, offset int32, shape, strides []int32) string {
		return dict(func(c *code) { c.text("w").tensor(class, key, n, offset, shape, strides) })
	}
	whole := member("FloatStorage", "0", 2, 0, []int32{2}, []int32{1})
	for name, c := range map[string]struct{ file, want string }{
		"legacy":          {"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "an old PyTorch format"},
		"truncated":       {archived(t, whole, values)[:300], "not a whole zip archive"},
		"other zip":       {zipOf(t, entry{"x", "", zip.Store}), "a zip archive without data.pkl"},
		"two pickles":     {archived(t, whole, entry{"b/data.pkl", "", zip.Store}), "two pickles"},
		"big-endian":      {archived(t, whole, values, entry{"archive/byteorder", "big", zip.Store}), "byte order big"},
		"compressed":      {archived(t, whole, entry{"archive/data/0", floats(0, 1), zip.Deflate}), "storage 0 is compressed"},
		"absent storage":  {archived(t, whole), "storage 0 is not in the archive"},
		"short storage":   {archived(t, whole, entry{"archive/data/0", "\x00", zip.Store}), "storage 0 has 1 bytes, wanted 8"},
		"unknown class":   {archived(t, member("QInt8Storage", "0", 2, 0, []int32{2}, []int32{1}), values), "asks for torch.QInt8Storage"},
		"past the end":    {archived(t, member("FloatStorage", "0", 2, 1, []int32{2}, []int32{1}), values), "reaches past storage 0"},
		"huge shape":      {archived(t, member("FloatStorage", "0", 2, 0, []int32{1 << 30, 1 << 30, 1 << 30}, []int32{0, 0, 0}), values), "impossible shape"},
		"negative offset": {archived(t, member("FloatStorage", "0", 2, -1, []int32{1}, []int32{1}), values), "reaches past storage 0"},
		"negative stride": {archived(t, member("FloatStorage", "0", 2, 1, []int32{2}, []int32{-1}), values), "reaches past storage 0"},
		"transposed":      {archived(t, member("FloatStorage", "0", 4, 0, []int32{2, 2}, []int32{1, 2}), values), "is not contiguous"},
		"stretched":       {archived(t, member("FloatStorage", "0", 2, 0, []int32{2}, []int32{0}), values), "is not contiguous"},
		"negative length": {archived(t, member("FloatStorage", "0", -1, 0, []int32{1}, []int32{1}), values), "impossible length of -1"},
		"many dimensions": {archived(t, member("FloatStorage", "0", 2, 0, make([]int32, 9), make([]int32, 9)), values), "make no sense"},
		"twice":           {archived(t, dict(func(c *code) { twice(c); twice(c) }), values), "tensor w appears twice"},
		"no dict":         {archived(t, "\x80\x02].", values), "the pickle holds a list"},
		"no tensors":      {archived(t, dict(func(c *code) { c.text("epoch").num(1) })), "no tensors, but epoch"},
		"number as key":   {archived(t, dict(func(c *code) { c.num(1).num(1) })), "a key of type int"},
		"odd dict":        {archived(t, dict(func(c *code) { c.num(1) })), "the pickle is broken"},
		"ends early":      {archived(t, whole[:len(whole)-1], values), "the pickle ends too early"},
		"long string":     {archived(t, "\x80\x02X\xff\xff\xff\xffab."), "a value of 4294967295 bytes"},
		"bytes":           {archived(t, "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."), "operation 0x8e at byte 2"},
		"frame":           {archived(t, "\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f."), "data.pkl: the pickle ends within a frame"},
		"nested":          {archived(t, strings.Repeat("(", 100)+"."), "too deep"},
		"unbalanced":      {archived(t, "\x80\x02t."), "nests its values wrongly"},
		"long program":    {archived(t, strings.Repeat("}", maxOperations)+"."), "more than 1048576 operations"},
		"large":           {archived(t, strings.Repeat(".", maxPickle+1)), "data.pkl has more than"},
		"empty integer":   {archived(t, "\x80\x02\x8a\x00."), "the pickle is broken"},
		"empty stack":     {archived(t, "\x80\x02R."), "data.pkl: the stack is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, map[string]string{"pytorch_model.bin": c.file}, "pytorch_model.bin: ")
			fails(t, map[string]string{"pytorch_model.bin": c.file}, c.want)
		})
	}
}

// twice is a member under a name that others have too.
func twice(c *code) { c.text("w").tensor("FloatStorage", "0", 2, 0, []int32{2}, []int32{1}) }

// zipOf is a zip that torch.save did not make.
func zipOf(t *testing.T, e entry) string {
	s := archived(t, "", e)
	return strings.ReplaceAll(s, "archive/data.pkl", "archive/data.txt")
}

func FuzzPickle(f *testing.F) {
	f.Add([]byte(dict(func(c *code) { c.text("w").tensor("FloatStorage", "0", 2, 0, []int32{2}, []int32{1}) })))
	f.Add([]byte("\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00}\x94."))
	values := entry{"archive/data/0", floats(0, 1), zip.Store}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		readAll(t, (*Checkpoint).readPyTorch, []byte(archived(t, string(pickle), values)))
	})
}

func FuzzPyTorchZip(f *testing.F) {
	f.Add([]byte(archived(f, dict(func(c *code) { c.text("w").tensor("FloatStorage", "0", 2, 0, []int32{2}, []int32{1}) }), entry{"archive/data/0", floats(0, 1), zip.Store})))
	f.Fuzz(func(t *testing.T, data []byte) { readAll(t, (*Checkpoint).readPyTorch, data) })
}
