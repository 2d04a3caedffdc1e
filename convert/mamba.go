package convert

import (
	"fmt"
	"slices"
)

// mambaLayout recognises the pure Mamba and Mamba-2 checkpoints, and plans
// them in ggml's conventions.
func mambaLayout(in *input) (*plan, bool, error) {
	t := in.takes
	embd, ok := t.c.Tensor("backbone.embedding.weight")
	if !ok {
		return nil, false, nil
	}
	second := in.any(".mixer.dt_bias")
	if !slices.Contains([]string{"", "mamba", "mamba2"}, in.config.ModelType) {
		return nil, true, fmt.Errorf("config.json: %w %q (%s)", ErrArchitecture, in.config.ModelType, known)
	}
	c, s := in.config, &in.config.SSM
	d := c.DModel
	if d < 1 || d > maxWidth || c.NLayer < 1 || c.NLayer > maxLayers {
		return nil, true, fmt.Errorf("config.json: d_model %d and n_layer %d are not a model", d, c.NLayer)
	}
	expand := 2.0
	if s.Expand != nil {
		expand = *s.Expand
	}
	inner, conv, groups := int(expand*float64(d)), or(s.DConv, 4), 1
	if inner < 1 || inner > maxWidth || conv < 2 || conv > 64 {
		return nil, true, fmt.Errorf("config.json: expand %g and d_conv %d are not a model", expand, conv)
	}
	p := &plan{arch: "mamba", layers: c.NLayer, tied: c.TieMamba == nil || *c.TieMamba, vocab: embd.Rows()}
	// The embedding has as many rows as the config says, rounded up.
	if v, pad := c.VocabSize, or(c.PadVocab, 8); v != 0 && v != p.vocab {
		if v < 1 || v > maxVocab || pad < 1 || pad > maxVocab {
			return nil, true, fmt.Errorf("config.json: vocab_size %d and pad_vocab_size_multiple %d are not a model", v, pad)
		}
		p.vocab = (v + pad - 1) / pad * pad
	}
	var state, rank int
	if second {
		p.arch = "mamba2"
		state, groups = or(s.DState, 128), or(s.Groups, 1)
		head := or(s.HeadDim, 64)
		if head < 1 || inner%head != 0 || groups < 1 || groups > maxWidth || inner/head%groups != 0 {
			return nil, true, fmt.Errorf("config.json: %d channels, heads of %d, %d groups do not fit", inner, head, groups)
		}
		rank = inner / head
	} else {
		var err error
		state = or(s.DState, 16)
		if rank, err = s.rank(d); err != nil {
			return nil, true, fmt.Errorf("config.json: %w", err)
		}
	}
	if state < 1 || state > 4096 || rank < 1 || rank > maxWidth {
		return nil, true, fmt.Errorf("config.json: d_state %d and dt_rank %d are not a model", state, rank)
	}
	p.setArch("block_count", uint32(c.NLayer))
	p.setArch("context_length", uint32(1<<20)) // the recurrence declares none; ggml writes this
	p.setArch("embedding_length", uint32(d))
	p.setArch("feed_forward_length", uint32(0))
	p.setArch("attention.head_count", uint32(0))
	p.setArch("attention.layer_norm_rms_epsilon", float32(1e-5))
	p.setArch("vocab_size", uint32(p.vocab))
	p.setArch("ssm.conv_kernel", uint32(conv))
	p.setArch("ssm.inner_size", uint32(inner))
	p.setArch("ssm.state_size", uint32(state))
	p.setArch("ssm.time_step_rank", uint32(rank))
	p.setArch("ssm.group_count", uint32(groups))

	p.matrix(t, "token_embd.weight", d, whole(t.take("backbone.embedding.weight", p.vocab, d)))
	for i := range c.NLayer {
		in, blk := fmt.Sprintf("backbone.layers.%d.", i), fmt.Sprintf("blk.%d.", i)
		p.vector(t, blk+"attn_norm.weight", t.take(in+"norm.weight", d), dims(d), nil)
		in += "mixer."
		channels, rows := inner, 2*inner
		if second {
			channels = inner + 2*groups*state
			rows = inner + channels + rank
		}
		p.matrix(t, blk+"ssm_in.weight", d, whole(t.take(in+"in_proj.weight", rows, d)))
		p.vector(t, blk+"ssm_conv1d.weight", t.take(in+"conv1d.weight", channels, 1, conv), dims(conv, channels), nil)
		p.vector(t, blk+"ssm_conv1d.bias", t.take(in+"conv1d.bias", channels), dims(channels), nil)
		if second {
			p.vector(t, blk+"ssm_dt.bias", t.take(in+"dt_bias", rank), dims(rank), nil)
			p.vector(t, blk+"ssm_a", t.take(in+"A_log", rank), dims(1, rank), decay)
			p.vector(t, blk+"ssm_d", t.take(in+"D", rank), dims(1, rank), nil)
			p.vector(t, blk+"ssm_norm.weight", t.take(in+"norm.weight", inner), dims(inner/groups, groups), nil)
		} else {
			p.matrix(t, blk+"ssm_x.weight", inner, whole(t.take(in+"x_proj.weight", rank+2*state, inner)))
			p.matrix(t, blk+"ssm_dt.weight", rank, whole(t.take(in+"dt_proj.weight", inner, rank)))
			p.vector(t, blk+"ssm_dt.bias", t.take(in+"dt_proj.bias", inner), dims(inner), nil)
			p.vector(t, blk+"ssm_a", t.take(in+"A_log", inner, state), dims(state, inner), decay)
			p.vector(t, blk+"ssm_d", t.take(in+"D", inner), dims(inner), nil)
		}
		p.matrix(t, blk+"ssm_out.weight", inner, whole(t.take(in+"out_proj.weight", d, inner)))
	}
	p.vector(t, "output_norm.weight", t.take("backbone.norm_f.weight", d), dims(d), nil)
	if p.tied {
		t.ignore("lm_head.weight")
	} else {
		p.matrix(t, "output.weight", d, whole(t.take("lm_head.weight", p.vocab, d)))
	}
	t.rest()
	return p, true, t.err
}
