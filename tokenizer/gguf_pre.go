package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// preSplit is what a name in tokenizer.ggml.pre stands for: expressions by which text
// is cut one after the other, and what else ggml takes for granted with it.
type preSplit struct {
	patterns     []string
	ignoreMerges bool
	addBOS       bool
	nfc          bool // the tokenizers of that name compose text before
}

// Steps that are no expression: Falcon's cuts what ByteLevel has spelled.
const (
	falconPunct  = "Punctuation"
	falconDigits = "Digits"
	falconThree  = "[0-9][0-9][0-9]"
)

var (
	llama3Split   = preSplit{patterns: []string{llama3Pattern}, ignoreMerges: true, addBOS: true}
	dbrxSplit     = preSplit{patterns: []string{llama3Pattern}}
	qwen2Split    = preSplit{patterns: []string{qwen2Pattern}}
	qwenSplit     = preSplit{patterns: []string{qwen2Pattern}, nfc: true}
	o200kSplit    = preSplit{patterns: []string{o200kPattern}}
	gptSplit      = preSplit{patterns: []string{gpt2Pattern}}
	neoxSplit     = preSplit{patterns: []string{gpt2Pattern}, nfc: true}
	starSplit     = preSplit{patterns: []string{`\p{N}`, gpt2Pattern}}
	deepSplit     = preSplit{patterns: []string{digitsPattern, cjkPattern, deepseekPattern}}
	bailingSplit  = preSplit{patterns: []string{`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`}}
	sentenceSplit = preSplit{patterns: []string{` ?[^(\s|[.,!?…。，、।۔،])]+`}}
)

// preSplits are the names in tokenizer.ggml.pre. Of several with one meaning the first
// in preNames is written.
var preSplits = map[string]preSplit{
	"llama-bpe": llama3Split, "llama3": llama3Split, "llama-v3": llama3Split, "falcon3": llama3Split, "falcon-h1": llama3Split,
	"pixtral": llama3Split, "midm-2.0": llama3Split, "lfm2": llama3Split,
	"dbrx": dbrxSplit, "smaug-bpe": dbrxSplit, "glm4": dbrxSplit, "chatglm-bpe": dbrxSplit,
	"qwen2": qwenSplit, "megrez": qwenSplit,
	"deepseek-r1-qwen": qwen2Split, "stablelm2": qwen2Split, "hunyuan": qwen2Split, "solar-open": qwen2Split,
	"kormo": qwen2Split, "grok-2": qwen2Split,
	"qwen35": {patterns: []string{qwen35Pattern}, nfc: true},
	"gpt-4o": o200kSplit, "llama4": o200kSplit, "kanana2": o200kSplit, "talkie": o200kSplit, "minimax-m2": o200kSplit,
	"tekken":      {patterns: []string{tekkenPattern}, ignoreMerges: true, addBOS: true},
	"deepseek-v3": deepSplit, "hunyuan-dense": deepSplit, "joyai-llm": deepSplit, "hy_v4": deepSplit,
	"deepseek-coder": {patterns: []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", `\p{N}`}},
	"gpt-2":          gptSplit, "phi-2": gptSplit, "gigachat": gptSplit, "a.x-4.0": gptSplit, "mellum": gptSplit, "jais": gptSplit,
	"trillion": gptSplit, "granite-docling": gptSplit, "exaone4": gptSplit,
	"olmo": neoxSplit, "mpt": neoxSplit, // GPT-NeoX's, and what descends from it
	"starcoder": starSplit, "refact": starSplit, "command-r": starSplit, "smollm": starSplit, "codeshell": starSplit,
	"exaone": starSplit, "minerva-7b": starSplit, "mellum2": starSplit,
	"falcon":     {patterns: []string{falconPunct, gpt2Pattern, falconDigits, falconThree}},
	"bailingmoe": bailingSplit, "bailingmoe2": bailingSplit, "llada-moe": bailingSplit,
	"bloom": sentenceSplit, "poro-chat": sentenceSplit, "gpt3-finnish": sentenceSplit,
	"viking":     {patterns: append(slices.Clone(sentenceSplit.patterns), `\p{N}`)},
	"superbpe":   {patterns: []string{`\p{N}+`, `(?=(\d{3})+(?!\d))`}},
	"tiny_aya":   {patterns: []string{`\d{1,3}(?=(?:\d{3})*\b)`, o200kPattern}},
	"cohere2moe": {patterns: []string{`\d{1,3}(?=(?:\d{3})*\b)`, o200kPattern}},
	"minicpm5":   {patterns: []string{`\p{N}{1,3}`, strings.Replace(llama3Pattern, `\p{N}{1,3}`, `\p{N}+`, 1)}, ignoreMerges: true},
	"seed-coder": {patterns: []string{`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`}},
	"ufakzeka":   {patterns: []string{strings.TrimPrefix(qwen2Pattern, `(?i:'s|'t|'re|'ve|'m|'ll|'d)|`)}},
	"laguna":     {patterns: []string{`[^\n]+|[\n]+`, qwen2Pattern}},
	"exaone-moe": {patterns: []string{`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`}},
	"jais-2":     {patterns: []string{jais2Pattern()}},
}

// preNames are the names that GGUF writes.
var preNames = []string{
	"llama-bpe", "dbrx", "qwen2", "qwen35", "gpt-4o", "tekken", "deepseek-v3", "deepseek-coder", "gpt-2", "starcoder", "falcon",
	"bailingmoe", "bloom", "viking", "superbpe", "tiny_aya", "minicpm5", "seed-coder", "ufakzeka", "laguna", "exaone-moe", "jais-2",
}

// jais2Pattern is Llama 3's, where runs of white space are cut to powers of two.
func jais2Pattern() string {
	head, _ := strings.CutSuffix(llama3Pattern, `|\s+(?!\S)|\s+`)
	for _, n := range []string{"512", "256", "128", "64", "32", "16", "8", "4", "1,2"} {
		head += `|\s{` + n + `}(?!\S)`
	}
	return head + `|\s{1}`
}

// preTokenizer writes what a name stands for as tokenizer.json has it.
func (s preSplit) preTokenizer() map[string]any {
	type object = map[string]any
	var steps []object
	level := object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	for i, p := range s.patterns {
		switch {
		case p == falconPunct:
			steps = append(steps, object{"type": "Punctuation", "behavior": "Contiguous"})
		case p == falconDigits:
			steps = append(steps, object{"type": "Digits", "individual_digits": false})
		case p == gpt2Pattern:
			level["use_regex"] = true
			steps = append(steps, level)
		default:
			steps = append(steps, object{"type": "Split", "pattern": object{"Regex": p}, "behavior": "Isolated", "invert": false})
		}
		if i == len(s.patterns)-1 && level["use_regex"] == false {
			steps = append(steps, level)
		}
	}
	if len(steps) == 1 {
		return steps[0]
	}
	return object{"type": "Sequence", "pretokenizers": steps}
}

// preName is ggml's name of the way text is split into words, "default" where it has
// none.
func (t *Tokenizer) preName() string {
	if !t.byteLevel {
		return "default"
	}
	patterns, ok := cuts(t.spec.PreTokenizer)
	for _, name := range preNames {
		s := preSplits[name]
		if ok && slices.Equal(patterns, s.patterns) && (t.ignoreMerges || !s.ignoreMerges) {
			return name
		}
	}
	return "default"
}

// cuts are the expressions that a pre-tokenizer cuts by, in the terms of preSplits.
func cuts(c *component) (patterns []string, ok bool) {
	switch {
	case c == nil:
		return nil, true
	case c.Type == "Sequence":
		for i := range c.PreTokenizers {
			more, ok := cuts(&c.PreTokenizers[i])
			if !ok {
				return nil, false
			}
			patterns = append(patterns, more...)
		}
		return patterns, true
	case c.Type == "ByteLevel" && isTrue(c.AddPrefixSpace):
		return nil, false
	case c.Type == "ByteLevel" && isTrue(c.UseRegex):
		return []string{gpt2Pattern}, true
	case c.Type == "ByteLevel":
		return nil, true
	case c.Type == "Digits" && c.IndividualDigits:
		return []string{`\p{N}`}, true
	case c.Type == "Digits":
		return []string{falconDigits}, true
	case c.Type == "Punctuation" && c.Behavior == "Contiguous":
		return []string{falconPunct}, true
	case c.Type == "Split" && c.Pattern.Regex != nil && (c.Behavior == "Isolated" || c.Behavior == "Removed" && c.Invert):
		return []string{*c.Pattern.Regex}, true
	}
	return nil, false
}

// preOf returns what a name in tokenizer.ggml.pre stands for.
func preOf(name string) (preSplit, error) {
	s, ok := preSplits[name]
	if !ok {
		return s, fmt.Errorf("tokenizer.ggml.pre %s is not known; the tokenizer.json of the model tells how it splits text", quote(name))
	}
	return s, nil
}
