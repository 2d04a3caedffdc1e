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
	if !k.writing() || c.SSM.Normed {
		k.bool("ssm.dt_b_c_rms", &c.SSM.Normed)
	}
	if c.SSM.Normed && a.version == 2 {
		k.fail("key %s.ssm.dt_b_c_rms is set: normalized dt, B and C are not known here", k.arch)
	}
	if c.SSM.Normed { // ggml takes the model's own epsilon
		k.float("ssm.dt_b_c_rms_epsilon", &c.SSM.NormEps, float64(c.Eps))
	}
}

func (a pure) layer(c *Config, _ int) (Layer, error) {
	if a.version == 1 {
		return Layer{c.mamba()}, nil
	}
	return Layer{c.mamba2()}, nil
}
