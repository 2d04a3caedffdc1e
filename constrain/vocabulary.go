package constrain

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// Vocabulary is the tokens of a tokenizer. It is shared by all matchers of a
// model and does not change.
type Vocabulary struct {
	tokens [][]byte // as they lie in the trie; nil where a token never comes
	ends   []int32
	isEnd  map[int32]bool
	encode func(text string) []int32
	drops  bool

	once   sync.Once
	trie   *trie             // of all tokens
	slices []*slice          // of all tokens, each in one
	same   map[int32][]int32 // further tokens with the bytes of one
	mu     sync.Mutex        // of the slices' masks
}

// MostTokens and mostToken bound vocabularies.
const (
	MostTokens = 1 << 22
	mostToken  = 1 << 12 // bytes; longer tokens never come
)

// VocabularyOptions say which tokens are more than their bytes.
type VocabularyOptions struct {
	// Special are the special tokens and their texts. They come only where a
	// grammar names them. Their entry among the tokens' bytes is not looked at.
	Special map[int32]string
	// Ends are the tokens that end a text. They come where the text is whole.
	Ends []int32
	// Encode tokenizes a text as the model is used to, without special tokens. It
	// writes what a grammar forces; nil takes the longest tokens.
	Encode func(text string) []int32
	// Drops says that a space at the beginning of a text's first token is left
	// out of the text, as SentencePiece does. A token that has further spaces does
	// not come first then.
	Drops bool
}

// NewVocabulary makes a vocabulary of the bytes that each token adds to a text:
// the token of a byte is that byte, whether it is valid UTF-8 or not. Tokens
// without bytes never come. The error tells of an id that is none.
func NewVocabulary(tokens [][]byte, o VocabularyOptions) (*Vocabulary, error) {
	if len(tokens) > MostTokens {
		return nil, fmt.Errorf("a vocabulary of %d tokens is too large to constrain: at most %d are possible", len(tokens), MostTokens)
	}
	v := &Vocabulary{tokens: make([][]byte, len(tokens)), ends: slices.Clone(o.Ends), isEnd: map[int32]bool{}, encode: o.Encode, drops: o.Drops}
	for i, t := range tokens {
		if usable(t) {
			v.tokens[i] = t
		}
	}
	for id, text := range o.Special {
		if id < 0 || int(id) >= len(tokens) {
			return nil, fmt.Errorf("special token %d is none of the %d tokens", id, len(tokens))
		}
		v.tokens[id] = nil
		if text != "" && len(text) <= mostSpecial {
			v.tokens[id] = append(append([]byte{0xff}, text...), 0xff)
		}
	}
	for _, id := range o.Ends {
		if id < 0 || int(id) >= len(tokens) {
			return nil, fmt.Errorf("end token %d is none of the %d tokens", id, len(tokens))
		}
		v.isEnd[id] = true
	}
	return v, nil
}

// usable says whether the bytes of a token can be a part of valid UTF-8. The
// bytes that cannot also mark special tokens.
func usable(t []byte) bool {
	for _, b := range t {
		if b == 0xc0 || b == 0xc1 || b >= 0xf5 {
			return false
		}
	}
	return len(t) > 0 && len(t) <= mostToken
}

// first is the bytes of a token that a text begins with. ok is false where it may
// not.
func (v *Vocabulary) first(id int32) (text []byte, ok bool) {
	text = v.tokens[id]
	if v.drops && text != nil && text[0] != 0xff {
		text = bytes.TrimPrefix(text, []byte(" "))
		return text, !bytes.Contains(text, []byte(" "))
	}
	return text, text != nil
}

// Size is the number of tokens.
func (v *Vocabulary) Size() int { return len(v.tokens) }

// build makes the tries, when they are first needed.
func (v *Vocabulary) build() { v.once.Do(v.sort) }

func (v *Vocabulary) sort() {
	order, same := sortTokens(v.tokens)
	v.same = same
	v.trie = newTrie(v.tokens, order)
	v.slices = newSlices(v.tokens, order)
}

// allow sets the bits of a token and of those with the same bytes.
func (v *Vocabulary) allow(mask []uint32, id int32) {
	set(mask, id)
	for _, s := range v.same[id] {
		set(mask, s)
	}
}

func set(mask []uint32, id int32) { mask[id/32] |= 1 << (id % 32) }
