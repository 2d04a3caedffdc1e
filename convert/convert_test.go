package convert

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
	"github.com/mil-run/mil/tokenizer"
)

// TestEveryLayout converts every published layout and opens what came out.
func TestEveryLayout(t *testing.T) {
	for name, want := range map[string]struct {
		arch      string
		attention []int
	}{
		"llama": {"llama", []int{0, 1, 2, 3}}, "zephyr": {"mambainllama", []int{0, 3}},
		"mamba1-half": {"mambainllama", []int{1, 3}}, "mamba1-convfirst": {"mambainllama", []int{2}}, "mamba1-merged": {"mambainllama", []int{1, 2}},
		"mamba2-half": {"mambainllama", []int{1, 3}}, "mamba2-repeatfirst": {"mambainllama", []int{0}}, "mamba2-merged": {"mambainllama", []int{0, 2}},
		"mamba2-noattn": {"mambainllama", nil}, "pure-mamba1": {"mamba", nil}, "pure-mamba2": {"mamba2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := "../testdata/fixtures/" + name
			for _, as := range []string{"f32", "q4_k_m"} {
				out, sum := run(t, dir, as)
				f, err := format.Open(out)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				m, err := model.Open(f)
				if err != nil {
					t.Fatal(err)
				}
				if m.Config.Arch != want.arch || sum.Arch != want.arch || !slices.Equal(m.Config.AttentionLayers(), want.attention) {
					t.Errorf("%s with attention in %v, want %v", m.Config.Arch, m.Config.AttentionLayers(), want)
				}
				if m.Config.Name != name {
					t.Errorf("named %q", m.Config.Name)
				}
				if sum.Tensors != len(f.Tensors()) || sum.Bytes != int64(len(f.Mapping())) || sum.Params != m.Parameters() {
					t.Errorf("the summary %+v does not fit the file", sum)
				}
				if (as == "f32") != (len(sum.Fallbacks) == 0) { // rows of 64 take no K type
					t.Errorf("%s: fallbacks %v", as, sum.Fallbacks)
				}
				if err := f.Verify(nil); err != nil {
					t.Error(err)
				}
				want, err := tokenizer.FromFiles(dir)
				if err != nil {
					t.Fatal(err)
				}
				got, err := tokenizer.FromGGUF(f.KV())
				if err != nil {
					t.Fatal(err)
				}
				text := "Once upon a time <|eot_id|> 3 + 4"
				o := tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true}
				if a, b := want.Encode(text, o), got.Encode(text, o); !slices.Equal(a, b) || got.ChatTemplate() != want.ChatTemplate() {
					t.Errorf("the tokenizer came out as another: %v, %v", a, b)
				}
			}
		})
	}
}

// TestLayoutNotFromName converts a checkpoint whose folder is named as another.
func TestLayoutNotFromName(t *testing.T) {
	dir := fixture(t, "mamba2-half")
	other := filepath.Join(filepath.Dir(dir), "mamba-130m-llama")
	if err := os.Rename(dir, other); err != nil {
		t.Fatal(err)
	}
	if _, sum := run(t, other, "f32"); sum.Arch != "mambainllama" {
		t.Error(sum.Arch)
	}
}

// TestDefaults has generation defaults, ends of turns, source and licence go
// into the file.
func TestDefaults(t *testing.T) {
	dir := fixture(t, "llama")
	put(t, filepath.Join(dir, "generation_config.json"), []byte(`{"temperature":0.6,"top_p":0.9,"top_k":40,"do_sample":true,"repetition_penalty":1.1,"eos_token_id":[484,490]}`))
	put(t, filepath.Join(dir, "README.md"), []byte("---\nlibrary_name: x\nlicense: llama3\n---\n# A model\nlicense: no\n"))
	out, _ := run(t, dir, "f16")
	f, err := format.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for key, want := range map[string]any{
		"mil.generation.temperature": float32(0.6), "mil.generation.top_p": float32(0.9), "mil.generation.top_k": int32(40),
		"mil.generation.do_sample": true, "mil.generation.repetition_penalty": float32(1.1),
		"general.license": "llama3", "mil.source.name": "meta-llama/Meta-Llama-3-8B-Instruct", "mil.source.format": "safetensors",
	} {
		if got, _ := f.KV().Raw(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	ends, _, err := f.KV().Ints("mil.eos_token_ids")
	if err != nil || len(ends) < 3 || !slices.Equal(ends[:3], []int64{481, 484, 490}) {
		t.Errorf("turns end with %v, %v", ends, err)
	}
}

// TestGGUFToFloat checks that a quantized file and its f32 copy hold the very
// same values and keys.
func TestGGUFToFloat(t *testing.T) {
	packed, _ := run(t, "../testdata/fixtures/mamba2-half", "q8_0")
	plain, _ := run(t, packed, "f32")
	p, err := format.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f, err := format.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, a := range p.Tensors() {
		b, ok := f.Tensor(a.Name)
		if !ok || !slices.Equal(a.Dims, b.Dims) {
			t.Fatalf("%s: %v", a.Name, b.Dims)
		}
		if got, want := values(p, a), values(f, b); !slices.Equal(got, want) {
			t.Errorf("%s changed", a.Name)
		}
	}
	for _, k := range p.KV().Keys() {
		if !f.KV().Has(k) {
			t.Errorf("key %s is lost", k)
		}
	}
	if n, _, _ := f.KV().Uint("general.file_type"); n != 0 {
		t.Errorf("file_type %d", n)
	}
}

// values unpacks a tensor.
func values(f *format.File, t format.Info) []float32 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	v := make([]float32, n)
	spec, _ := t.Type.Spec()
	spec.Unpack(v, f.Data(t))
	return v
}

// TestTokenizerElsewhere names the tokenizer of another folder, for a
// checkpoint and for a GGUF file.
func TestTokenizerElsewhere(t *testing.T) {
	dir := fixture(t, "pure-mamba1")
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.Rename(filepath.Join(dir, "tokenizer.json"), file); err != nil {
		t.Fatal(err)
	}
	fails(t, dir, false, "no tokenizer.json here")
	out := filepath.Join(t.TempDir(), "model.bin")
	for _, from := range []string{file, filepath.Dir(file)} {
		if _, err := Run(context.Background(), dir, Options{Output: out, Type: mix(t, "f32"), Tokenizer: from, Force: true}); err != nil {
			t.Errorf("--tokenizer %s: %v", from, err)
		}
	}
	again := filepath.Join(t.TempDir(), "again.bin")
	if _, err := Run(context.Background(), out, Options{Output: again, Type: mix(t, "f32"), Tokenizer: file}); err != nil {
		t.Error(err)
	}
	_, err := Run(context.Background(), dir, Options{Output: again, Type: mix(t, "f32"), Tokenizer: "../testdata/tokenizers/mistral", Force: true})
	if err == nil || !strings.Contains(err.Error(), "the tokenizer has ids up to 31999, the weights only 512 rows") {
		t.Errorf("a tokenizer too large: %v", err)
	}
}

func TestOverwrite(t *testing.T) {
	dir := fixture(t, "llama")
	out := filepath.Join(t.TempDir(), "model.bin")
	o := Options{Output: out, Type: mix(t, "f32")}
	put(t, out, []byte("precious"))
	if _, err := Run(context.Background(), dir, o); !errors.Is(err, format.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	if b, _ := os.ReadFile(out); string(b) != "precious" {
		t.Error("the file was changed")
	}
	o.Force = true
	if _, err := Run(context.Background(), dir, o); err != nil {
		t.Error(err)
	}
	left(t, filepath.Dir(out), "model.bin")
	for _, o.Output = range []string{filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "config.json"), filepath.Join(dir, "tokenizer.json")} {
		if _, err := Run(context.Background(), dir, o); err == nil || !strings.Contains(err.Error(), "part of the checkpoint being converted") {
			t.Errorf("over its own %s: %v", o.Output, err)
		}
	}
	o.Output = out
	if _, err := Run(context.Background(), out, o); err == nil || !strings.Contains(err.Error(), "part of the checkpoint being converted") {
		t.Errorf("over itself: %v", err)
	}
	o.Output = dir
	if _, err := Run(context.Background(), dir, o); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("over a folder: %v", err)
	}
	o.Output = filepath.Join(dir, "nowhere", "model.bin")
	if _, err := Run(context.Background(), dir, o); err == nil || !strings.Contains(err.Error(), o.Output+": no such file") {
		t.Errorf("into no folder: %v", err)
	}
}

// TestInterrupted cancels at several points of a conversion.
func TestInterrupted(t *testing.T) {
	for _, at := range []float64{0, 0.5, 1} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := Options{Output: filepath.Join(dir, "model.bin"), Type: mix(t, "q8_0")}
		o.Progress = func(_ string, done, total int64) {
			if float64(done) >= at*float64(total) {
				cancel()
			}
		}
		_, err := Run(ctx, "../testdata/fixtures/mamba1-half", o)
		if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), o.Output) {
			t.Errorf("cancelled at %g: %v", at, err)
		}
		left(t, dir)
	}
}

// TestChunks packs a tensor of many chunks and expects the order kept.
func TestChunks(t *testing.T) {
	const rows, cols = 4099, 1024 // more than chunkValues, and not a multiple
	x := tensor{name: "x", rows: rows, cols: cols, read: func(row, n int, dst []float32) error {
		for i := range dst {
			dst[i] = float32(row*cols + i)
		}
		return nil
	}}
	spec, _ := quant.F32.Spec()
	next := 0
	err := x.pack(context.Background(), spec, nil, func(b []byte, n int) error {
		v := make([]float32, n)
		spec.Unpack(v, b)
		for _, got := range v {
			if got != float32(next) {
				return errors.New("out of order")
			}
			next++
		}
		return nil
	})
	if err != nil || next != rows*cols {
		t.Errorf("%v after %d values", err, next)
	}
	full := errors.New("disk full")
	if err := x.pack(context.Background(), spec, nil, func([]byte, int) error { return full }); err != full {
		t.Errorf("a failing file: %v", err)
	}
}

func TestBadCounts(t *testing.T) {
	inf := float32(math.Inf(1))
	if n := bad([]float32{0, inf, 1, -inf, float32(math.NaN()), math.MaxFloat32}); n != 3 {
		t.Errorf("%d of 3 bad values", n)
	}
}
