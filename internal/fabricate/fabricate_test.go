package fabricate

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// Published sizes, in billions of weights, as the checkpoints' cards round them.
func TestParameters(t *testing.T) {
	for name, want := range map[string]float64{
		"mamba2-2.7b": 2.7, "granite-4.0-h-350m": 0.34, "granite-4.0-h-1b": 1.5, "granite-4.0-h-micro": 3.2, "nemotron-h-4b": 4.5, "nemotron-h-8b": 8.1,
		"nemotron-nano-9b-v2": 8.9, "apriel-h1-15b": 15, "falcon-h1-0.5b": 0.52, "falcon-h1-1.5b": 1.55, "falcon-h1-3b": 3.15, "qwen3.5-4b": 4.2,
	} {
		s := shapes[name]()
		if err := s.Build(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := 0.0
		for _, slot := range s.Slots() {
			if s.has(slot) {
				n += float64(slot.Rows) * float64(slot.Cols)
			}
		}
		if n /= 1e9; math.Abs(n-want) > 0.05*want {
			t.Errorf("%s has %.3f billion weights, the published model %g", name, n, want)
		}
	}
}

// Every shape, with few layers and a small vocabulary, is a model that runs.
func TestRuns(t *testing.T) {
	b := cpu.New(1)
	defer b.Close()
	for _, name := range Shapes() {
		t.Run(name, func(t *testing.T) {
			s := shapes[name]()
			shrink(&s.Config)
			path := filepath.Join(t.TempDir(), "model.bin")
			if err := write(path, s, mixOf(t, "q8_0")); err != nil {
				t.Fatal(err)
			}
			first, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(path, s, mixOf(t, "q8_0")); err != nil {
				t.Fatal(err)
			}
			if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
				t.Fatalf("two files of one shape differ (%v)", err)
			}
			f, err := format.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m, err := model.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			session, err := m.NewSession(b, model.Options{Context: 64})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			tokens := make([]int32, 20)
			for i := range tokens {
				tokens[i] = int32(i)
			}
			logits, err := session.Feed(tokens, model.WantLast)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range logits {
				if !(math.Abs(float64(v)) < 1e4) {
					t.Fatalf("a logit is %g", v)
				}
			}
		})
	}
}

// shrink keeps one layer of each kind, next to each other, and the proportions of
// its channels.
func shrink(c *model.Config) {
	first := 0
	for c.KVHeads != nil && first+1 < c.Depth-1 && (c.KVHeads[first] == 0) == (c.KVHeads[first+1] == 0) {
		first++
	}
	if c.KVHeads == nil {
		c.Depth = 2
	} else {
		first = max(0, min(first, c.Depth-3))
		c.Depth = min(3, c.Depth)
		c.KVHeads = c.KVHeads[first : first+c.Depth]
	}
	if c.Inner != nil {
		c.Inner = c.Inner[first : first+c.Depth]
		for i := range c.Inner {
			c.Inner[i] /= 16
		}
	}
	c.Vocab, c.DModel, c.DFF = 256, 256, c.DFF/16
}

func TestRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.bin")
	for spec, want := range map[string]string{"3b": "not SHAPE-MIX", "9z-q8_0": "no shape", "3b-q99": "q99"} {
		if err := Write(path, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", spec, err, want)
		}
	}
}

func mixOf(t *testing.T, name string) quant.Mix {
	t.Helper()
	mix, err := quant.ParseMix(name)
	if err != nil {
		t.Fatal(err)
	}
	return mix
}
