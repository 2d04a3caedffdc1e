package convert

import (
	"encoding/json"
	"fmt"
)

// config is config.json of a Llama-like checkpoint, or of a pure Mamba one.
type config struct {
	NameOrPath    string          `json:"_name_or_path"`
	ModelType     string          `json:"model_type"`
	Architectures []string        `json:"architectures"`
	VocabSize     int             `json:"vocab_size"`
	HiddenSize    int             `json:"hidden_size"`
	Intermediate  int             `json:"intermediate_size"`
	Layers        int             `json:"num_hidden_layers"`
	Heads         int             `json:"num_attention_heads"`
	KVHeads       int             `json:"num_key_value_heads"`
	HeadDim       int             `json:"head_dim"`
	Eps           *float64        `json:"rms_norm_eps"`
	RopeTheta     float64         `json:"rope_theta"`
	RopeScaling   json.RawMessage `json:"rope_scaling"`
	RopeParams    json.RawMessage `json:"rope_parameters"`
	Window        *int            `json:"sliding_window"`
	Multiplier    *float64        `json:"attention_multiplier"`
	QueryScalar   *float64        `json:"query_pre_attn_scalar"`
	MaxPositions  int             `json:"max_position_embeddings"`
	AttentionBias bool            `json:"attention_bias"`
	MLPBias       bool            `json:"mlp_bias"`
	EOS           json.RawMessage `json:"eos_token_id"`
	License       string          `json:"license"`

	// Pure Mamba.
	DModel   int   `json:"d_model"`
	NLayer   int   `json:"n_layer"`
	SSM      ssm   `json:"ssm_cfg"`
	TieMamba *bool `json:"tie_embeddings"`
	PadVocab int   `json:"pad_vocab_size_multiple"`

	// Pure Mamba as transformers has it.
	StateSize  int             `json:"state_size"`
	ConvKernel int             `json:"conv_kernel"`
	Expand     *float64        `json:"expand"`
	StepRank   json.RawMessage `json:"time_step_rank"`
	LayerEps   *float64        `json:"layer_norm_epsilon"`
	NumHeads   int             `json:"num_heads"`
	Groups     int             `json:"n_groups"`
	TieWords   *bool           `json:"tie_word_embeddings"`

	// Apriel-H1.
	Layout []string `json:"hybrid_block_layout"`

	mamba2Config
	deltaConfig

	members members // all of config.json
	places  []int   // the checkpoint's number of each layer; nil: the same
}

// mamba2Config is a transformers model of which some layers have Mamba-2 mixers.
type mamba2Config struct {
	MambaConv     int             `json:"mamba_d_conv"`
	MambaHead     json.RawMessage `json:"mamba_d_head"` // a number, or "auto"
	MambaInner    int             `json:"mamba_d_ssm"`
	MambaState    int             `json:"mamba_d_state"`
	MambaExpand   *float64        `json:"mamba_expand"`
	MambaGroups   int             `json:"mamba_n_groups"`
	MambaHeads    int             `json:"mamba_n_heads"`
	MambaNorm     bool            `json:"mamba_rms_norm"`
	NormFirst     *bool           `json:"mamba_norm_before_gate"`
	AttnIndices   []int           `json:"attn_layer_indices"`
	LayerTypes    []string        `json:"layer_types"`
	PositionKind  string          `json:"position_embedding_type"`
	Rotary        *float64        `json:"partial_rotary_factor"`
	SharedInner   int             `json:"shared_intermediate_size"`
	EmbeddingMul  *float64        `json:"embedding_multiplier"`
	ResidualMul   *float64        `json:"residual_multiplier"`
	LogitsScaling *float64        `json:"logits_scaling"`
	LMHeadMul     *float64        `json:"lm_head_multiplier"`
	KeyMul        *float64        `json:"key_multiplier"`
	AttnInMul     *float64        `json:"attention_in_multiplier"`
	AttnOutMul    *float64        `json:"attention_out_multiplier"`
	SSMInMul      *float64        `json:"ssm_in_multiplier"`
	SSMOutMul     *float64        `json:"ssm_out_multiplier"`
	SSMMuls       []float64       `json:"ssm_multipliers"`
	MLPMuls       []float64       `json:"mlp_multipliers"`

	// Nemotron-H.
	Blocks       []string `json:"layers_block_type"`
	Pattern      string   `json:"hybrid_override_pattern"`
	AttnHeadDim  int      `json:"attention_head_dim"`
	SSMState     int      `json:"ssm_state_size"`
	MambaNumHead int      `json:"mamba_num_heads"`
	MambaHeadDim int      `json:"mamba_head_dim"`
	MinStep      *float64 `json:"time_step_min"`

	// Falcon-Mamba.
	MixerEps *float64 `json:"mixer_rms_eps"`
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
	DInner           int             `json:"d_inner"` // these two in Apriel-H1
	DXB              int             `json:"d_xb"`

	members members // all of it
}

// mambaConfig is mamba_config.json.
type mambaConfig struct {
	DModel     int      `json:"d_model"`
	SSM        ssm      `json:"ssm_cfg"`
	Qwerky     *ssm     `json:"ssm_config"` // the same, by Qwerky's name
	Eps        *float64 `json:"rms_norm_eps"`
	DInner     int      `json:"d_inner"`
	DXB        int      `json:"d_xb"`
	Layers     int      `json:"n_layer"`
	AttnLayers []int    `json:"attn_layers"` // nil: the tensors tell

	members members // all of mamba_config.json
}

// UnmarshalJSON keeps every key beside those with fields.
func (c *config) UnmarshalJSON(b []byte) error {
	type plain config
	if err := json.Unmarshal(b, (*plain)(c)); err != nil {
		return err
	}
	return json.Unmarshal(b, &c.members)
}

// UnmarshalJSON keeps every key beside those with fields.
func (m *mambaConfig) UnmarshalJSON(b []byte) error {
	type plain mambaConfig
	if err := json.Unmarshal(b, (*plain)(m)); err != nil {
		return err
	}
	return json.Unmarshal(b, &m.members)
}

// UnmarshalJSON keeps every key beside those with fields.
func (s *ssm) UnmarshalJSON(b []byte) error {
	type plain ssm
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	return json.Unmarshal(b, &s.members)
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
