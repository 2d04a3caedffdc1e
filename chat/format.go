package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

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
	g, v, err := c.e.Form(&c.set)
	if err == nil {
		c.decoder.SetFormat(g, v)
	}
	return err
}

// Form is the form that a reply under these settings holds to: their format, and calls of
// the functions that they offer. A nil grammar allows everything.
func (e *Engine) Form(set *Settings) (g *constrain.Grammar, v *constrain.Vocabulary, err error) {
	if g = set.Format; set.Tools.Calls() {
		if g, err = e.calls.grammar(e, set); err != nil {
			return nil, nil, err
		}
	}
	if g != nil {
		v, err = e.Vocabulary()
	}
	return g, v, err
}

// callGrammars keeps the grammars of the last offers: most requests of a client offer
// the same functions.
type callGrammars struct {
	mu   sync.Mutex
	list []callGrammar // the one used last at the end
}

type callGrammar struct {
	offer   string
	without *constrain.Grammar
	g       *constrain.Grammar
}

// mostGrammars bounds those that are kept.
const mostGrammars = 16

// grammar is that of the settings' offer.
func (l *callGrammars) grammar(e *Engine, set *Settings) (*constrain.Grammar, error) {
	o := set.Tools
	key := fmt.Sprint(o.Choice, o.Only, o.Only == nil, offered(o))
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.list, func(one callGrammar) bool { return one.offer == key && one.without == set.Format }); i >= 0 {
		one := l.list[i]
		l.list = append(slices.Delete(l.list, i, i+1), one)
		return one.g, nil
	}
	g, err := e.tools().format.Grammar(o, slices.Sorted(maps.Values(e.Tokenizer.Specials())), set.Format)
	if err != nil {
		return nil, err
	}
	l.list = append(l.list[max(0, len(l.list)-mostGrammars+1):], callGrammar{key, set.Format, g})
	return g, nil
}
