package convert

import (
	"encoding/json"
	"fmt"
	"math"
)

// rope is how a model rotates queries and keys.
type rope struct {
	Type    string  `json:"rope_type"`
	OldType string  `json:"type"`
	Theta   float64 `json:"rope_theta"`
	Factor  float64 `json:"factor"`
	Low     float64 `json:"low_freq_factor"`
	High    float64 `json:"high_freq_factor"`
	Old     float64 `json:"original_max_position_embeddings"`
}

// readRope reads rope_scaling, or rope_parameters as transformers 5 writes it,
// and refuses unknown settings in it.
func (c *config) readRope() (*rope, error) {
	r, from := &rope{}, ""
	for _, place := range []struct {
		key string
		raw json.RawMessage
	}{{"rope_scaling", c.RopeScaling}, {"rope_parameters", c.RopeParams}} {
		if isEmpty(place.raw) || len(place.raw) == 0 {
			continue
		}
		var m members
		next := &rope{}
		if err := json.Unmarshal(place.raw, &m); err != nil {
			return nil, fmt.Errorf("config.json: %s is %s, not an object", place.key, show(place.raw))
		}
		keys := ropeKeys
		switch c.model() {
		case "bamba":
			keys = merge(keys, table(free, "partial_rotary_factor"))
		case "qwen3_5_text": // a text's positions are the same in all sections
			keys = merge(keys, table(free, "partial_rotary_factor mrope_section mrope_interleaved"))
		}
		unknown, err := m.check("config.json: "+place.key, keys)
		if err != nil {
			return nil, err
		}
		if len(unknown) > 0 {
			return nil, fmt.Errorf("config.json: %s: mil does not know the key %s", place.key, unknown[0])
		}
		if err := json.Unmarshal(place.raw, next); err != nil {
			return nil, fmt.Errorf("config.json: %s is %s", place.key, show(place.raw))
		}
		if next.Type == "" {
			next.Type = next.OldType
		}
		if next.Type == "" && next.Factor != 0 {
			return nil, fmt.Errorf("config.json: %s has a factor and no rope_type", place.key)
		}
		if from != "" && (r.Type != next.Type || r.Factor != next.Factor) {
			return nil, fmt.Errorf("config.json: %s and %s disagree", from, place.key)
		}
		r, from = next, place.key
	}
	if c.RopeTheta != 0 && r.Theta != 0 && c.RopeTheta != r.Theta {
		return nil, fmt.Errorf("config.json: rope_theta is %g, and %s says %g", c.RopeTheta, from, r.Theta)
	}
	if c.RopeTheta != 0 {
		r.Theta = c.RopeTheta
	}
	if r.Theta == 0 {
		r.Theta = 10000
	}
	if !positive(r.Theta) {
		return nil, fmt.Errorf("config.json: rope_theta is %g", r.Theta)
	}
	switch r.Type {
	case "", "default":
		r.Type = ""
	case "linear":
		if !positive(r.Factor) {
			return nil, fmt.Errorf("config.json: rope_scaling by a factor of %g", r.Factor)
		}
	case "llama3":
	default:
		return nil, fmt.Errorf("config.json: rope_scaling of type %.100q is not supported (known: default, linear, llama3)", r.Type)
	}
	return r, nil
}

// ropeFactors are the divisors of the frequencies by which Llama-3 stretches,
// or nil when the rotation is not stretched. The formula is transformers'
// llama3 rope type.
func ropeFactors(s *rope, dim int) ([]float32, error) {
	f := make([]float32, dim/2)
	for i := range f {
		inv := math.Pow(s.Theta, -2*float64(i)/float64(dim))
		wave := 2 * math.Pi / inv
		low, high := s.Old/s.Low, s.Old/s.High
		switch {
		case wave > low:
			f[i] = float32(s.Factor)
		case wave < high:
			f[i] = 1
		default:
			smooth := (s.Old/wave - s.Low) / (s.High - s.Low)
			f[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
		}
		if !(f[i] > 0) || math.IsInf(float64(f[i]), 0) {
			return nil, fmt.Errorf("config.json: rope_scaling divides a frequency by %g (factor %g, low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g)", f[i], s.Factor, s.Low, s.High, s.Old)
		}
	}
	return f, nil
}
