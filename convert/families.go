package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/source"
)

// ErrArchitecture is wrapped by errors about models mil does not run.
var ErrArchitecture = errors.New("unknown architecture")

// known lists the models that the layouts recognise, for messages.
const known = "known: llama, mistral, qwen2, qwen3, hybrids of llama and mistral with mamba or mamba2 layers (mamba_config.json), apriel_hybrid_ssm, granitemoehybrid, bamba, falcon_h1, nemotron_h, qwen3_5, mamba, mamba2, falcon_mamba"

// families describe models that mil does not run, by the beginning of their
// model_type. The longest that fits counts.
var families = []struct{ model, what string }{
	{"bert", "BERT: it reads text and writes none"},
	{"bloom", "BLOOM: attention with ALiBi"},
	{"cohere", "Command R: parallel blocks and scaled logits"},
	{"deepseek", "DeepSeek: latent attention and a mixture of experts"},
	{"dbrx", "DBRX: a mixture of experts"},
	{"falcon", "Falcon: parallel blocks"},
	{"gemma", "Gemma: scaled embeddings, norms with an offset, GELU"},
	{"glm", "GLM: biases and partial rotation"},
	{"qwen2_moe", "Qwen2-MoE: a mixture of experts"},
	{"qwen2_vl", "Qwen2-VL: it sees images"},
	{"qwen3_moe", "Qwen3-MoE: a mixture of experts"},
	{"gpt2", "GPT-2: learned positions and biases"},
	{"gpt_neox", "GPT-NeoX: parallel blocks and biases"},
	{"gpt_oss", "gpt-oss: a mixture of experts with attention sinks"},
	{"gptj", "GPT-J: parallel blocks"},
	{"granite", "Granite: embedding, attention, residual and logits multipliers"},
	{"internlm", "InternLM: merged q, k and v"},
	{"jamba", "Jamba: Mamba and attention layers with norms of dt, B and C, and experts"},
	{"jetnemotron", "Jet-Nemotron: gated delta nets"},
	{"kimi", "Kimi: linear attention and a mixture of experts"},
	{"lfm2", "LFM2: short convolutions and attention"},
	{"llama4", "Llama 4: a mixture of experts, layers without rotation"},
	{"llamba", "Llamba: discrete Mamba-2"},
	{"llava", "LLaVA: it sees images"},
	{"minicpm", "MiniCPM: scaled embeddings and residuals"},
	{"minimax", "MiniMax: linear attention and a mixture of experts"},
	{"ministral", "Ministral: windows that differ between layers"},
	{"mistral3", "Mistral 3: it sees images"},
	{"mixtral", "Mixtral: a mixture of experts"},
	{"mllama", "Llama 3.2 Vision: it sees images"},
	{"mpt", "MPT: attention with ALiBi"},
	{"nemotron", "Nemotron: LayerNorm and squared ReLU"},
	{"olmo", "OLMo: norms in other places"},
	{"opt", "OPT: learned positions and biases"},
	{"phi", "Phi: merged or biased projections and partial rotation"},
	{"plamo", "PLaMo: Mamba-2 and attention with norms in other places"},
	{"qwen3_5_moe", "Qwen3.5 with a mixture of experts"},
	{"qwen3_next", "Qwen3-Next: a mixture of experts"},
	{"recurrent_gemma", "RecurrentGemma: linear recurrent units"},
	{"rwkv", "RWKV: another recurrence"},
	{"smollm3", "SmolLM3: layers without rotation"},
	{"stablelm", "StableLM: LayerNorm and partial rotation"},
	{"starcoder", "StarCoder: LayerNorm and biases"},
	{"t5", "T5: an encoder and a decoder"},
	{"xlstm", "xLSTM: another recurrence"},
	{"zamba", "Zamba: Mamba layers around shared attention"},
	{"zebra", "Zebra-Llama: Mamba-2 layers and latent attention"},
}

// family is the description of a model_type, in brackets for a message.
func family(modelType string) string {
	best, what := "", ""
	for _, f := range families {
		if strings.HasPrefix(strings.ToLower(modelType), f.model) && len(f.model) > len(best) {
			best, what = f.model, " ("+f.what+")"
		}
	}
	return what
}

// kind is config.json's name for the model: model_type, or else the class.
func (c *config) kind() string {
	if c.ModelType == "" && len(c.Architectures) > 0 {
		return c.Architectures[0]
	}
	return c.ModelType
}

// classes are the classes of models that a config without model_type may name.
var classes = []string{"", "LlamaForCausalLM", "MistralForCausalLM", "MambaForCausalLM", "Mamba2ForCausalLM", "MambaLMHeadModel", "MistralMambaForCausalLM", "LlamaMambaForCausalLM"}

// typeOf is the model_type of classes whose layouts go by it.
var typeOf = map[string]string{
	"Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3", "GraniteMoeHybridForCausalLM": "granitemoehybrid", "BambaForCausalLM": "bamba",
	"FalconH1ForCausalLM": "falcon_h1", "FalconMambaForCausalLM": "falcon_mamba", "NemotronHForCausalLM": "nemotron_h",
	"AprielHybridSSMForCausalLM": "apriel_hybrid_ssm", "Qwen3_5ForCausalLM": "qwen3_5_text", "Qwen3_5ForConditionalGeneration": "qwen3_5",
}

// model is the model_type, which may follow from the class.
func (c *config) model() string {
	if t := typeOf[c.kind()]; t != "" {
		return t
	}
	return c.kind()
}

// runs are the values of model_type that some layout takes.
var runs = []string{"llama", "mistral", "mamba", "mamba2", "falcon_mamba", "qwen2", "qwen3", "granitemoehybrid", "bamba", "falcon_h1", "nemotron_h",
	"qwen3_5", "qwen3_5_text", "apriel_hybrid_ssm", "apriel_ssm_hybrid", qwerky}

// checkType refuses a model of another kind than those of a layout.
func (in *input) checkType(types ...string) error {
	c := in.config
	if slices.Contains(types, c.model()) || c.ModelType == "" && slices.Contains(classes, c.kind()) {
		return nil
	}
	return in.refuse("")
}

// refuse is the error for a checkpoint that no layout takes. where says what is
// odd about it besides.
func (in *input) refuse(where string) error {
	kind := in.config.kind()
	if slices.Contains(runs, kind) && in.lookup != nil {
		return fmt.Errorf("%w: config.json says %.100q, and the tensors (%s) are not that model's (%s)", ErrArchitecture, kind, in.names(), known)
	}
	return fmt.Errorf("config.json: %w %.100q%s%s; take a checkpoint of a family that mil runs (%s)", ErrArchitecture, kind, family(kind), where, known)
}

// checkWeights refuses models that concern no layout: those with quantized
// weights, and those inside others.
func (in *input) checkWeights() error {
	for _, key := range []string{"quantization_config", "compression_config"} {
		v, ok := in.config.members[key]
		if !ok || isEmpty(v) {
			continue
		}
		var q struct {
			Method string `json:"quant_method"`
		}
		_ = json.Unmarshal(v, &q) // its name is a detail
		how := ""
		if q.Method != "" {
			how = " by " + source.Show(q.Method)
		}
		return fmt.Errorf("config.json: %s: the weights are quantized%s, and mil converts float weights; take the checkpoint it was made from, or a GGUF file of it", key, how)
	}
	if v, ok := in.config.members["text_config"]; ok && !isEmpty(v) {
		return in.refuse(", whose language model is one of several parts (text_config)")
	}
	return nil
}

// names shows a few of the tensors' names.
func (in *input) names() string {
	const most = 3
	list := in.lookup.c.Names()
	n := len(list)
	if n > most {
		list = list[:most]
	}
	shown := make([]string, len(list))
	for i, name := range list {
		shown[i] = source.Show(name)
	}
	s := strings.Join(shown, ", ")
	if n > most {
		s += fmt.Sprintf(" and %d more", n-most)
	}
	return s
}
