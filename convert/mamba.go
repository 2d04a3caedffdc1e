package convert

import (
	"fmt"

	"github.com/mil-run/mil/model"
)

// pure is the shape of a pure Mamba or Mamba-2 model.
type pure struct {
	second              bool
	d, layers           int
	inner, conv, groups int
	state, rank, head   int // rank: dt_rank, or heads
	eps                 float64
	tied                bool
	normed              bool // dt, B and C are
	normEps             float64
	vocab, pad          int // from the config; 0: from the weights
	embedding           string
	warnings            []string
}

// mambaLayout recognises the pure Mamba and Mamba-2 checkpoints, in their
// authors' layout and in transformers', and plans them in ggml's conventions.
func mambaLayout(in *input) (*plan, bool, error) {
	t := in.lookup
	s := &pure{second: in.any(".mixer.dt_bias"), embedding: "backbone.embedding.weight"}
	read := s.readAuthors
	if t.has("backbone.embeddings.weight") {
		s.embedding, read = "backbone.embeddings.weight", s.readTransformers
	}
	if !t.has(s.embedding) {
		return nil, false, nil
	}
	if err := in.checkType("mamba", "mamba2", "falcon_mamba"); err != nil {
		return nil, true, err
	}
	err := read(in.config)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, true, err
	}
	p, err := s.plan(t)
	return p, true, err
}

// readAuthors reads the config of state-spaces/mamba.
func (s *pure) readAuthors(c *config) error {
	cfg := &c.SSM
	unknown, err := c.members.check("config.json", pureKeys)
	if err != nil {
		return err
	}
	more, err := cfg.members.check("config.json: ssm_cfg", ssmKeys)
	if err != nil {
		return err
	}
	s.warnings = append(unknownKeys("config.json", unknown), unknownKeys("config.json: ssm_cfg", more)...)
	expand := 2.0
	if cfg.Expand != nil {
		expand = *cfg.Expand
	}
	s.d, s.layers, s.conv, s.eps = c.DModel, c.NLayer, or(cfg.DConv, 4), 1e-5
	s.inner, s.groups = int(expand*float64(s.d)), 1
	s.tied = c.TieMamba == nil || *c.TieMamba
	s.vocab, s.pad = c.VocabSize, or(c.PadVocab, 8)
	if s.second {
		s.state, s.groups, s.head = or(cfg.DState, 128), or(cfg.Groups, 1), or(cfg.HeadDim, 64)
		return nil
	}
	s.state = or(cfg.DState, 16)
	if s.rank, err = cfg.rank(s.d); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	return nil
}

// readTransformers reads the config of a mamba-*-hf checkpoint.
func (s *pure) readTransformers(c *config) error {
	unknown, err := c.members.check("config.json", hfMambaKeys)
	if err != nil {
		return err
	}
	s.warnings = unknownKeys("config.json", unknown)
	expand := 2.0
	if c.Expand != nil {
		expand = *c.Expand
	}
	s.d, s.layers, s.conv, s.eps = c.HiddenSize, c.Layers, or(c.ConvKernel, 4), 1e-5
	if c.LayerEps != nil {
		s.eps = *c.LayerEps
	}
	s.inner, s.groups = int(expand*float64(s.d)), 1
	s.vocab, s.pad = c.VocabSize, 1
	s.tied = c.tied(!s.second)
	if s.second {
		s.state, s.groups, s.head = or(c.StateSize, 128), or(c.Groups, 8), or(c.HeadDim, 64)
		switch {
		case c.NumHeads != 0 && c.NumHeads*s.head != s.inner:
			return fmt.Errorf("config.json: %d heads of %d are not %d channels", c.NumHeads, s.head, s.inner)
		}
		return nil
	}
	s.state = or(c.StateSize, 16)
	s.inner = or(c.Intermediate, s.inner)
	if s.normed = c.model() == "falcon_mamba"; s.normed {
		s.normEps = 1e-6 // transformers' default
		if c.MixerEps != nil {
			s.normEps = *c.MixerEps
		}
		s.normEps = float64(float32(s.normEps)) // as the file holds it
	}
	rank := ssm{DtRank: c.StepRank}
	s.rank, err = rank.rank(s.d)
	return err
}

// check refuses shapes that no model has.
func (s *pure) check() error {
	switch {
	case s.d < 1 || s.d > maxWidth || s.layers < 1 || s.layers > maxLayers:
		return fmt.Errorf("config.json: d_model %d and n_layer %d are not a model", s.d, s.layers)
	case s.inner < 1 || s.inner > maxWidth || s.conv < 2 || s.conv > 64:
		return fmt.Errorf("config.json: %d channels and d_conv %d are not a model", s.inner, s.conv)
	case s.vocab < 0 || s.vocab > maxVocab || s.pad < 1 || s.pad > maxVocab:
		return fmt.Errorf("config.json: vocab_size %d and pad_vocab_size_multiple %d are not a model", s.vocab, s.pad)
	case s.normed && !(s.normEps > 0 && s.normEps < 1):
		return fmt.Errorf("config.json: mixer_rms_eps is %g", s.normEps)
	case !(s.eps > 0 && s.eps < 1):
		return fmt.Errorf("config.json: layer_norm_epsilon is %g", s.eps)
	}
	if s.second {
		if s.head < 1 || s.inner%s.head != 0 || s.groups < 1 || s.groups > maxWidth || s.inner/s.head%s.groups != 0 {
			return fmt.Errorf("config.json: %d channels, heads of %d, %d groups do not fit", s.inner, s.head, s.groups)
		}
		s.rank = s.inner / s.head
	}
	if s.state < 1 || s.state > 4096 || s.rank < 1 || s.rank > maxWidth {
		return fmt.Errorf("config.json: d_state %d and dt_rank %d are not a model", s.state, s.rank)
	}
	return nil
}

// plan lists keys and tensors.
func (s *pure) plan(t *lookup) (*plan, error) {
	embd, _ := t.c.Tensor(s.embedding)
	vocab := embd.Rows()
	if s.vocab != 0 && s.vocab != vocab { // the embedding has as many rows, rounded up
		vocab = (s.vocab + s.pad - 1) / s.pad * s.pad
	}
	p, err := newPlan(s.modelConfig(vocab), s.tied)
	if err != nil {
		return nil, err
	}
	p.warnings = s.warnings
	outer := map[string]from{
		"token_embd.weight":  is(s.embedding),
		"output_norm.weight": is("backbone.norm_f.weight"),
	}
	if p.tied {
		t.ignore("lm_head.weight")
	} else {
		outer["output.weight"] = is("lm_head.weight")
	}
	p.fill(t, func(layer int) (string, map[string]from) {
		if layer < 0 {
			return "", outer
		}
		return fmt.Sprintf("backbone.layers.%d.", layer), s.names()
	})
	t.rest()
	return p, t.err
}

func (s *pure) modelConfig(vocab int) *model.Config {
	c := &model.Config{Arch: "mamba", Depth: s.layers, DModel: s.d, Vocab: vocab, Eps: float32(s.eps),
		Context: 1 << 20, // the recurrence declares none; ggml writes this
		SSM:     model.SSM{Version: 1, Conv: s.conv, Inner: s.inner, State: s.state, Rank: s.rank, Groups: s.groups, XB: s.inner, Normed: s.normed, NormEps: s.normEps}}
	if s.second {
		c.Arch, c.SSM.Version = "mamba2", 2
	}
	return c
}

// names are the tensors of a layer.
func (s *pure) names() map[string]from {
	list := map[string]from{
		"attn_norm.weight":  is("norm.weight"),
		"ssm_in.weight":     is("mixer.in_proj.weight"),
		"ssm_conv1d.weight": {tensor: "mixer.conv1d.weight", depthwise: true},
		"ssm_conv1d.bias":   is("mixer.conv1d.bias"),
		"ssm_x.weight":      is("mixer.x_proj.weight"),
		"ssm_dt.weight":     is("mixer.dt_proj.weight"),
		"ssm_dt.bias":       is("mixer.dt_proj.bias"),
		"ssm_a":             {tensor: "mixer.A_log", value: decay},
		"ssm_d":             is("mixer.D"),
		"ssm_norm.weight":   is("mixer.norm.weight"),
		"ssm_out.weight":    is("mixer.out_proj.weight"),
	}
	if s.second {
		list["ssm_dt.bias"] = is("mixer.dt_bias")
	}
	return list
}
