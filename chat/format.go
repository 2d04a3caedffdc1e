package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/tokenizer"
)

// ErrFormat is wrapped by the error of a model whose replies cannot be held to a
// form.
var ErrFormat = errors.New("the model's replies cannot be held to a form")

// Vocabulary is the model's tokens, for grammars. It is made when it is first asked
// for. The error is ErrFormat.
func (e *Engine) Vocabulary() (*constrain.Vocabulary, error) { return e.vocab() }

func (e *Engine) readVocabulary() (*constrain.Vocabulary, error) {
	tokens, drops, err := e.Tokenizer.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(e.ends) == 0 {
		return nil, fmt.Errorf("%w: it has no token that ends a text", ErrFormat)
	}
	for id := range e.ends {
		if id < 0 || int(id) >= len(tokens) {
			return nil, fmt.Errorf("%w: its end token %d is not in the tokenizer", ErrFormat, id)
		}
	}
	v, err := constrain.NewVocabulary(tokens, constrain.VocabularyOptions{
		Special: e.Tokenizer.Specials(),
		Ends:    slices.Sorted(maps.Keys(e.ends)),
		Drops:   drops,
		Encode:  func(text string) []int32 { return e.Tokenizer.Encode(text, tokenizer.EncodeOptions{}) },
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return v, nil
}

// setFormat makes the next replies hold to the settings' format.
func (c *Conversation) setFormat() error {
	if c.set.Format == nil {
		c.decoder.SetFormat(nil, nil)
		return nil
	}
	v, err := c.e.Vocabulary()
	if err != nil {
		return err
	}
	c.decoder.SetFormat(c.set.Format, v)
	return nil
}
