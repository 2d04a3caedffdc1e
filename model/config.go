package model

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/mil-run/mil/format"
)

// Config is a model's shape, as its file's metadata tells it.
type Config struct {
	Arch    string
	Name    string
	Layers  int
	DModel  int
	DFF     int // 0 for the pure Mamba models, which have no feed-forward
	Vocab   int
	Context int // positions the model declares, at most Window
	Window  int // positions a token attends to, 0 for all before it; longer contexts are refused
	Eps     float32

	Heads, HeadDim int
	KVHeads        []int // of each layer; 0 is a Mamba layer
	RopeBase       float64
	RopeDims       int
	RopeScale      float64 // linear scaling: positions are divided by it; 1 is none

	SSM SSM
}

// SSM is the shape of the recurrent layers; Version 0 is none.
type SSM struct {
	Version          int // 1: Mamba, 2: Mamba-2
	Conv             int // taps
	Inner            int // d_inner, channels
	State            int // d_state, per head or channel
	Rank             int // dt_rank (Mamba-1) or heads (Mamba-2)
	Groups           int // normalization groups (Mamba-2)
	XB               int // d_xb, the width of x and B before they are repeated
	RepeatBeforeConv bool
}

// Attention reports whether layer i is attention.
func (c *Config) Attention(i int) bool { return c.KVHeads[i] > 0 }

// AttentionLayers lists the layers that are attention.
func (c *Config) AttentionLayers() []int {
	var out []int
	for i, n := range c.KVHeads {
		if n > 0 {
			out = append(out, i)
		}
	}
	return out
}

// ErrArchitecture is wrapped by errors about architectures mil does not run.
var ErrArchitecture = errors.New("unknown architecture")

// Known lists the architectures mil runs.
func Known() []string {
	var out []string
	for k := range architectures {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// keys reads a config's integers and floats and keeps the first error.
type keys struct {
	m    *format.Meta
	arch string
	err  error
}

func (k *keys) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf(format, args...)
	}
}

// int reads arch.key; without a fallback it must be there.
func (k *keys) int(key string, fallback ...int) int {
	key = k.arch + "." + key
	v, ok, err := k.m.Uint(key)
	switch {
	case err != nil:
		k.fail("%w", err)
	case !ok && len(fallback) > 0:
		return fallback[0]
	case !ok:
		k.fail("key %s is missing", key)
	case v > 1<<31-1:
		k.fail("key %s is %d, past what a model can have", key, v)
	}
	return int(v)
}

func (k *keys) float(key string, fallback ...float64) float64 {
	key = k.arch + "." + key
	v, ok, err := k.m.Float(key)
	switch {
	case err != nil:
		k.fail("%w", err)
	case !ok && len(fallback) > 0:
		return fallback[0]
	case !ok:
		k.fail("key %s is missing", key)
	}
	return v
}

func (k *keys) bool(key string) bool {
	v, _, err := k.m.Bool(k.arch + "." + key)
	if err != nil {
		k.fail("%w", err)
	}
	return v
}

// limits keep absurd shapes from overflowing sizes further on.
const (
	maxLayers = 1 << 10
	maxWidth  = 1 << 20
	// maxWiden bounds how many times wider a layer may be inside than the
	// model's channels. maxState bounds the recurrent state, in sizes of the
	// file, beside 64 MB. So the weights bound the memory of a pass. Models
	// have 2 to 8, and states smaller than their weights.
	maxWiden = 64
	maxState = 8
)

// readConfig reads and checks the keys that every architecture shares, then
// those of the given one.
func readConfig(m *format.Meta) (*Config, architecture, error) {
	arch, ok, err := m.String("general.architecture")
	if err != nil {
		return nil, nil, err
	}
	a := architectures[arch]
	if !ok || a == nil {
		return nil, nil, fmt.Errorf("%w %q (known: %s)", ErrArchitecture, arch, strings.Join(Known(), ", "))
	}
	k := &keys{m: m, arch: arch}
	c := &Config{Arch: arch, RopeScale: 1}
	c.Name, _, _ = m.String("general.name")
	c.Layers = k.int("block_count")
	c.DModel = k.int("embedding_length")
	c.Context = k.int("context_length")
	c.Eps = float32(k.float("attention.layer_norm_rms_epsilon"))
	if k.err == nil && (c.Layers < 1 || c.Layers > maxLayers || c.DModel < 1 || c.DModel > maxWidth) {
		k.fail("%d layers of %d channels are not a model", c.Layers, c.DModel)
	}
	if k.err == nil {
		a.config(c, k)
	}
	if k.err == nil {
		c.check(k)
	}
	return c, a, k.err
}

// attentionConfig reads the heads and the rotation of llama-like layers.
func attentionConfig(c *Config, k *keys) {
	c.DFF = k.int("feed_forward_length")
	c.Heads = k.int("attention.head_count")
	if k.err != nil || c.Heads < 1 || c.Heads > maxWidth {
		k.fail("%d heads are not a model", c.Heads)
		return
	}
	c.KVHeads = k.perLayer("attention.head_count_kv", c.Layers, c.Heads)
	c.HeadDim = k.int("attention.key_length", c.DModel/c.Heads)
	c.RopeDims = k.int("rope.dimension_count", c.HeadDim)
	c.RopeBase = k.float("rope.freq_base", 10000)
	ropeConfig(c, k)
	if c.Window = k.int("attention.sliding_window", 0); c.Window > 0 {
		c.Context = min(c.Context, c.Window)
	}
	checkKeys(c, k)
}

// ropeConfig reads how positions are stretched. It keeps ggml's own defaults: a
// factor without a type is linear, and the key of old files counts like it.
func ropeConfig(c *Config, k *keys) {
	kind, ok, err := k.m.String(k.arch + ".rope.scaling.type")
	if err != nil {
		k.fail("%w", err)
	}
	factor := k.float("rope.scaling.factor", k.float("rope.scale_linear", 0))
	switch {
	case kind == "none":
	case kind == "linear" || !ok:
		if factor != 0 {
			c.RopeScale = factor
		}
	default:
		k.fail("key %s.rope.scaling.type is %q, which is not supported (known: none, linear)", k.arch, kind)
	}
}

// perLayer reads a count that may be one for all layers or an array.
func (k *keys) perLayer(key string, layers, fallback int) []int {
	key = k.arch + "." + key
	out := make([]int, layers)
	for i := range out {
		out[i] = fallback
	}
	if v, ok, err := k.m.Uint(key); err == nil {
		for i := range out {
			if ok {
				out[i] = int(min(v, maxWidth+1))
			}
		}
		return out
	}
	v, _, err := k.m.Uints(key)
	if err != nil {
		k.fail("%w", err)
		return out
	}
	if len(v) != layers {
		k.fail("key %s has %d values for %d layers", key, len(v), layers)
		return out
	}
	for i := range out {
		out[i] = int(min(v[i], maxWidth+1))
	}
	return out
}

// checkState refuses a recurrent state that is too large for a file of the
// given length.
func (c *Config) checkState(file int) error {
	var state int
	for _, n := range c.KVHeads {
		if n == 0 {
			state += 4 * c.SSM.Inner * c.SSM.State
		}
	}
	if state > maxState*file+64<<20 {
		return fmt.Errorf("a recurrent state of %d MB, of weights of %d MB, is no model's", state>>20, file>>20)
	}
	return nil
}

// check refuses shapes whose parts do not fit each other.
func (c *Config) check(k *keys) {
	bad := func(cond bool, format string, args ...any) {
		if cond {
			k.fail(format, args...)
		}
	}
	bad(!(c.Eps >= 0 && c.Eps < 1), "epsilon %g is not a normalization's", c.Eps)
	bad(c.DFF < 0 || c.DFF > maxWidth, "feed-forward of %d channels", c.DFF)
	widest := max(c.DFF, c.Heads*c.HeadDim, c.SSM.Inner)
	bad(widest > maxWiden*c.DModel, "%d channels within layers of %d; at most %d times as many are taken", widest, c.DModel, maxWiden)
	for i, n := range c.KVHeads {
		if n == 0 {
			bad(c.SSM.Version == 0, "layer %d is neither attention nor Mamba", i)
			continue
		}
		bad(n > c.Heads || c.Heads%n != 0, "layer %d: %d heads do not share %d key-value heads", i, c.Heads, n)
		bad(c.HeadDim < 2 || c.HeadDim > 4096 || c.HeadDim%2 != 0, "heads of %d channels", c.HeadDim)
		bad(c.RopeDims < 0 || c.RopeDims > c.HeadDim || c.RopeDims%2 != 0, "rotation of %d channels in heads of %d", c.RopeDims, c.HeadDim)
		bad(!(c.RopeBase > 0) || !(c.RopeScale > 0), "rotation base %g, scale %g", c.RopeBase, c.RopeScale)
	}
	s := c.SSM
	if s.Version == 0 || k.err != nil {
		return
	}
	bad(s.Conv < 2 || s.Conv > 64, "convolution of %d taps", s.Conv)
	bad(s.Inner < 1 || s.Inner > maxWidth || s.State < 1 || s.State > 4096 || s.Rank < 1 || s.Rank > maxWidth, "Mamba of %d channels, %d states, rank %d", s.Inner, s.State, s.Rank)
	bad(s.Groups < 1 || s.Groups > maxWidth || s.XB < 1 || s.XB > s.Inner, "Mamba with %d groups, x of %d channels", s.Groups, s.XB)
	if k.err != nil {
		return
	}
	bad(s.Inner%s.Groups != 0, "%d channels in %d groups", s.Inner, s.Groups)
	if s.Version == 2 {
		bad(s.Inner%s.Rank != 0, "%d channels in %d heads", s.Inner, s.Rank)
		bad(s.Rank%s.Groups != 0, "%d heads in %d groups", s.Rank, s.Groups)
	}
	if c.Arch == hybridArch {
		bad(s.Inner%s.State != 0 || s.XB%s.State != 0 || s.Inner%s.XB != 0, "%d channels, x of %d, heads of %d do not fit each other", s.Inner, s.XB, s.State)
		bad(s.Version == 2 && s.Inner/s.Rank != s.State, "%d heads of %d channels with %d states", s.Rank, s.Inner/max(s.Rank, 1), s.State)
	}
}
