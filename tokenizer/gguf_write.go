package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ownKey holds tokenizer.json without vocabulary and merges, which ggml's keys hold.
const ownKey = "mil.tokenizer.json"

// namedKey holds what Named returns, as JSON.
const namedKey = "mil.tokenizer.special_tokens"

// ggml's token types.
const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

// GGUF returns the tokenizer as metadata: ggml's documented keys, and one of our own
// with which FromGGUF gives back exactly this tokenizer. The list of tokens is filled up
// to the embedding's rows, which ggml's tools want equal; fewer rows than Size are an error.
func (t *Tokenizer) GGUF(rows int) (map[string]any, error) {
	if rows < t.Size() {
		return nil, fmt.Errorf("the tokenizer has ids up to %d, the embedding %d rows", t.Size()-1, rows)
	}
	kv := map[string]any{
		"tokenizer.ggml.model":         "llama",
		"tokenizer.ggml.pre":           t.preName(),
		"tokenizer.ggml.add_bos_token": t.bos >= 0 && len(t.template.before) > 0 && t.template.before[0] == t.bos,
		"tokenizer.ggml.add_eos_token": t.eos >= 0 && len(t.template.after) > 0 && t.template.after[0] == t.eos,
	}
	if t.byteLevel {
		kv["tokenizer.ggml.model"] = "gpt2"
	} else {
		kv["tokenizer.ggml.scores"] = t.scores(rows)
		kv["tokenizer.ggml.add_space_prefix"] = strings.HasPrefix(t.firstWord("a"), spaceMark)
	}
	for key, id := range map[string]int32{"bos": t.bos, "eos": t.eos, "unknown": t.unk} {
		if id >= 0 {
			kv["tokenizer.ggml."+key+"_token_id"] = uint32(id)
		}
	}
	if named := t.Named(); len(named) > 0 {
		data, err := json.Marshal(named) // in the order of the names
		if err != nil {
			return nil, err
		}
		kv[namedKey] = string(data)
		if pad, ok := named["pad_token"].(string); ok {
			if id, ok := t.ID(pad); ok {
				kv["tokenizer.ggml.padding_token_id"] = uint32(id)
			}
		}
	}
	if t.chatTemplate != "" {
		kv["tokenizer.chat_template"] = t.chatTemplate
	}
	tokens, types := make([]string, rows), make([]int32, rows)
	for id := range tokens {
		if types[id] = t.tokenType(int32(id)); types[id] == typeUnused {
			tokens[id] = fmt.Sprintf("[PAD%d]", id)
		} else {
			tokens[id] = t.vocab.text[id]
		}
	}
	kv["tokenizer.ggml.tokens"], kv["tokenizer.ggml.token_type"] = tokens, types
	if !t.byScores {
		merges := make([]string, len(t.merges.pairs))
		for i, p := range t.merges.pairs {
			merges[i] = t.vocab.text[p.left] + " " + t.vocab.text[p.right]
			if strings.Count(merges[i], " ") != 1 {
				return nil, fmt.Errorf("merge %s of a token with a space cannot be written to GGUF", quote(merges[i]))
			}
		}
		kv["tokenizer.ggml.merges"] = merges
	}
	// Which added tokens the model's vocabulary holds too is not in ggml's keys.
	both := map[string]int32{}
	for content, id := range t.added.byContent {
		if t.vocab.kind[id] == kindModel {
			both[content] = id
		}
	}
	own, err := t.spec.encode(both)
	if err != nil {
		return nil, err
	}
	kv[ownKey] = own
	return kv, nil
}

// SortedKeys returns the keys of GGUF's metadata in the order to write them in.
func SortedKeys(kv map[string]any) []string { return slices.Sorted(maps.Keys(kv)) }

// firstWord is the first word that a text is split into.
func (t *Tokenizer) firstWord(text string) string {
	word := ""
	yield := func(piece string, _ bool) {
		if word == "" {
			word = piece
		}
	}
	for i := len(t.pre.steps) - 1; i >= 0; i-- {
		step, next := t.pre.steps[i], yield
		yield = func(piece string, first bool) { step.split(piece, first, next) }
	}
	yield(t.normal.apply(text), true)
	return word
}

func (t *Tokenizer) tokenType(id int32) int32 {
	if !t.vocab.has(id) {
		return typeUnused
	}
	text := t.vocab.text[id]
	_, added := t.added.byContent[text]
	_, isByte := byteToken(text)
	switch {
	case id == t.unk && !t.byteLevel:
		return typeUnknown
	case t.added.special[id]:
		return typeControl
	case added:
		return typeUserDefined
	case isByte && t.byteFallback:
		return typeByte
	}
	return typeNormal
}

// scores are what SentencePiece orders merges by: the rank of a token's first merge,
// negative. Tokens that no merge makes come last.
func (t *Tokenizer) scores(rows int) []float32 {
	scores := make([]float32, rows)
	for id := range scores {
		if t.tokenType(int32(id)) == typeNormal {
			scores[id] = -float32(len(t.merges.pairs))
		}
	}
	for i := len(t.merges.pairs) - 1; i >= 0; i-- {
		p := t.merges.pairs[i]
		rank, id := t.merges.find(p.left, p.right)
		scores[id] = max(scores[id], -float32(rank))
	}
	return scores
}
