package testutil

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// Wide returns the path of an f32 model that a family's checkpoint would be if it were
// four times as wide: every matrix within it has rows of 256 values or more, the block of
// the types that are called k. Its matrices are random, as large in effect as the
// checkpoint's; its vectors repeat the checkpoint's.
func Wide(t testing.TB, family string) string {
	t.Helper()
	f, _ := Convert(t, Data("families", family), "f32")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	c := widened(&m.Config)
	if err := c.Build(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wide.bin")
	w := format.NewWriter(path, false)
	for _, key := range f.KV().Keys() {
		v, _ := f.KV().Raw(key)
		w.Set(key, v)
	}
	if err := c.Keys(w.Set); err != nil {
		t.Fatal(err)
	}
	// Files may lack what is optional.
	slots := slices.DeleteFunc(c.Slots(), func(s model.Slot) bool {
		_, ok := f.Tensor(s.Full())
		return !ok
	})
	for _, s := range slots {
		w.Add(s.Full(), quant.F32, s.Dims...)
	}
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	seed := fnv.New64a()
	seed.Write([]byte(family))
	random := rand.New(rand.NewPCG(seed.Sum64(), 1))
	for _, s := range slots {
		info, _ := f.Tensor(s.Full())
		narrow := floats(f.Data(info))
		if _, err := w.Write(widen(random, &s, narrow, int(info.Dims[0]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return path
}

// widened is a config of four times the channels and heads.
func widened(from *model.Config) *model.Config {
	const inner = 256 // channels within a feed-forward
	c := *from
	c.KVHeads, c.Inner = slices.Clone(c.KVHeads), slices.Clone(c.Inner)
	c.DModel *= 4
	c.DFF = min(c.DFF, 1) * inner
	for i := range c.Inner {
		c.Inner[i] = min(c.Inner[i], 1) * inner
	}
	c.Heads *= 4
	for i := range c.KVHeads {
		c.KVHeads[i] *= 4
	}
	if c.HeadDim%16 != 0 { // heads that have more channels together than the model
		c.HeadDim = 16
		c.Rope.Dims = min(c.Rope.Dims, c.HeadDim)
	}
	c.SSM.Inner *= 4
	c.SSM.Rank *= 4
	c.SSM.XB *= 4
	return &c
}

// widen makes a tensor of a checkpoint's narrow one, whose rows have cols values.
func widen(random *rand.Rand, s *model.Slot, narrow []float32, cols int) []byte {
	var square float64
	for _, v := range narrow {
		square += float64(v) * float64(v)
	}
	size := math.Sqrt(square / float64(len(narrow)))
	if s.Role != quant.Embedding {
		size *= math.Sqrt(float64(cols) / float64(s.Cols))
	}
	out := make([]byte, 0, 4*s.Rows*s.Cols)
	for i := range s.Rows * s.Cols {
		v := narrow[i%len(narrow)]
		if s.Role != quant.Elementwise {
			v = float32(size * random.NormFloat64())
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}
