package convert

import (
	"encoding/json"
	"fmt"
	"math"
)

// config is config.json of a Llama-like checkpoint, or of a pure Mamba one.
type config struct {
	NameOrPath    string          `json:"_name_or_path"`
	ModelType     string          `json:"model_type"`
	Architectures []string        `json:"architectures"`
	VocabSize     int             `json:"vocab_size"`
	HiddenAct     string          `json:"hidden_act"`
	HiddenSize    int             `json:"hidden_size"`
	Intermediate  int             `json:"intermediate_size"`
	Layers        int             `json:"num_hidden_layers"`
	Heads         int             `json:"num_attention_heads"`
	KVHeads       int             `json:"num_key_value_heads"`
	HeadDim       int             `json:"head_dim"`
	Eps           float64         `json:"rms_norm_eps"`
	RopeTheta     float64         `json:"rope_theta"`
	RopeScaling   *ropeScaling    `json:"rope_scaling"`
	RopeParams    *ropeScaling    `json:"rope_parameters"`
	MaxPositions  int             `json:"max_position_embeddings"`
	Tie           bool            `json:"tie_word_embeddings"`
	AttnBias      bool            `json:"attention_bias"`
	MLPBias       bool            `json:"mlp_bias"`
	EOS           json.RawMessage `json:"eos_token_id"`
	License       string          `json:"license"`

	// Pure Mamba.
	DModel   int   `json:"d_model"`
	NLayer   int   `json:"n_layer"`
	SSM      ssm   `json:"ssm_cfg"`
	TieMamba *bool `json:"tie_embeddings"`
	PadVocab int   `json:"pad_vocab_size_multiple"`
}

// ropeScaling is how a context was stretched.
type ropeScaling struct {
	Type    string  `json:"rope_type"`
	OldType string  `json:"type"`
	Theta   float64 `json:"rope_theta"`
	Factor  float64 `json:"factor"`
	Low     float64 `json:"low_freq_factor"`
	High    float64 `json:"high_freq_factor"`
	Old     float64 `json:"original_max_position_embeddings"`
}

// ssm is ssm_cfg, of mamba_config.json or of a pure Mamba's config.json.
type ssm struct {
	Layer            string          `json:"layer"`
	Expand           *float64        `json:"expand"`
	DState           int             `json:"d_state"`
	DConv            int             `json:"d_conv"`
	DtRank           json.RawMessage `json:"dt_rank"`
	HeadDim          int             `json:"headdim"`
	Groups           int             `json:"ngroups"`
	RepeatBeforeConv *bool           `json:"repeat_kv_before_conv"`
}

// mambaConfig is mamba_config.json.
type mambaConfig struct {
	DModel     int     `json:"d_model"`
	SSM        ssm     `json:"ssm_cfg"`
	Eps        float64 `json:"rms_norm_eps"`
	DInner     int     `json:"d_inner"`
	DXB        int     `json:"d_xb"`
	Layers     int     `json:"n_layer"`
	AttnLayers []int   `json:"attn_layers"` // nil: the tensors tell
}

// rank is dt_rank: "auto" or absent means d_model/16, rounded up.
func (s *ssm) rank(dModel int) (int, error) {
	if len(s.DtRank) == 0 || string(s.DtRank) == `"auto"` || string(s.DtRank) == "null" {
		return (dModel + 15) / 16, nil
	}
	var n int
	if err := json.Unmarshal(s.DtRank, &n); err != nil {
		return 0, fmt.Errorf("dt_rank is %.60q", s.DtRank)
	}
	return n, nil
}

// maxEnds bounds the ids that a config says end a turn.
const maxEnds = 256

func or(v, fallback int) int {
	if v == 0 {
		return fallback
	}
	return v
}

// ropeFactors are what Llama-3's stretching divides the frequencies by; nil
// when the rotation is not stretched. Formula: transformers' llama3 rope type.
func ropeFactors(s *ropeScaling, theta float64, dim int) ([]float32, error) {
	f := make([]float32, dim/2)
	for i := range f {
		inv := math.Pow(theta, -2*float64(i)/float64(dim))
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
