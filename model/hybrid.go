package model

import "fmt"

// hybrid is the distilled models of "The Mamba in the Llama": a Llama in which
// Mamba or Mamba-2 took the place of some layers' attention.
type hybrid struct{}

func (hybrid) keys(c *Config, k *keys) {
	llamaKeys(c, k)
	if k.int("ssm.version", &c.SSM.Version); k.err == nil && c.SSM.Version != 1 && c.SSM.Version != 2 {
		k.fail("key %s.ssm.version is %d (known: 1, 2)", k.arch, c.SSM.Version)
	}
	c.SSM.keys(k)
	k.int("ssm.xb_size", &c.SSM.XB)
	k.bool("ssm.repeat_before_conv", &c.SSM.RepeatBeforeConv)
	windowKeys(c, k)
	checkKeys(c, k)
}

// layer reads the file's way to tell layers apart: those without key-value
// heads are Mamba's.
func (hybrid) layer(c *Config, i int) (Layer, error) {
	switch s := c.SSM; {
	case c.KVHeads[i] > 0:
		return Layer{c.attention(c.KVHeads[i]), c.feedForward()}, nil
	case s.Version == 1:
		return Layer{c.groupedMamba(), c.feedForward()}, nil
	case s.Inner%s.Rank != 0 || s.Inner/s.Rank != s.State: // q, k and v have heads of one length
		return nil, fmt.Errorf("%d heads in %d channels with %d states", s.Rank, s.Inner, s.State)
	default:
		return Layer{c.groupedMamba2(), c.feedForward()}, nil
	}
}
