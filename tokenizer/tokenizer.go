// Package tokenizer turns text into token ids and back, exactly as the Hugging Face
// tokenizers library does for tokenizers of kind BPE: byte-level ones (Llama 3, Qwen,
// GPT-2) and SentencePiece's with byte fallback (Mistral).
//
// A Tokenizer comes from tokenizer.json (FromFiles) or from a GGUF file's metadata
// (FromGGUF) and can be written into one (GGUF). It is safe for concurrent use.
package tokenizer

import (
	"slices"
	"sync"
)

// Tokenizer is a loaded tokenizer. It does not change after loading.
type Tokenizer struct {
	vocab     *vocabulary
	merges    *mergeTable
	byteLevel bool // words are sequences of bytes, not of characters

	// How the model treats what the vocabulary lacks.
	byteID       [256]int32 // byte-level: token of a byte; else: token of an ASCII character; -1 none
	fallbackID   [256]int32 // "<0xNN>" tokens, -1 none
	unk          int32      // -1 none
	byteFallback bool
	fuseUnk      bool
	ignoreMerges bool

	added    *addedTokens
	barred   idSet // what plain text never becomes
	normal   normalizer
	pre      preTokenizer
	hand     splitter // in place of pre where that is its only step
	template struct{ before, after []int32 }
	decoder  decoder

	bos, eos     int32   // -1 none
	ends         []int32 // more ids that end a turn, by the file's own word
	chatTemplate string
	named        map[string]any // special tokens by name, see Named; bos and eos may differ

	spec     *specification // what GGUF writes beside the vocabulary
	byScores bool           // merges were derived from scores

	scratch sync.Pool
}

// EncodeOptions says what Encode makes of special tokens.
type EncodeOptions struct {
	// AddSpecial puts the post-processor's tokens (BOS) around the text.
	AddSpecial bool
	// ParseSpecial takes the content of a special token in the text for the token.
	// Without it "<|eot_id|>" is plain text. Added tokens that are not special
	// (GPT-NeoX's runs of spaces) are found either way.
	ParseSpecial bool
	// Outside are bytes of the text, each entry from up to to, in order and apart,
	// that somebody else wrote: with ParseSpecial, no special token has a byte of
	// theirs. If it is not nil, special tokens are found before the text is
	// normalized, all of them.
	Outside [][2]int
}

// Encode returns the ids of text.
func (t *Tokenizer) Encode(text string, o EncodeOptions) []int32 {
	s := t.scratch.Get().(*scratch)
	defer t.scratch.Put(s)
	ids := make([]int32, 0, len(text)/4+8)
	if o.AddSpecial {
		ids = append(ids, t.template.before...)
	}
	tokens, parse, look := t.looked(o)
	for m := (match{}); m.id >= 0; {
		pos := m.end
		m = tokens.find(text, m.next, pos, look)
		if m.start > pos {
			ids = t.encodeSegment(ids, text[pos:m.start], pos == 0, parse, s)
		}
		if m.id >= 0 {
			ids = append(ids, m.id)
		}
	}
	if o.AddSpecial {
		ids = append(ids, t.template.after...)
	}
	return ids
}

// looked is which added tokens Encode looks for in the text as it stands, whether it
// looks for special ones in normalized text, and where.
func (t *Tokenizer) looked(o EncodeOptions) (tokens *matcher, parse bool, look specials) {
	tokens, parse = t.added.raw, o.ParseSpecial
	if parse && o.Outside != nil {
		tokens, parse = t.added.written, false
	}
	return tokens, parse, specials{none: !o.ParseSpecial, outside: o.Outside}
}

// Found is an added token in a text, from up to to.
type Found struct {
	From, To int
	ID       int32
}

// Added are the added tokens that Encode finds in a text before it is normalized. Texts
// in which it finds the same encode alike, whatever of them is from outside.
func (t *Tokenizer) Added(text string, o EncodeOptions) (list []Found) {
	tokens, _, look := t.looked(o)
	for m := (match{}); ; {
		if m = tokens.find(text, m.next, m.end, look); m.id < 0 {
			return list
		}
		list = append(list, Found{m.start, m.end, m.id})
	}
}

// encodeSegment encodes text between raw added tokens: it normalizes, cuts out the
// added tokens that are looked for in normalized text (special ones with parse),
// and encodes the rest.
func (t *Tokenizer) encodeSegment(ids []int32, text string, first, parse bool, s *scratch) []int32 {
	text = t.normal.apply(text)
	for m := (match{}); m.id >= 0; {
		pos := m.end
		m = t.added.normalized.find(text, m.next, pos, specials{none: !parse})
		if m.start > pos {
			ids = t.encodeWords(ids, text[pos:m.start], first && pos == 0, s)
		}
		if m.id >= 0 {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// encodeWords splits text into words (pre-tokens) and encodes each.
func (t *Tokenizer) encodeWords(ids []int32, text string, first bool, s *scratch) []int32 {
	if t.hand != nil {
		for i := 0; i < len(text); {
			end := t.hand.next(text, i)
			ids = t.encodeWord(ids, text[i:end], s)
			i = end
		}
		return ids
	}
	s.out = ids
	s.yield[0](text, first)
	ids, s.out = s.out, nil
	return ids
}

// newScratch makes the memory that Encode works in. Each step's pieces go to the next, those of
// the last are words.
func (t *Tokenizer) newScratch() *scratch {
	s := &scratch{cache: newWordCache()}
	n := len(t.pre.steps)
	s.yield = make([]func(string, bool), n+1)
	s.yield[n] = func(word string, _ bool) {
		if word != "" {
			s.out = t.encodeWord(s.out, word, s)
		}
	}
	for i := n - 1; i >= 0; i-- {
		step, next := t.pre.steps[i], s.yield[i+1]
		s.yield[i] = func(piece string, first bool) { step.split(piece, first, next) }
	}
	return s
}

// Size is the highest id plus one.
func (t *Tokenizer) Size() int { return len(t.vocab.text) }

// Longest returns the bytes of the longest text a token stands for, as the vocabulary
// spells it: what n tokens are made of is hardly longer than n times this.
func (t *Tokenizer) Longest() int {
	n := 0
	for _, s := range t.vocab.raw {
		n = max(n, len(s))
	}
	return n
}

// Special returns the contents of the special tokens, those that Encode finds in text
// only with ParseSpecial, in the order of their definition.
func (t *Tokenizer) Special() []string {
	var out []string
	for _, a := range t.spec.AddedTokens {
		if a.Special && a.Content != "" {
			out = append(out, a.Content)
		}
	}
	return out
}

// BOS returns the token that begins a text, if the tokenizer has one.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS returns the token that ends a text or a turn, if the tokenizer has one.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// EndOfTurn returns the ids that end a turn: EOS, and the special tokens that the
// families in use end a turn, a message or a text with.
func (t *Tokenizer) EndOfTurn() []int32 {
	var ids []int32
	add := func(id int32) {
		if id >= 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(t.eos)
	for _, id := range t.ends {
		add(id)
	}
	for _, name := range slices.Concat(turnEnds, textEnds) {
		if id, ok := t.added.byContent[name]; ok && t.added.special[id] {
			add(id)
		}
	}
	return ids
}

// BOSToken returns the content of the BOS token, "" without one.
func (t *Tokenizer) BOSToken() string { return t.content(t.bos) }

// EOSToken returns the content of the EOS token, "" without one.
func (t *Tokenizer) EOSToken() string { return t.content(t.eos) }

// ID returns the id of a token by its content as tokenizer.json writes it.
func (t *Tokenizer) ID(content string) (int32, bool) {
	if id, ok := t.added.byContent[content]; ok {
		return id, true
	}
	return t.vocab.id(content)
}

// Piece returns the text a token stands for, for showing: the bytes of a byte-level or
// byte token may be part of a character. An id without a token gives "".
func (t *Tokenizer) Piece(id int32) string {
	if !t.vocab.has(id) {
		return ""
	}
	if t.decoder.byteFallback {
		if b, ok := byteToken(t.vocab.text[id]); ok {
			return string([]byte{b})
		}
	}
	return t.decoder.piece(t.vocab.raw[id])
}

// ChatTemplate returns the Jinja chat template, "" when there is none.
func (t *Tokenizer) ChatTemplate() string { return t.chatTemplate }

func (t *Tokenizer) content(id int32) string {
	if id < 0 {
		return ""
	}
	return t.vocab.text[id]
}
