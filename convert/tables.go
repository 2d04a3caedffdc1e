package convert

import (
	"maps"
	"strings"
)

// harmless are keys of config.json that change no logits: names, training,
// generation, caches, and ids of tokens, which the tokenizer and the generation
// defaults handle.
var harmless = table(free, `_name_or_path _from_model_config architectures model_type auto_map transformers_version transformers.js_config
	torch_dtype dtype use_cache license vocab_size pad_vocab_size_multiple
	bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id decoder_start_token_id forced_bos_token_id forced_eos_token_id
	attention_dropout attn_dropout attn_pdrop embd_pdrop resid_pdrop dropout hidden_dropout resid_dropout embd_dropout classifier_dropout
	initializer_range initializer_scale initializer_factor rescale_prenorm_residual pretraining_tp gradient_checkpointing
	output_attentions output_hidden_states output_router_logits router_aux_loss_coef z_loss_coefficient return_dict torchscript
	use_return_dict pruned_heads problem_type id2label label2id num_labels finetuning_task task_specific_params prefix
	tie_encoder_decoder is_decoder is_encoder_decoder add_cross_attention cross_attention_hidden_size chunk_size_feed_forward
	_attn_implementation attn_implementation _attn_implementation_autoset _flash_attn_2_enabled use_flash_attention use_flash_attn use_sdpa
	remove_invalid_values exponential_decay_length_penalty tokenizer_class sliding_window_pattern max_window_layers
	temperature top_k top_p typical_p do_sample num_beams repetition_penalty length_penalty max_length min_length max_new_tokens num_return_sequences
	bad_words_ids suppress_tokens begin_suppress_tokens early_stopping diversity_penalty num_beam_groups no_repeat_ngram_size encoder_no_repeat_ngram_size
	unsloth_version unsloth_fixed name _commit_hash`)

// neutral are keys that change the arithmetic unless they hold the value given
// here. Models of other families carry them.
var neutral = merge(
	table(none, `quantization_config compression_config quantization attention_bias mlp_bias qkv_bias use_bias use_qkv_bias lm_head_bias bias
	attn_logit_softcapping final_logit_softcapping logit_softcap attn_softcap clip_qkv alibi use_alibi attention_sink attention_sinks
	use_qk_norm qk_norm qk_layernorm use_qk_layernorm num_experts num_local_experts n_routed_experts num_experts_per_tok
	n_shared_experts moe_intermediate_size shared_intermediate_size parallel_attn use_parallel_residual attn_temperature_tuning
	num_nextn_predict_layers no_rope_layers no_rope_layer_interval use_mrope mrope_section attention_chunk_size use_sliding_window
	text_config vision_config audio_config speech_config cross_attention_layers use_mup mup_enabled layerscale
	scale_attn_by_inverse_layer_idx reorder_and_upcast_attn use_adapter lora_rank lora_alpha ada_rms_norm use_double_wide_mlp`),
	table(one, `partial_rotary_factor rotary_pct rotary_percent embedding_multiplier residual_multiplier logits_scaling logit_scale
	lm_head_multiplier key_multiplier attention_in_multiplier attention_out_multiplier scale_emb embedding_scale mup_scale query_scale`),
	table(silu, `hidden_act hidden_activation mlp_hidden_act activation_function activation`),
	map[string]rule{
		"layer_types":             every("full_attention"),
		"position_embedding_type": text("rope", "rotary", "absolute"), // "absolute" is what transformers writes for models that do not read it
		"norm_type":               text("rmsnorm", "rms_norm", "RMSNorm"),
		"normalization_type":      text("rmsnorm", "rms_norm", "RMSNorm"),
	})

// llamaKeys are those of Llama, Mistral and the hybrids' config.json. The layout
// reads the second group and the rope keys, whose own tables stand below.
var llamaKeys = merge(neutral, harmless, table(free, `hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads
	head_dim rms_norm_eps rope_theta rope_scaling rope_parameters max_position_embeddings tie_word_embeddings sliding_window
	attention_multiplier query_pre_attn_scalar original_max_position_embeddings`),
	table(free, `attention_bias mlp_bias`),
	map[string]rule{"rope_type": text("default")},
	// Keys that the hybrids' authors put beside it; mamba_config.json says it too.
	table(free, `ssm_cfg ssm_config attn_layers d_model d_inner d_xb n_layer mamba_config`))

// mixerKeys are those of Mamba-2 mixers within transformers' models.
var mixerKeys = merge(table(free, `mamba_d_conv mamba_d_head mamba_d_state mamba_expand mamba_n_groups mamba_n_heads mamba_chunk_size
	num_logits_to_keep time_step_min time_step_max time_step_floor time_step_rank partial_rotary_factor attn_rotary_emb`),
	table(yes, `mamba_conv_bias`), table(none, `mamba_proj_bias sliding_window`), map[string]rule{"time_step_limit": unlimited})

var (
	bambaKeys   = merge(llamaKeys, mixerKeys, table(free, `attn_layer_indices layer_types layers_block_type`), table(none, `mlp_bias`))
	graniteKeys = merge(llamaKeys, mixerKeys, table(free, `layer_types layers_block_type shared_intermediate_size embedding_multiplier residual_multiplier
		logits_scaling init_method`), table(none, `mlp_bias`), map[string]rule{
		"position_embedding_type": text("nope", "rope"), "normalization_function": text("rmsnorm"), "partial_rotary_factor": one,
	})
	falconKeys = merge(llamaKeys, mixerKeys, table(free, `mamba_d_ssm mamba_rms_norm mamba_norm_before_gate mlp_expansion_factor embedding_multiplier
		lm_head_multiplier key_multiplier attention_in_multiplier attention_out_multiplier ssm_in_multiplier ssm_out_multiplier ssm_multipliers
		mlp_multipliers`), table(yes, `mamba_use_mlp`), table(none, `projectors_bias attn_layer_indices mlp_bias`), map[string]rule{"partial_rotary_factor": one})
	// nemotronKeys allow those of experts, which configs carry though no layer has
	// any, and those of a rotation, which no layer does.
	nemotronKeys = merge(llamaKeys, mixerKeys, table(free, `layers_block_type hybrid_override_pattern attention_head_dim ssm_state_size mamba_num_heads
		mamba_head_dim expand conv_kernel chunk_size n_groups layer_norm_epsilon use_mamba_kernels mamba_ssm_cache_dtype residual_in_fp32
		n_group topk_group n_routed_experts n_shared_experts num_experts_per_tok moe_intermediate_size moe_latent_size
		moe_shared_expert_intermediate_size moe_shared_expert_overlap norm_topk_prob routed_scaling_factor mtp_layers_block_type
		mtp_hybrid_override_pattern router_aux_loss_coef`), table(yes, `use_conv_bias`), table(silu, `mamba_hidden_act`), table(none, `use_bias`),
		map[string]rule{"mlp_hidden_act": text("relu2")})
	qwen35Keys = merge(llamaKeys, table(free, `layer_types full_attention_interval partial_rotary_factor linear_conv_kernel_dim linear_key_head_dim
		linear_value_head_dim linear_num_key_heads linear_num_value_heads mtp_num_hidden_layers mtp_use_dedicated_embeddings mamba_ssm_dtype mlp_only_layers`),
		table(yes, `attn_output_gate`), table(none, `attention_bias mlp_bias sliding_window num_experts`))
	aprielKeys = merge(llamaKeys, table(free, `hybrid_block_layout`), table(none, `sliding_window`))
	// aprielSSMKeys have those of its other mixer too, discrete Mamba-2.
	aprielSSMKeys = merge(ssmKeys, table(free, `n_qk_heads n_v_heads activation`))
)

// ropeKeys are those of rope_scaling and rope_parameters; the layout reads them.
var ropeKeys = merge(table(one, `partial_rotary_factor mscale mscale_all_dim attention_factor`),
	table(free, `type rope_type rope_theta factor low_freq_factor high_freq_factor original_max_position_embeddings finetuned`))

// mambaConfigKeys are those of mamba_config.json.
var mambaConfigKeys = merge(table(free, `d_model ssm_cfg ssm_config rms_norm_eps vocab_size d_inner d_xb intermediate_size n_layer attn_layers
	residual_in_fp32 fused_add_norm initializer_cfg dtype device`), table(silu, `hidden_act`), table(yes, `rms_norm`))

// ssmKeys are those of ssm_cfg, in either file. Keys that set initial values
// count in training alone.
var ssmKeys = merge(table(free, `d_model d_inner d_xb d_state d_conv expand dt_rank headdim ngroups repeat_kv_before_conv
	conv_init dt_min dt_max dt_init dt_scale dt_init_floor A_init_range chunk_size use_fast_path use_mem_eff_path layer_idx device dtype`),
	table(yes, `conv_bias rmsnorm dt_proj_bias`), table(none, `bias norm_before_gate D_has_hdim d_ssm n_qk_heads n_v_heads process_group sequence_parallel`),
	map[string]rule{"activation": text("silu", "swish"), "dt_limit": unlimited, "layer": text("", "Mamba", "Mamba1", "Mamba2"), "dt_softplus": yes})

// pureKeys are those of config.json of a pure Mamba checkpoint.
var pureKeys = merge(neutral, harmless, table(free, `d_model n_layer ssm_cfg tie_embeddings residual_in_fp32 fused_add_norm`),
	table(yes, `rms_norm`), table(none, `d_intermediate attn_layer_idx attn_cfg`))

// hfMambaKeys are those of config.json of Mamba and Mamba-2 in transformers' layout.
var hfMambaKeys = merge(pureKeys, table(free, `hidden_size num_hidden_layers d_inner state_size conv_kernel expand intermediate_size time_step_rank
	layer_norm_epsilon tie_word_embeddings num_heads head_dim n_groups chunk_size use_mambapy use_associative_scan use_mamba_kernels
	time_step_scale time_step_min time_step_max time_step_init_scheme time_step_floor`),
	table(yes, `use_conv_bias rms_norm`), map[string]rule{"time_step_limit": unlimited},
	table(free, `mixer_rms_eps norm_before_gate`)) // the latter stands in Codestral's config, and transformers gates first all the same

// table gives each of the keys, separated by spaces, one rule.
func table(r rule, keys string) map[string]rule {
	t := map[string]rule{}
	for _, k := range strings.Fields(keys) {
		t[k] = r
	}
	return t
}

// merge makes one table of several. The last that has a key wins.
func merge[V any](tables ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}
