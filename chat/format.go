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

// setFormat makes the next reply hold to the settings' format. thinks is as for Form.
func (c *Conversation) setFormat(thinks bool) error {
	g, v, err := c.e.Form(&c.set, thinks)
	if err == nil {
		c.decoder.SetFormat(g, v)
	}
	return err
}

// Form is the form that a reply under these settings holds to: their format, and calls of
// the functions that they offer. thinks says that the prompt has begun the model's
// thoughts ([Engine.Thinks]); the form begins behind them. A nil grammar allows
// everything.
func (e *Engine) Form(set *Settings, thinks bool) (g *constrain.Grammar, v *constrain.Vocabulary, err error) {
	if set.Format == nil && !set.Tools.Calls() {
		return nil, nil, nil
	}
	if v, err = e.Vocabulary(); err != nil {
		return nil, nil, err
	}
	if g = set.Format; thinks || set.Tools.Calls() {
		g, err = e.forms.find(e, set, thinks)
	}
	return g, v, err
}

// forms keeps the last grammars that were put together: most requests of a client offer
// the same functions.
type forms struct {
	mu   sync.Mutex
	list []form // the one used last at the end
}

type form struct {
	offer  string
	format *constrain.Grammar
	thinks bool
	g      *constrain.Grammar
}

// mostForms bounds those that are kept.
const mostForms = 16

// find gives the grammar of settings.
func (l *forms) find(e *Engine, set *Settings, thinks bool) (*constrain.Grammar, error) {
	want := form{format: set.Format, thinks: thinks}
	if o := set.Tools; o.Calls() {
		want.offer = fmt.Sprint(o.Choice, o.Only, o.Only == nil, offered(o))
	}
	if g := l.kept(want); g != nil {
		return g, nil
	}
	var err error
	if want.g, err = e.form(set, thinks); err != nil { // the lock is free meanwhile
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list[max(0, len(l.list)-mostForms+1):], want)
	return want.g, nil
}

// kept is the grammar that is kept for a form, or nil.
func (l *forms) kept(want form) *constrain.Grammar {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, one := range l.list {
		if want.g = one.g; one == want {
			l.list = append(slices.Delete(l.list, i, i+1), one)
			return one.g
		}
	}
	return nil
}

// form puts the grammar of settings together.
func (e *Engine) form(set *Settings, thinks bool) (g *constrain.Grammar, err error) {
	special := slices.Sorted(maps.Values(e.Tokenizer.Specials()))
	if g = set.Format; set.Tools.Calls() {
		if g, err = e.tools().format.Grammar(set.Tools, special, set.Format); err != nil {
			return nil, err
		}
	}
	_, end, ok := e.thinking()
	if !thinks || !ok {
		return g, nil
	}
	mark := constrain.Lit(end)
	if slices.Contains(special, end) {
		mark = constrain.Special(end)
	}
	thought := constrain.Terminal(constrain.Not(constrain.Seq(constrain.Text(), constrain.Lit(end), constrain.Text())))
	space := constrain.Repeat(constrain.Class(' ', ' ', '\n', '\n'), 0, 4)
	b := new(constrain.Builder)
	return b.Grammar(constrain.Seq(thought, mark, space, b.Include(g)))
}
