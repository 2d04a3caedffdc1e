package cuda

import (
	flags "flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

var fabricated = flags.String("fabricate", "", "SHAPE-MIX=FILE: what TestFabricate writes, shapes 1b, 3b, 8b, mamba2-2.7b")

// fabric is a model of random weights under way.
type fabric struct {
	w      *format.Writer
	mix    quant.Mix
	made   []func() error
	rng    *rand.Rand
	packed map[string][]byte
}

// model declares every tensor that a model has but those in without.
func (f *fabric) model(c *model.Config, without ...string) error {
	if err := c.Build(); err != nil {
		return err
	}
	f.w.Set("general.architecture", c.Arch)
	if err := c.Keys(func(key string, value any) { f.w.Set(key, value) }); err != nil {
		return err
	}
	for _, s := range c.Slots() {
		// The models that are fabricated have no biases, which files may lack.
		if s.Name == "rope_freqs.weight" || s.Optional && strings.HasSuffix(s.Name, ".bias") || slices.Contains(without, s.Name) {
			continue
		}
		f.tensor(s, c.Depth)
	}
	return nil
}

// spreads are the mean and the deviation of values that are not a matrix's.
var spreads = map[string][2]float64{
	"attn_norm.weight": {1, 0}, "ffn_norm.weight": {1, 0}, "output_norm.weight": {1, 0},
	"ssm_conv1d.weight": {0.2, 0.1}, "ssm_conv1d.bias": {0, 0.1}, "ssm_dt.bias": {-3, 0.1},
	"ssm_a": {-1, 0.1}, "ssm_d": {1, 0.1}, "ssm_norm.weight": {1, 0.1},
}

// tensor declares a slot and its values.
func (f *fabric) tensor(s model.Slot, layers int) {
	kind := f.mix.TypeFor(quant.TensorInfo{Role: s.Role, Layer: s.Layer, Layers: layers, RowLen: int(s.Dims[0]), Rank: len(s.Dims)})
	f.w.Add(s.Full(), kind, s.Dims...)
	mean, spread := 0.0, 1/math.Sqrt(float64(s.Cols))
	if v, ok := spreads[s.Name]; ok {
		mean, spread = v[0], v[1]
	}
	f.made = append(f.made, func() error {
		spec, _ := kind.Spec()
		cols, rows := int(s.Dims[0]), 1
		for _, d := range s.Dims[1:] {
			rows *= int(d)
		}
		// A few rows over and over: they cost as much as different ones.
		few := min(rows, max(1, 1<<20/cols))
		key := fmt.Sprint(kind, few, cols, mean, spread)
		data := f.packed[key]
		if data == nil {
			v := make([]float32, few*cols)
			for i := range v {
				v[i] = float32(mean + spread*f.rng.NormFloat64())
			}
			data = make([]byte, few*spec.RowBytes(cols))
			spec.Pack(data, v)
			f.packed[key] = data
		}
		for n := 0; n < rows; n += few {
			if _, err := f.w.Write(data[:min(few, rows-n)*spec.RowBytes(cols)]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fabric) finish() error {
	if err := f.w.Begin(); err != nil {
		return err
	}
	for _, make := range f.made {
		if err := make(); err != nil {
			return err
		}
	}
	return f.w.Finish()
}

// Models of real shapes and random weights in seconds: speed does not depend on
// what a model says. mil bench and TestProfile run them.
func TestFabricate(t *testing.T) {
	if *fabricated == "" {
		t.Skip("no -fabricate SHAPE-MIX=FILE")
	}
	spec, path, _ := strings.Cut(*fabricated, "=")
	at := strings.LastIndex(spec, "-")
	mix, err := quant.ParseMix(spec[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	f := &fabric{w: format.NewWriter(path, true), mix: mix, rng: rand.New(rand.NewPCG(1, 2)), packed: map[string][]byte{}}
	defer f.w.Abort()
	switch spec[:at] {
	case "1b":
		err = f.model(hybrid(2048, 16, 32, 64, 8192))
	case "3b":
		err = f.model(hybrid(3072, 28, 24, 128, 8192))
	case "8b":
		err = f.model(hybrid(4096, 32, 32, 128, 14336))
	case "mamba2-2.7b":
		err = f.model(mamba2(2560, 64), "output.weight")
	default:
		t.Fatal("no shape ", spec[:at])
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
}

// hybrid has a Mamba-2 layer before every one of attention.
func hybrid(d, layers, heads, dim, ff int) *model.Config {
	const kv = 8
	c := &model.Config{Arch: "mambainllama", Depth: layers, DModel: d, DFF: ff, Vocab: 128256, Context: 1 << 16, Eps: 1e-5,
		Heads: heads, HeadDim: dim, KVHeads: make([]int, layers), Rope: model.Rope{Base: 500000, Dims: dim},
		SSM: model.SSM{Version: 2, Conv: 4, Inner: heads * dim, State: dim, Rank: heads, Groups: heads, XB: kv * dim}}
	for i := range c.KVHeads {
		c.KVHeads[i] = i % 2 * kv
	}
	return c
}

// mamba2 is a pure Mamba-2 model.
func mamba2(d, layers int) *model.Config {
	return &model.Config{Arch: "mamba2", Depth: layers, DModel: d, Vocab: 50288, Context: 1 << 16, Eps: 1e-5,
		SSM: model.SSM{Version: 2, Conv: 4, Inner: 2 * d, State: 128, Rank: 2 * d / 64, Groups: 1, XB: 2 * d}}
}
