package model

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
)

// keys reads the metadata of an architecture into a config, or writes it: one
// declaration serves both. It keeps the first error.
type keys struct {
	arch     string
	m        *format.Meta                // that is read
	set      func(key string, value any) // or where it is written to
	declared map[string]bool             // without the architecture
	err      error
}

func (k *keys) writing() bool { return k.set != nil }

func (k *keys) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf(format, args...)
	}
}

// full is a key's whole name. From here on it is known.
func (k *keys) full(key string) string {
	k.declared[key] = true
	return k.arch + "." + key
}

func (k *keys) write(key string, value any) { k.set(k.full(key), value) }

// int is a count. Without a fallback a file must have it.
func (k *keys) int(key string, v *int, fallback ...int) {
	if k.writing() {
		k.write(key, uint32(*v))
		return
	}
	full := k.full(key)
	n, ok, err := k.m.Uint(full)
	switch {
	case err != nil:
		k.fail("%w", err)
	case !ok && len(fallback) > 0:
		*v = fallback[0]
		return
	case !ok:
		k.fail("key %s is missing", full)
	case n > 1<<31-1:
		k.fail("key %s is %d, past what a model can have", full, n)
	}
	*v = int(n)
}

func (k *keys) float(key string, v *float64, fallback ...float64) {
	if k.writing() {
		k.write(key, float32(*v))
		return
	}
	full := k.full(key)
	x, ok, err := k.m.Float(full)
	switch {
	case err != nil:
		k.fail("%w", err)
	case !ok && len(fallback) > 0:
		*v = fallback[0]
		return
	case !ok:
		k.fail("key %s is missing", full)
	}
	*v = x
}

// bool is false where a file does not say.
func (k *keys) bool(key string, v *bool) {
	if k.writing() {
		k.write(key, *v)
		return
	}
	var err error
	if *v, _, err = k.m.Bool(k.full(key)); err != nil {
		k.fail("%w", err)
	}
}

// text reads a text.
func (k *keys) text(key string) (v string, ok bool) {
	v, ok, err := k.m.String(k.full(key))
	if err != nil {
		k.fail("%w", err)
	}
	return v, ok
}

// note is a count for other programs. It is written and not read.
func (k *keys) note(key string, v int) {
	if k.full(key); k.writing() {
		k.write(key, uint32(v))
	}
}

// sections are how many of the rotated pairs go by which coordinate of an image. In a
// text all coordinates are the position, so any division does the same, and the key
// is written for ggml alone.
func (k *keys) sections(key string, dims int) {
	if k.full(key); k.writing() {
		third := int32(dims / 6)
		k.write(key, []int32{int32(dims/2) - 2*third, third, third, 0})
	}
}

// perLayer is a count that may be one for all layers or an array.
func (k *keys) perLayer(key string, v *[]int, layers, fallback int) {
	if k.writing() {
		k.writeLayers(key, *v)
		return
	}
	full := k.full(key)
	out := make([]int, layers)
	for i := range out {
		out[i] = fallback
	}
	*v = out
	if n, ok, err := k.m.Uint(full); err == nil {
		for i := range out {
			if ok {
				out[i] = int(min(n, maxWidth+1))
			}
		}
		return
	}
	list, _, err := k.m.Uints(full)
	switch {
	case err != nil:
		k.fail("%w", err)
	case len(list) != layers:
		k.fail("key %s has %d values for %d layers", full, len(list), layers)
	default:
		for i := range out {
			out[i] = int(min(list[i], maxWidth+1))
		}
	}
}

// writeLayers writes one count where the layers agree and it is not 0.
func (k *keys) writeLayers(key string, list []int) {
	if !slices.ContainsFunc(list, func(n int) bool { return n != list[0] || n == 0 }) {
		k.write(key, uint32(list[0]))
		return
	}
	all := make([]int32, len(list))
	for i, n := range list {
		all[i] = int32(n)
	}
	k.write(key, all)
}

// freeKeys change nothing. They count beside the keys that an architecture
// declares.
var freeKeys = strings.Fields(`rope.scaling.finetuned rope.scaling.original_context_length attention.layer_norm_epsilon tensor_data_layout`)

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
	if k.writing() {
		return
	}
	for _, full := range k.m.Keys() {
		key, ok := strings.CutPrefix(full, k.arch+".")
		if !ok || k.declared[key] || slices.Contains(freeKeys, key) || strings.HasPrefix(key, "ssm.") {
			continue
		}
		if key == "attention.scale" {
			want := 1 / math.Sqrt(float64(c.HeadDim))
			var v float64
			if k.float(key, &v); k.err == nil && math.Abs(v-want) > 1e-6*want {
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
