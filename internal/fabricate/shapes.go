package fabricate

import (
	"maps"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// shape is a model's config, and which optional tensors its file has.
type shape struct {
	model.Config
	tied bool // the embedding makes the logits
	bare bool // the recurrence has no gated norm
}

// has says whether the file has a tensor.
func (s *shape) has(t model.Slot) bool {
	switch {
	case t.Role == quant.Output:
		return !s.tied
	case t.Name == "ssm_norm.weight":
		return !s.bare
	}
	return !t.Optional
}

// Shapes lists the names that [Write] takes.
func Shapes() []string { return slices.Sorted(maps.Keys(shapes)) }

// shapes are those of published models, by their configs, and the distilled
// hybrids in the sizes of Llama 3.
var shapes = map[string]func() shape{
	"1b":                  func() shape { return hybrid(2048, 16, 32, 64, 8192) },
	"3b":                  func() shape { return hybrid(3072, 28, 24, 128, 8192) },
	"8b":                  func() shape { return hybrid(4096, 32, 32, 128, 14336) },
	"mamba2-2.7b":         func() shape { return mamba2(2560, 64) },
	"granite-4.0-h-350m":  func() shape { return granite(768, 32, 48, 32, 12, 4, 2048, 10, 13, 17, 27) },
	"granite-4.0-h-1b":    func() shape { return granite(1536, 40, 48, 64, 12, 4, 4096, 5, 15, 25, 35) },
	"granite-4.0-h-micro": func() shape { return granite(2048, 40, 64, 64, 32, 8, 8192, 5, 15, 25, 35) },
	"nemotron-h-4b":       func() shape { return nemotron(3072, 112, 64, 32, 12288, nemotronH) },
	"nemotron-h-8b":       func() shape { return nemotron(4096, 128, 64, 32, 21504, nemotronH) },
	"nemotron-nano-9b-v2": func() shape { return nemotron(4480, 128, 80, 40, 15680, nemotronNano2) },
	"apriel-h1-15b":       func() shape { return apriel(50, 19, 49) },
	"apriel-h1-15b-fifth": func() shape { return apriel(10, 4, 10) }, // as wide, with a fifth of the layers
	"falcon-h1-0.5b":      func() shape { return falcon(1024, 36, 24, 64, 128, 8, 64, 2048, 32784) },
	"falcon-h1-1.5b":      func() shape { return falcon(2048, 24, 48, 64, 256, 8, 128, 4608, 65537) },
	"falcon-h1-3b":        func() shape { return falcon(2560, 32, 32, 128, 256, 10, 128, 6144, 65537) },
	"qwen3.5-4b":          func() shape { return qwen35(2560, 32, 16, 4, 9216, 32) },
}

// each is a count for every layer.
func each(layers, n int) []int {
	list := make([]int, layers)
	for i := range list {
		list[i] = n
	}
	return list
}

// hybrid has a Mamba-2 layer before every one of attention.
func hybrid(d, layers, heads, dim, ff int) shape {
	const kv = 8
	c := model.Config{Arch: "mambainllama", Depth: layers, DModel: d, DFF: ff, Vocab: 128256, Context: 1 << 16, Eps: 1e-5,
		Heads: heads, HeadDim: dim, KVHeads: each(layers, kv), Rope: model.Rope{Base: 500000, Dims: dim},
		SSM: model.SSM{Version: 2, Conv: 4, Inner: heads * dim, State: dim, Rank: heads, Groups: heads, XB: kv * dim}}
	for i := 0; i < layers; i += 2 {
		c.KVHeads[i] = 0
	}
	return shape{Config: c}
}

// ssm2 is Mamba-2 as its authors have it.
func ssm2(heads, dim, states, groups int) model.SSM {
	return model.SSM{Version: 2, Conv: 4, Inner: heads * dim, State: states, Rank: heads, Groups: groups, XB: heads * dim}
}

// mamba2 is a pure Mamba-2 model.
func mamba2(d, layers int) shape {
	return shape{tied: true, Config: model.Config{Arch: "mamba2", Depth: layers, DModel: d, Vocab: 50288, Context: 1 << 16, Eps: 1e-5,
		SSM: ssm2(2*d/64, 64, 128, 1)}}
}

// granite is Granite 4.0-H: Mamba-2 and few layers of attention.
func granite(d, layers, ssmHeads, ssmDim, heads, kv, ff int, attention ...int) shape {
	dim := d / heads
	c := model.Config{Arch: "granitehybrid", Depth: layers, DModel: d, DFF: ff, Vocab: 100352, Context: 1 << 17, Eps: 1e-5,
		Heads: heads, HeadDim: dim, KVHeads: make([]int, layers), Rope: model.Rope{Base: 10000}, SSM: ssm2(ssmHeads, ssmDim, 128, 1),
		Scales: model.Scales{Embedding: 12, Residual: 0.22, Attention: 1 / float64(dim), Logits: 8}}
	for _, i := range attention {
		c.KVHeads[i] = kv
	}
	return shape{Config: c, tied: true}
}

// The layers of Nemotron-H and of Nemotron Nano 2: Mamba-2, feed-forward or
// attention.
const (
	nemotronH     = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
	nemotronNano2 = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"
)

func nemotron(d, ssmHeads, ssmDim, heads, ff int, pattern string) shape {
	layers := len(pattern)
	c := model.Config{Arch: "nemotron_h", Depth: layers, DModel: d, Vocab: 131072, Context: 1 << 17, Eps: 1e-5,
		Heads: heads, HeadDim: 128, KVHeads: make([]int, layers), Inner: make([]int, layers), SSM: ssm2(ssmHeads, ssmDim, 128, 8)}
	c.SSM.MinStep = 0.001
	for i, kind := range strings.Split(pattern, "") {
		switch kind {
		case "*":
			c.KVHeads[i] = 8
		case "-":
			c.Inner[i] = ff
		}
	}
	return shape{Config: c}
}

// apriel is Apriel-H1: a Mistral in which Mamba took the place of attention in
// layers first to last-1.
func apriel(layers, first, last int) shape {
	c := model.Config{Arch: format.Arch, Depth: layers, DModel: 5120, DFF: 14336, Vocab: 131072, Context: 1 << 16, Eps: 1e-5,
		Heads: 32, HeadDim: 128, KVHeads: each(layers, 8), Rope: model.Rope{Base: 1000000, Dims: 128},
		SSM: model.SSM{Version: 1, Conv: 4, Inner: 4096, State: 16, Rank: 320, Groups: 1, XB: 1024, RepeatBeforeConv: true}}
	for i := first; i < last; i++ {
		c.KVHeads[i] = 0
	}
	return shape{Config: c}
}

// falcon is Falcon-H1: Mamba-2 and attention side by side in every layer.
func falcon(d, layers, ssmHeads, ssmDim, states, heads, dim, ff, vocab int) shape {
	return shape{bare: true, Config: model.Config{Arch: "falcon-h1", Depth: layers, DModel: d, DFF: ff, Vocab: vocab, Context: 1 << 17, Eps: 1e-5,
		Heads: heads, HeadDim: dim, KVHeads: each(layers, 2), Rope: model.Rope{Base: 1e11, Dims: dim}, SSM: ssm2(ssmHeads, ssmDim, states, 1)}}
}

// qwen35 is Qwen3.5: three gated delta nets to each layer of attention.
func qwen35(d, layers, heads, kv, ff, values int) shape {
	c := model.Config{Arch: "qwen35", Depth: layers, DModel: d, DFF: ff, Vocab: 248320, Context: 1 << 18, Eps: 1e-6,
		Heads: heads, HeadDim: 256, KVHeads: make([]int, layers), Rope: model.Rope{Base: 10000000, Dims: 64},
		SSM: model.SSM{Version: 2, Conv: 4, Inner: values * 128, State: 128, Rank: values, Groups: 16, XB: values * 128}}
	for i := 3; i < layers; i += 4 {
		c.KVHeads[i] = kv
	}
	return shape{Config: c, tied: true}
}
