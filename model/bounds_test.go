package model

import (
	"strings"
	"testing"
)

// A few kilobytes of header may not stand for gigabytes of memory: what layers
// are wide inside, and the recurrent state, are held against the model.
func TestBounds(t *testing.T) {
	good := Config{Arch: "mamba2", Depth: 4, DModel: 2560, DFF: 8192, Heads: 32, HeadDim: 80, KVHeads: []int{1, 1, 1, 1}, Eps: 1e-5,
		Rope: Rope{Base: 10000},
		SSM:  SSM{Version: 2, Conv: 4, Inner: 5120, State: 128, Rank: 80, Groups: 1, XB: 5120}}
	for name, c := range map[string]struct {
		change func(c *Config)
		file   int
		want   string
	}{
		"published":    {func(*Config) {}, 20 << 20, ""},
		"feed-forward": {func(c *Config) { c.Arch, c.DFF = "llama", 64*2560+1 }, 1 << 40, "163841 channels within layers of 2560; at most 64 times as many are taken"},
		"heads":        {func(c *Config) { c.Arch, c.Heads, c.HeadDim = "llama", 1<<20, 4096 }, 1 << 40, "channels within layers of 2560"},
		"inner":        {func(c *Config) { c.SSM.Inner = 1 << 20; c.SSM.Rank = 1 << 10 }, 1 << 40, "1048576 channels within"},
		"state":        {func(c *Config) { c.SSM.State = 4096 }, 10 << 20, "a recurrent state of 320 MB, of weights of 10 MB, is no model's"},
	} {
		config := good
		c.change(&config)
		err := config.Build()
		if err == nil {
			err = config.checkState(c.file)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
