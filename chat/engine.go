// Package chat holds conversations with a model. It renders messages through
// the checkpoint's template, feeds a session only the new tokens, and streams
// replies.
package chat

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/tokenizer"
)

// Engine is a model file that can talk: weights, tokenizer and chat template.
type Engine struct {
	Model     *model.Model
	Tokenizer *tokenizer.Tokenizer
	// Defaults are the checkpoint's own sampling options.
	Defaults sample.Options
	// Cache, if set, is asked for the beginning of a prompt, and keeps the
	// prompts that were read.
	Cache *session.Cache
	// Turns, if set, is locked while a conversation uses its session, but not
	// while it emits text: sessions of one backend take turns by it.
	Turns sync.Locker

	file     *format.File
	template *jinja.Template // nil where the file has none that runs
	noChat   error           // why there is no template
	ends     map[int32]bool  // tokens that end a reply
	tools    func() *toolTemplate
	forms    forms
	vocab    func() (*constrain.Vocabulary, error)
}

// Fallback is the sampling options where a checkpoint says nothing about them.
var Fallback = sample.Options{Temp: 0.7, TopP: 0.9}

// Open checks a model file and reads everything but its weights.
func Open(f *format.File) (*Engine, error) {
	m, err := model.Open(f)
	if err != nil {
		return nil, err
	}
	e := &Engine{Model: m, file: f, ends: map[int32]bool{}}
	e.tools = sync.OnceValue(func() *toolTemplate { return probeTools(e.template, e.Tokenizer.ChatTemplate()) })
	e.vocab = sync.OnceValues(e.readVocabulary)
	if e.Tokenizer, err = tokenizer.FromGGUF(f.KV()); err == nil {
		err = e.read(f.KV())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return e, nil
}

// read takes template, end tokens and generation defaults from the metadata.
func (e *Engine) read(kv *format.Meta) error {
	if size := e.Tokenizer.Size(); size > e.Model.Config.Vocab {
		return fmt.Errorf("the tokenizer has ids up to %d, the weights %d rows", size-1, e.Model.Config.Vocab)
	}
	e.noChat = ErrNoTemplate
	if src := e.Tokenizer.ChatTemplate(); src != "" {
		e.template, e.noChat = jinja.Parse(src, jinja.Tokens{BOS: e.Tokenizer.BOSToken(), EOS: e.Tokenizer.EOSToken(), Named: e.Tokenizer.Named()})
	}
	ends, _, err := kv.Ints("mil.eos_token_ids")
	if err != nil {
		return err
	}
	for _, id := range ends {
		e.ends[int32(id)] = true
	}
	for _, id := range e.Tokenizer.EndOfTurn() {
		e.ends[id] = true
	}
	e.Defaults, err = defaults(kv)
	return err
}

// defaults reads the generation_config.json values kept in the file.
func defaults(kv *format.Meta) (sample.Options, error) {
	var s sample.Settings
	said, temp := false, false
	for _, p := range sample.Params() {
		if !p.Checkpoint {
			continue
		}
		ok, err := read(kv, p, &s)
		if err != nil {
			return s.Sampling, err
		}
		said, temp = said || ok, temp || ok && p.Field(&s) == any(&s.Sampling.Temp)
	}
	o := s.Sampling
	draws, ok, err := kv.Bool("mil.generation.do_sample")
	switch {
	case err != nil:
		return o, err
	case ok && !draws:
		return sample.Options{RepeatPenalty: o.RepeatPenalty}, nil
	case !said:
		return Fallback, nil
	}
	if !temp {
		o.Temp = 1 // transformers' default
	}
	if err := o.Check(); err != nil {
		return o, fmt.Errorf("generation defaults: %w", err)
	}
	return o, nil
}

// read takes a parameter's value from the metadata, where it is there.
func read(kv *format.Meta, p *sample.Param, s *sample.Settings) (ok bool, err error) {
	switch to := p.Field(s).(type) {
	case *float32:
		var v float64
		v, ok, err = kv.Float(p.Key())
		*to = float32(v)
	case *int:
		var v int64
		v, ok, err = kv.Int(p.Key())
		*to = int(v)
	}
	return ok, err
}

// hold begins a conversation's turn, and done ends it.
func (e *Engine) hold() (done func()) {
	if e.Turns == nil {
		return func() {}
	}
	e.Turns.Lock()
	return e.Turns.Unlock
}

// yield lets others have their turns while f runs.
func (e *Engine) yield(f func()) {
	if e.Turns != nil {
		e.Turns.Unlock()
		defer e.Turns.Lock()
	}
	f()
}

// ErrNoTemplate is returned by chats with a model that was not made for chat.
var ErrNoTemplate = errors.New("the model has no chat template")

// CanChat says why a model cannot chat: it has no chat template, which is
// ErrNoTemplate, or one that mil does not understand.
func (e *Engine) CanChat() error { return e.noChat }
