package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/quant"
)

// spec writes GGUF from its specification, sharing nothing with the Writer.
type spec struct{ bytes.Buffer }

func (s *spec) put(vs ...any) *spec {
	for _, v := range vs {
		if t, ok := v.(string); ok {
			s.put(uint64(len(t)))
			s.WriteString(t)
			continue
		}
		if err := binary.Write(s, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return s
}

// slowSum is CRC-32C bit by bit, from its definition.
func slowSum(p []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range p {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78*(crc&1)
		}
	}
	return ^crc
}

// small declares the file that most tests use.
func small(w *Writer, arch string) (data [][]byte) {
	w.Set("general.architecture", arch)
	w.Set("a.uint16", uint16(7))
	w.Set("a.ints", []int32{-1, 2})
	w.Set("a.strings", []string{"ab", "", "c\xff"})
	w.Set("a.flag", true)
	w.Add("one", quant.F32, 3)
	w.Add("two", quant.Q8_0, 32, 2)
	data = [][]byte{make([]byte, 12), make([]byte, 68)}
	for _, d := range data {
		for i := range d {
			d[i] = byte(i*7 + len(d))
		}
	}
	return data
}

// writeSmall is its path and bytes.
func writeSmall(t testing.TB, arch string) (string, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.bin")
	w := NewWriter(path, false)
	defer w.Abort()
	data := small(w, arch)
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	for _, d := range data {
		for _, part := range [][]byte{d[:5], d[5:]} {
			if n, err := w.Write(part); err != nil || n != len(part) {
				t.Fatal(n, err)
			}
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(raw)) != w.Size() {
		t.Fatalf("%d bytes, Size says %d", len(raw), w.Size())
	}
	return path, raw
}

func TestWriterBytes(t *testing.T) {
	_, got := writeSmall(t, Arch)
	data := small(NewWriter("", false), Arch)

	var infos, s spec
	infos.put("one", uint32(1), uint64(3), uint32(0), uint64(0))
	infos.put("two", uint32(2), uint64(32), uint64(2), uint32(8), uint64(32))
	s.WriteString("GGUF")
	s.put(uint32(3), uint64(2), uint64(9))
	s.put("general.architecture", uint32(8), "mambainllama")
	s.put("a.uint16", uint32(2), uint16(7))
	s.put("a.ints", uint32(9), uint32(5), uint64(2), int32(-1), int32(2))
	s.put("a.strings", uint32(9), uint32(8), uint64(3), "ab", "", "c\xff")
	s.put("a.flag", uint32(7), uint8(1))
	s.put("general.alignment", uint32(4), uint32(32))
	s.put("mil.checksum.tensors", uint32(9), uint32(4), uint64(2), slowSum(data[0]), slowSum(data[1]))
	s.put("mil.checksum.header", uint32(4))
	at := s.Len()
	s.put(uint32(0))
	s.put("mil.padding", uint32(8))
	s.put(strings.Repeat(" ", 16384-s.Len()-8-infos.Len()))
	s.Write(infos.Bytes())
	if s.Len() != 16384 {
		t.Fatalf("the expected header is %d bytes long", s.Len())
	}
	binary.LittleEndian.PutUint32(s.Bytes()[at:], slowSum(s.Bytes()))
	s.Write(append(data[0], make([]byte, 32-12)...))
	s.Write(append(data[1], make([]byte, 96-68)...))
	if !bytes.Equal(got, s.Bytes()) {
		t.Errorf("the Writer's bytes differ from the specification's:\n%q\n%q", bytes.ReplaceAll(got, []byte("    "), nil), bytes.ReplaceAll(s.Bytes(), []byte("    "), nil))
	}
}

func TestRoundTrip(t *testing.T) {
	values := []keyValue{
		{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
		{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)},
		{"f32", float32(0.1)}, {"f64", 0.1}, {"yes", true}, {"no", false}, {"text", "h\u00e9"}, {"none", ""},
		{"u8s", []uint8{1, 255}}, {"i8s", []int8{-1}}, {"u16s", []uint16{1, 2, 3}}, {"i16s", []int16{-2}},
		{"u32s", []uint32{7}}, {"i32s", []int32{-7, 7}}, {"u64s", []uint64{1 << 63}}, {"i64s", []int64{-1}},
		{"f32s", []float32{1.5}}, {"f64s", []float64{2.5, -1}}, {"bools", []bool{true, false}},
		{"texts", []string{"a", "", "bc"}}, {"empty", []int32{}}, {"emptytexts", []string{}},
	}
	write := func(kvs []keyValue) []byte {
		path := filepath.Join(t.TempDir(), "kv")
		w := NewWriter(path, false)
		for _, kv := range kvs {
			w.Set(kv.key, kv.value)
		}
		if err := errors.Join(w.Begin(), w.Finish()); err != nil {
			t.Fatal(err)
		}
		raw, _ := os.ReadFile(path)
		return raw
	}
	first := write(values)
	f, err := Parse(first, "kv")
	if err != nil {
		t.Fatal(err)
	}
	var again []keyValue
	for _, k := range f.KV().Keys() {
		v, ok := f.KV().Raw(k)
		if !ok {
			t.Fatal("no", k)
		}
		again = append(again, keyValue{k, v})
	}
	if len(again) != len(values)+4 {
		t.Errorf("%d keys came back of %d and the Writer's 4", len(again), len(values))
	}
	if !bytes.Equal(first, write(again)) {
		t.Error("writing what Raw gave makes other bytes")
	}
}

func TestHeaderEndsOnPage(t *testing.T) {
	// Every length near a page's end, and beyond.
	for n := 15900; n < 16384+100; n++ {
		l, err := lay([]keyValue{{"k", strings.Repeat("x", n)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.bytes)%PageSize != 0 {
			t.Fatalf("a value of %d bytes makes a header of %d", n, len(l.bytes))
		}
	}
}

// only checks that a folder holds just these names.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range es {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %q, not %q", got, names)
	}
}

func TestWriterRefuses(t *testing.T) {
	for want, declare := range map[string]func(w *Writer){
		"key k holds a int, which GGUF has no type for":                        func(w *Writer) { w.Set("k", 1) },
		"key k holds a [][]uint8, which GGUF has no type for":                  func(w *Writer) { w.Set("k", [][]byte{}) },
		"key k has no value":                                                   func(w *Writer) { w.Set("k", nil) },
		`key "" is empty or too long`:                                          func(w *Writer) { w.Set("", "x") },
		"tensor a is added twice":                                              func(w *Writer) { w.Add("a", quant.F32, 1); w.Add("a", quant.F32, 1) },
		"tensor a has 0 dimensions, not 1 to 4":                                func(w *Writer) { w.Add("a", quant.F32) },
		"tensor a has an empty dimension: [1 0]":                               func(w *Writer) { w.Add("a", quant.F32, 1, 0) },
		"tensor a has rows of 33 values, not a multiple of the 32 of a q8_0 b": func(w *Writer) { w.Add("a", quant.Q8_0, 33) },
		"tensor a has type 99, which nobody knows (supported: f32":             func(w *Writer) { w.Add("a", 99, 1) },
		"is empty or longer than 63 bytes":                                     func(w *Writer) { w.Add(strings.Repeat("a", 64), quant.F32, 1) },
		"tensor a is absurdly large":                                           func(w *Writer) { w.Add("a", quant.F32, 1<<40, 1<<40) },
	} {
		dir := t.TempDir()
		w := NewWriter(filepath.Join(dir, "x"), false)
		declare(w)
		if err := w.Begin(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		only(t, dir)
	}
}

func TestWriterAmounts(t *testing.T) {
	begin := func(t *testing.T) (*Writer, string) {
		dir := t.TempDir()
		w := NewWriter(filepath.Join(dir, "x"), false)
		w.Add("a", quant.F32, 2)
		w.Add("b", quant.F32, 1)
		if err := w.Begin(); err != nil {
			t.Fatal(err)
		}
		return w, dir
	}
	check := func(t *testing.T, err error, want string) {
		t.Helper()
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	t.Run("more", func(t *testing.T) {
		w, dir := begin(t)
		_, err := w.Write(make([]byte, 9))
		check(t, err, "x: tensor a gets 1 bytes more than its 8")
		w.Abort()
		only(t, dir)
		_, err = w.Write(make([]byte, 1))
		check(t, err, "x: the writer is closed")
	})
	t.Run("less", func(t *testing.T) {
		w, dir := begin(t)
		w.Write(make([]byte, 8))
		w.Write(make([]byte, 3))
		check(t, w.Finish(), "x: tensor b got 3 of its 4 bytes")
		only(t, dir)
	})
	t.Run("after the last", func(t *testing.T) {
		w, dir := begin(t)
		w.Write(make([]byte, 8))
		w.Write(make([]byte, 4))
		_, err := w.Write(make([]byte, 1))
		check(t, err, "x: 1 bytes too many after the last tensor")
		if err := w.Finish(); err != nil {
			t.Error(err)
		}
		w.Abort()
		only(t, dir, "x")
	})
}

func TestWriterOverwrites(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	old := func() { os.WriteFile(path, []byte("old"), 0o644) }
	kept := func() {
		t.Helper()
		if b, _ := os.ReadFile(path); string(b) != "old" {
			t.Error("the file was replaced")
		}
		only(t, dir, "x")
	}
	old()
	if err := NewWriter(path, false).Begin(); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	kept()

	os.Remove(path)
	w := NewWriter(path, false)
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	old() // somebody is faster
	if err := w.Finish(); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	kept()

	w = NewWriter(path, true)
	if err := errors.Join(w.Begin(), w.Finish()); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "x")
	if f, err := Open(path); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}

	if err := NewWriter(dir, true).Begin(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error("a folder:", err)
	}
	if err := NewWriter(filepath.Join(dir, "no", "x"), true).Begin(); !errors.Is(err, os.ErrNotExist) {
		t.Error("a folder that is not there:", err)
	}
}
