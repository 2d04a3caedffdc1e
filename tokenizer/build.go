package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// definition is all a Tokenizer is built from, whatever file it came from.
type definition struct {
	spec   *specification
	text   []string // by id; added tokens that the model lacks are put in by build
	kind   []tokenKind
	merges *mergeList // nil: derive them from scores
	scores []float64
}

func (d *definition) build() (*Tokenizer, error) {
	s := d.spec
	t := &Tokenizer{spec: s, unk: -1, bos: -1, eos: -1, byScores: d.merges == nil}
	t.byteFallback, t.fuseUnk, t.ignoreMerges = s.Model.ByteFallback, s.Model.FuseUnk, s.Model.IgnoreMerges
	var err error
	grow := growth(1)
	if t.normal, err = newNormalizer(s.Normalizer, &grow); err != nil {
		return nil, err
	}
	if t.pre, err = newPreTokenizer(s.PreTokenizer, &grow); err != nil {
		return nil, err
	}
	if err := grow.check(); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if t.decoder, err = newDecoder(s.Decoder); err != nil {
		return nil, err
	}
	t.byteLevel = t.pre.bytes
	if err := d.addTokens(); err != nil {
		return nil, err
	}
	if t.vocab, err = newVocabulary(d.text, d.kind, t.byteLevel); err != nil {
		return nil, err
	}
	t.added = newAddedTokens(s.AddedTokens, t.normal)
	if d.merges != nil {
		t.merges, err = d.merges.build(t.vocab)
	} else {
		t.merges, err = mergesByScore(t.vocab, d.scores, t.added.byContent)
	}
	if err != nil {
		return nil, err
	}
	t.bar()
	if err := t.fillSymbols(); err != nil {
		return nil, err
	}
	if err := t.fillTemplate(s.PostProcessor); err != nil {
		return nil, err
	}
	if t.pre.whole() && t.canSplitAtGaps() {
		t.pre.steps = append(t.pre.steps, handStep{gapSplit{spaceMark}})
	}
	t.hand = t.pre.hand()
	t.scratch.New = func() any { return t.newScratch() }
	return t, nil
}

// addTokens puts the added tokens among the model's.
func (d *definition) addTokens() error {
	byContent := map[string]int64{}
	size := int64(len(d.text))
	for _, a := range d.spec.AddedTokens {
		if a.ID < 0 || a.ID >= maxTokens {
			return fmt.Errorf("added token %s has id %d", quote(a.Content), a.ID)
		}
		if id, ok := byContent[a.Content]; ok && id != a.ID {
			return fmt.Errorf("added token %s has two ids, %d and %d", quote(a.Content), id, a.ID)
		}
		byContent[a.Content] = a.ID
		size = max(size, a.ID+1)
	}
	// A lone huge id must not make everything huge.
	if size > maxSparse(len(d.text)+len(byContent)) {
		return fmt.Errorf("the added tokens reach up to id %d with %d tokens in all", size-1, len(d.text)+len(byContent))
	}
	n := len(d.text)
	d.text = slices.Grow(d.text, int(size)-n)[:size]
	d.kind = slices.Grow(d.kind, int(size)-n)[:size]
	for _, a := range d.spec.AddedTokens {
		switch {
		case d.kind[a.ID] == kindUnused:
			d.text[a.ID], d.kind[a.ID] = a.Content, kindAdded
		case d.text[a.ID] != a.Content:
			return fmt.Errorf("id %d belongs to two tokens, %s and %s", a.ID, quote(d.text[a.ID]), quote(a.Content))
		}
	}
	for id, text := range d.text {
		if d.kind[id] != kindModel {
			continue
		}
		if other, ok := byContent[text]; ok && other != int64(id) {
			return fmt.Errorf("token %s has two ids, %d and %d", quote(text), id, other)
		}
	}
	return nil
}

// maxSparse bounds the ids that n tokens may spread over.
func maxSparse(n int) int64 { return min(4*int64(n)+4096, maxTokens) }

// bar keeps special tokens that are in the model's vocabulary too from being what
// a text is encoded to: a special token of one character would be every such
// character.
func (t *Tokenizer) bar() {
	t.barred = newIDSet(len(t.vocab.text))
	for id := range t.added.special {
		t.barred.add(id)
	}
	t.merges.drop(t.barred)
}

// idSet is a set of ids.
type idSet []uint64

func newIDSet(size int) idSet     { return make(idSet, size/64+1) }
func (s idSet) add(id int32)      { s[id/64] |= 1 << (id % 64) }
func (s idSet) has(id int32) bool { return id >= 0 && s[id/64]>>(id%64)&1 != 0 }

// fillSymbols looks up the tokens words start from.
func (t *Tokenizer) fillSymbols() error {
	for b := range 256 {
		t.fallbackID[b], t.byteID[b] = -1, -1
		if t.byteFallback {
			t.fallbackID[b] = t.modelID(fmt.Sprintf("<0x%02X>", b))
		}
		if t.byteLevel || b < 0x80 {
			if t.byteID[b] = t.vocab.lookup(string([]byte{byte(b)})); t.barred.has(t.byteID[b]) {
				t.byteID[b] = -1
			}
		}
	}
	if unk := t.spec.Model.UnkToken; unk != nil && *unk != "" {
		if t.unk = t.modelID(*unk); t.unk < 0 {
			return fmt.Errorf("unk_token %s is not in the vocabulary", quote(*unk))
		}
	}
	return nil
}

func (t *Tokenizer) modelID(text string) int32 {
	if id, ok := t.vocab.id(text); ok {
		return id
	}
	return -1
}

// maxAround bounds the tokens that a post-processor adds to a text; one or two are common.
const maxAround = 256

// fillTemplate takes the tokens around a text from the post-processor.
func (t *Tokenizer) fillTemplate(c *component) error {
	if c == nil {
		return nil
	}
	switch c.Type {
	case "ByteLevel": // only moves offsets
		return nil
	case "Sequence":
		for i := range c.Processors {
			if c.Processors[i].Type == "Sequence" {
				return errors.New("post_processor Sequence in a Sequence is not known")
			}
			if err := t.fillTemplate(&c.Processors[i]); err != nil {
				return err
			}
		}
		return nil
	case "TemplateProcessing":
	default:
		return fmt.Errorf("post_processor %s is not known (known: ByteLevel, TemplateProcessing, Sequence)", quote(c.Type))
	}
	var around [2][]int32 // before and behind the text
	side := 0
	for _, piece := range c.Single {
		if piece.SpecialToken == nil {
			if piece.Sequence == nil || side > 0 {
				return errors.New("post_processor TemplateProcessing: single is not tokens around one sequence")
			}
			side = 1
			continue
		}
		special, ok := c.SpecialTokens[piece.SpecialToken.ID]
		if !ok {
			return fmt.Errorf("post_processor TemplateProcessing: %s is not among its special_tokens", quote(piece.SpecialToken.ID))
		}
		for _, id := range special.IDs {
			if id < 0 || id >= maxTokens || !t.vocab.has(int32(id)) {
				return fmt.Errorf("post_processor TemplateProcessing: %s has id %d, which no token has", quote(piece.SpecialToken.ID), id)
			}
			around[side] = append(around[side], int32(id))
		}
		if n := len(t.template.before) + len(t.template.after) + len(around[0]) + len(around[1]); n > maxAround {
			return fmt.Errorf("post_processor TemplateProcessing adds %d tokens to a text, more than %d", n, maxAround)
		}
	}
	if side == 0 {
		return errors.New("post_processor TemplateProcessing: single has no sequence")
	}
	// Of several templates in a Sequence the later ones stand outside.
	t.template.before = append(around[0], t.template.before...)
	t.template.after = append(t.template.after, around[1]...)
	return nil
}
