package model

// pure is the Mamba and Mamba-2 language models: a mixer in every layer and no
// feed-forward, in ggml's conventions.
type pure struct{ version int }

func (a pure) keys(c *Config, k *keys) {
	shapeKeys(c, k)
	k.note("feed_forward_length", 0)
	k.note("attention.head_count", 0)
	normKeys(c, k)
	vocabKeys(c, k)
	c.SSM.Version = a.version
	c.SSM.keys(k, 1)
	c.SSM.XB = c.SSM.Inner
	var normed bool
	if !k.writing() {
		k.bool("ssm.dt_b_c_rms", &normed)
	}
	if normed {
		k.fail("key %s.ssm.dt_b_c_rms is set: normalized dt, B and C are not known here", k.arch)
	}
}

func (a pure) layer(c *Config, _ int) (Layer, error) {
	if a.version == 1 {
		return Layer{c.mamba()}, nil
	}
	return Layer{c.mamba2()}, nil
}
