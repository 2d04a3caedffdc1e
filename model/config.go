package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
)

// Config is a model's shape. Its file's metadata tells it, and [Config.Keys]
// writes that metadata. Build makes Layers of the rest.
type Config struct {
	Arch    string
	Name    string
	Depth   int // layers
	DModel  int // channels between them
	DFF     int // channels within a feed-forward
	Vocab   int // rows of the embedding
	Context int // positions the model declares
	Window  int // positions that a token attends to, with its own; 0 for all before it
	Eps     float32

	Heads, HeadDim int
	KVHeads        []int // of each layer, as the file tells; Layers say what a layer is
	Rope           Rope
	SSM            SSM
	Inner          []int // channels within each layer's feed-forward, where layers differ; 0: the layer has none
	Scales         Scales

	Layers []Layer
}

// Scales are numbers that models multiply with; 0 is none.
type Scales struct {
	Embedding float64 // of the tokens' vectors
	Residual  float64 // of what a block adds
	Attention float64 // of scores, instead of 1/sqrt(HeadDim)
	Logits    float64 // that logits are divided by
}

// residual is what blocks' outputs are multiplied with.
func (c *Config) residual() float64 {
	if c.Scales.Residual == 0 {
		return 1
	}
	return c.Scales.Residual
}

// ErrArchitecture is wrapped by errors about architectures mil does not run.
var ErrArchitecture = errors.New("unknown architecture")

// Known lists the architectures mil runs.
func Known() []string { return slices.Sorted(maps.Keys(architectures)) }

func architectureOf(name string) (architecture, error) {
	a := architectures[name]
	if a == nil {
		return nil, fmt.Errorf("%w %q (known: %s)", ErrArchitecture, name, strings.Join(Known(), ", "))
	}
	return a, nil
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

// readConfig reads a file's keys. Vocab and Layers are still to be set.
func readConfig(m *format.Meta) (*Config, error) {
	arch, _, err := m.String("general.architecture")
	if err != nil {
		return nil, err
	}
	a, err := architectureOf(arch)
	if err != nil {
		return nil, err
	}
	c := &Config{Arch: arch}
	c.Name, _, _ = m.String("general.name")
	k := &keys{arch: arch, m: m, declared: map[string]bool{}}
	a.keys(c, k)
	return c, k.err
}

// Keys gives set the metadata that tells the config, in the order of the file.
func (c *Config) Keys(set func(key string, value any)) error {
	a, err := architectureOf(c.Arch)
	if err != nil {
		return err
	}
	k := &keys{arch: c.Arch, set: set, declared: map[string]bool{}}
	a.keys(c, k)
	return k.err
}

// shapeKeys are those that every architecture begins with.
func shapeKeys(c *Config, k *keys) {
	k.int("block_count", &c.Depth)
	k.int("context_length", &c.Context)
	k.int("embedding_length", &c.DModel)
	if k.err == nil && (c.Depth < 1 || c.Depth > maxLayers || c.DModel < 1 || c.DModel > maxWidth) {
		k.fail("%d layers of %d channels are not a model", c.Depth, c.DModel)
	}
}

// normKeys are the norms' epsilon, where a file lacks it the fallback.
func normKeys(c *Config, k *keys, fallback ...float64) {
	eps := float64(c.Eps)
	k.float("attention.layer_norm_rms_epsilon", &eps, fallback...)
	c.Eps = float32(eps)
}

// vocabKeys tell other programs what the embedding's rows tell mil.
func vocabKeys(c *Config, k *keys) { k.note("vocab_size", c.Vocab) }

func windowKeys(c *Config, k *keys) {
	if !k.writing() || c.Window > 0 {
		k.int("attention.sliding_window", &c.Window, 0)
	}
}
