package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// readKeys are an attention architecture's keys that are read, and those that
// change nothing.
var readKeys = strings.Fields(`block_count context_length embedding_length feed_forward_length vocab_size attention.head_count
	attention.head_count_kv attention.key_length attention.value_length attention.layer_norm_rms_epsilon attention.sliding_window
	rope.freq_base rope.dimension_count rope.scaling.type rope.scaling.factor rope.scale_linear rope.scaling.finetuned
	rope.scaling.original_context_length attention.layer_norm_epsilon tensor_data_layout`)

// neutralKeys change the arithmetic unless they hold the value given here.
var neutralKeys = map[string]float64{
	"expert_count": 0, "expert_used_count": 0, "expert_shared_count": 0, "expert_weights_scale": 0, "leading_dense_block_count": 0,
	"attention.max_alibi_bias": 0, "attention.clamp_kqv": 0, "attention.logit_softcapping": 0, "final_logit_softcapping": 0,
	"attn_logit_softcapping": 0, "logit_scale": 1, "embedding_scale": 1, "residual_scale": 1, "rope.scaling.attn_factor": 1,
	"rope.scaling.yarn_log_multiplier": 0, "rope.scaling.yarn_ext_factor": 0, "use_parallel_residual": 0, "attention.causal": 1,
	"pooling_type": 0, "nextn_predict_layers": 0, "decoder_start_token_id": 0,
}

// checkKeys refuses a file with a key of another computation than attention as
// it is recorded here, and a file with an unknown key that speaks of attention.
func checkKeys(c *Config, k *keys) {
	if n := k.int("attention.value_length", c.HeadDim); n != c.HeadDim {
		k.fail("key %s.attention.value_length is %d, and heads have %d channels", k.arch, n, c.HeadDim)
	}
	for _, full := range k.m.Keys() {
		key, ok := strings.CutPrefix(full, k.arch+".")
		if !ok || slices.Contains(readKeys, key) || strings.HasPrefix(key, "ssm.") {
			continue
		}
		if key == "attention.scale" {
			want := 1 / math.Sqrt(float64(c.HeadDim))
			if v := k.float(key); k.err == nil && math.Abs(v-want) > 1e-6*want {
				k.fail("key %s is %g, and mil scales scores by 1/sqrt(%d)", full, v, c.HeadDim)
			}
			continue
		}
		value, isNumber := k.number(full)
		want, known := neutralKeys[key]
		neutral := isNumber && (value == 0 && key != "attention.causal" || known && value == want)
		if !neutral {
			k.fail("key %s is %s, which mil does not compute", full, k.shown(full))
		}
	}
}

// number reads a scalar of any kind as a number; false and true are 0 and 1.
func (k *keys) number(full string) (float64, bool) {
	if v, ok, err := k.m.Float(full); ok && err == nil {
		return v, true
	}
	if v, ok, err := k.m.Int(full); ok && err == nil {
		return float64(v), true
	}
	if v, ok, err := k.m.Bool(full); ok && err == nil {
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// shown is a key's value for a message.
func (k *keys) shown(full string) string {
	if k.m.IsArray(full) {
		return "an array"
	}
	v, _ := k.m.Raw(full)
	if s, ok := v.(string); ok && len(s) > 60 {
		v = s[:60]
	}
	return fmt.Sprintf("%.80q", fmt.Sprint(v))
}
