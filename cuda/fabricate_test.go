package cuda

import (
	flags "flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

var fabricated = flags.String("fabricate", "", "SHAPE-MIX=FILE: what TestFabricate writes, shapes 1b, 3b, 8b, mamba2-2.7b")

// fabric is a model of random weights under way.
type fabric struct {
	w      *format.Writer
	mix    quant.Mix
	layers int
	made   []func() error
	rng    *rand.Rand
	packed map[string][]byte
}

// tensor declares a tensor of values around mean.
func (f *fabric) tensor(name string, layer int, mean, spread float64, dims ...uint64) {
	kind := f.mix.TypeFor(quant.TensorInfo{Name: name, Layer: layer, Layers: f.layers, RowLen: int(dims[0]), Rank: len(dims)})
	f.w.Add(name, kind, dims...)
	f.made = append(f.made, func() error {
		spec, _ := kind.Spec()
		cols, rows := int(dims[0]), 1
		for _, d := range dims[1:] {
			rows *= int(d)
		}
		// A few rows over and over: that costs what different ones do.
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

func (f *fabric) matrix(name string, layer int, rows, cols uint64) {
	f.tensor(name, layer, 0, 1/math.Sqrt(float64(cols)), cols, rows)
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
		f.hybrid(2048, 16, 32, 64, 8192)
	case "3b":
		f.hybrid(3072, 28, 24, 128, 8192)
	case "8b":
		f.hybrid(4096, 32, 32, 128, 14336)
	case "mamba2-2.7b":
		f.mamba2(2560, 64)
	default:
		t.Fatal("no shape ", spec[:at])
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
}

// hybrid has a Mamba-2 layer before every one of attention.
func (f *fabric) hybrid(d uint64, layers int, heads, dim, ff uint64) {
	const kv, vocab = 8, 128256
	f.layers = layers
	inner, xb := heads*dim, kv*dim
	perLayer := make([]int32, layers)
	for i := range perLayer {
		perLayer[i] = int32(i % 2 * kv)
	}
	f.keys("mambainllama", map[string]any{
		"block_count": uint32(layers), "context_length": uint32(1 << 16), "embedding_length": uint32(d), "feed_forward_length": uint32(ff),
		"attention.head_count": uint32(heads), "attention.head_count_kv": perLayer, "attention.key_length": uint32(dim), "attention.value_length": uint32(dim),
		"attention.layer_norm_rms_epsilon": float32(1e-5), "rope.freq_base": float32(500000), "rope.dimension_count": uint32(dim), "vocab_size": uint32(vocab),
		"ssm.version": uint32(2), "ssm.conv_kernel": uint32(4), "ssm.inner_size": uint32(inner), "ssm.state_size": uint32(dim), "ssm.time_step_rank": uint32(heads),
		"ssm.group_count": uint32(heads), "ssm.xb_size": uint32(xb), "ssm.repeat_before_conv": false,
	})
	f.matrix("token_embd.weight", 0, vocab, d)
	f.tensor("output_norm.weight", 0, 1, 0, d)
	f.matrix("output.weight", 0, vocab, d)
	for i := range layers {
		p := fmt.Sprintf("blk.%d.", i)
		f.tensor(p+"attn_norm.weight", i, 1, 0, d)
		if perLayer[i] > 0 {
			f.matrix(p+"attn_q.weight", i, inner, d)
			f.matrix(p+"attn_k.weight", i, xb, d)
			f.matrix(p+"attn_v.weight", i, xb, d)
			f.matrix(p+"attn_output.weight", i, d, inner)
		} else {
			f.mixer(p, i, d, inner, 2*inner+2*xb+heads, 2*xb+inner, heads)
		}
		f.tensor(p+"ffn_norm.weight", i, 1, 0, d)
		f.matrix(p+"ffn_gate.weight", i, ff, d)
		f.matrix(p+"ffn_up.weight", i, ff, d)
		f.matrix(p+"ffn_down.weight", i, d, ff)
	}
}

// mamba2 is a pure Mamba-2 model.
func (f *fabric) mamba2(d uint64, layers int) {
	const state, vocab = 128, 50288
	f.layers = layers
	inner, heads := 2*d, 2*d/64
	f.keys("mamba2", map[string]any{
		"block_count": uint32(layers), "context_length": uint32(1 << 16), "embedding_length": uint32(d), "feed_forward_length": uint32(0),
		"attention.head_count": uint32(0), "attention.layer_norm_rms_epsilon": float32(1e-5), "vocab_size": uint32(vocab),
		"ssm.conv_kernel": uint32(4), "ssm.inner_size": uint32(inner), "ssm.state_size": uint32(state), "ssm.time_step_rank": uint32(heads), "ssm.group_count": uint32(1),
	})
	f.matrix("token_embd.weight", 0, vocab, d)
	f.tensor("output_norm.weight", 0, 1, 0, d)
	for i := range layers {
		p := fmt.Sprintf("blk.%d.", i)
		f.tensor(p+"attn_norm.weight", i, 1, 0, d)
		f.mixer(p, i, d, inner, 2*inner+2*state+heads, inner+2*state, heads)
	}
}

func (f *fabric) mixer(p string, i int, d, inner, rows, channels, heads uint64) {
	f.matrix(p+"ssm_in.weight", i, rows, d)
	f.tensor(p+"ssm_conv1d.weight", i, 0.2, 0.1, 4, channels)
	f.tensor(p+"ssm_conv1d.bias", i, 0, 0.1, channels)
	f.tensor(p+"ssm_dt.bias", i, -3, 0.1, heads)
	f.tensor(p+"ssm_a", i, -1, 0.1, heads)
	f.tensor(p+"ssm_d", i, 1, 0.1, heads)
	f.tensor(p+"ssm_norm.weight", i, 1, 0.1, inner)
	f.matrix(p+"ssm_out.weight", i, d, inner)
}

func (f *fabric) keys(arch string, keys map[string]any) {
	f.w.Set("general.architecture", arch)
	for k, v := range keys {
		f.w.Set(arch+"."+k, v)
	}
}
