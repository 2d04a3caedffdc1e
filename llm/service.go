package llm

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/schedule"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/speculate"
	"github.com/mil-run/mil/toolcall"
)

// Service answers many requests to a model at a time. They share passes, memory and
// the beginnings of prompts, and no text depends on the others (docs/serving.md). It
// may be used by several goroutines.
type Service struct {
	m      *Model
	rt     *Runtime
	drafts []*Runtime // of the models that draft, nil for a lookup
	s      *schedule.Scheduler
	texts  *chat.Texts
	states *session.Cache // or nil
}

// Prompt is a conversation up to the beginning of a reply.
type Prompt = chat.Prompt

// ServiceOptions of a service. The zero value of each field takes its default.
type ServiceOptions struct {
	Slots    int    // most requests at work at a time
	Memory   int64  // bytes of all conversations; 0 is without limit
	Prefixes int64  // bytes of kept beginnings of prompts; 0 keeps none
	Queue    int    // most requests that wait
	Dir      string // folder for requests that make room; "" makes a temporary one
	Texts    int    // bytes of texts whose tokens are remembered (32 MiB), see [Service.Prompt]
	// Keep is a folder of the caller's alone, in which the ends of replies, and texts, are
	// kept for services that begin later; "" is none. KeepBytes is about its greatest size
	// (8 GiB).
	Keep      string
	KeepBytes int64
}

// Ask is one request.
type Ask struct {
	Tokens   []int32 // the whole prompt
	Prompt   *Prompt // a conversation, in place of Tokens; its reply is remembered
	Settings Settings
	Priority int
	Key      string // whose it is: beginnings are shared within one key only
	Draft    bool   // the model's draft proposes
	Echo     bool   // asks for the log-probabilities of the prompt's tokens, too ([Answer.Echo])
	// Fresh goes on from no other request's reply, so that the text is always that
	// of the prompt alone (docs/serving.md says why it could differ).
	Fresh bool
}

// Errors of services, beside those of package model about contexts.
var (
	ErrQueue     = schedule.ErrQueue  // too many requests wait
	ErrPrompt    = schedule.ErrPrompt // the prompt cannot be read
	ErrAskMemory = schedule.ErrMemory // the request does not fit the service's memory
	ErrEnded     = schedule.ErrClosed // the service was closed
)

// Serve begins a service. The model must stay open until it is closed.
func (m *Model) Serve(o ServiceOptions) (*Service, error) {
	if err := m.prepare(); err != nil {
		return nil, err
	}
	mo, err := m.o.session()
	if err != nil {
		return nil, err
	}
	s := &Service{m: m, texts: chat.NewTexts(cmp.Or(o.Texts, 32<<20))}
	if s.rt, err = m.mc.Runtime(m.e.Model, mo, 1); err != nil {
		return nil, m.file.Named(err)
	}
	mo.Context = s.rt.Context()
	kinds, err := s.openDrafts(mo)
	if err != nil {
		return nil, errors.Join(err, s.free())
	}
	e, err := s.engine(kinds)
	if err != nil {
		return nil, errors.Join(m.file.Named(err), s.free())
	}
	store, err := s.keep(o.Keep, o.KeepBytes)
	if err != nil {
		return nil, errors.Join(err, s.leave(), s.free())
	}
	s.s = schedule.New(e, schedule.Options{Store: store, Memory: o.Memory, Prefixes: o.Prefixes, Active: o.Slots, Queue: o.Queue, Dir: o.Dir, Turns: m.mc, Warn: m.o.warn})
	return s, nil
}

func (s *Service) engine(kinds map[string]schedule.Draft) (schedule.Engine, error) {
	s.m.mc.Lock()
	defer s.m.mc.Unlock()
	return schedule.NewEngine(s.rt.Runtime, kinds)
}

// asked is the name of the service's draft.
const asked = "draft"

// openDrafts makes the models that draft ready, and gives the kinds that requests name.
// All requests share the models' programs. Each has sessions of its own.
func (s *Service) openDrafts(o model.Options) (map[string]schedule.Draft, error) {
	kind := schedule.Draft{New: s.newDraft}
	for _, d := range s.m.drafts {
		var rt *Runtime
		if d.file != nil {
			var err error
			if rt, err = s.m.mc.Runtime(d.e.Model, o, 1); err != nil {
				if d.optional {
					continue
				}
				return nil, &DraftError{d.file.Named(err)}
			}
			kv, state := d.e.Model.Memory(o)
			kind.Bytes += kv + state
		}
		s.drafts = append(s.drafts, rt)
	}
	if len(s.drafts) == 0 {
		return nil, nil
	}
	return map[string]schedule.Draft{asked: kind}, nil
}

// newDraft makes the draft of one request, while the machine is locked.
func (s *Service) newDraft(o sample.Options) (speculate.Drafter, error) {
	var list speculate.Auto
	for _, rt := range s.drafts {
		if rt == nil {
			list = append(list, speculate.NewLookup())
			continue
		}
		one, err := rt.NewSession()
		if err != nil {
			return nil, errors.Join(&DraftError{err}, list.Close())
		}
		list = append(list, speculate.NewModel(one, o))
	}
	return list, nil
}

// Close ends all requests and frees their memory.
func (s *Service) Close() error { return errors.Join(s.s.Close(), s.leave(), s.free()) }

// free frees the models' programs.
func (s *Service) free() error {
	var errs []error
	for _, rt := range append(s.drafts, s.rt) {
		if rt != nil {
			errs = append(errs, rt.Close())
		}
	}
	return errors.Join(errs...)
}

// Load tells how busy the service is.
func (s *Service) Load() (schedule.Load, error) { return s.s.Load() }

// Context is how many tokens a conversation can hold.
func (s *Service) Context() int { return s.rt.Context() }

// Prompt is that of messages. A reply that this service made under the key keeps the
// tokens with which it was made, so that the conversation goes on behind it. Without
// this, [chat.Engine.PromptTools] makes the tokens of messages alone.
func (s *Service) Prompt(key string, messages []Message, offer *toolcall.Offer, begun string) (*Prompt, error) {
	return s.texts.Prompt(s.m.e, key, messages, offer, begun)
}

// FreshPrompt is one whose tokens are those of its text alone.
func (s *Service) FreshPrompt(messages []Message, offer *toolcall.Offer, begun string) (*Prompt, error) {
	return (*chat.Texts)(nil).Prompt(s.m.e, "", messages, offer, begun)
}

// Answer is a request at work.
type Answer struct {
	h    *schedule.Handle
	text *chat.Text
	keep func(reply string, made []int32) // or nil
	made []int32                          // of what was told
}

// Ask hands in a request, which ends when ctx does. Errors say why it cannot be
// served: [ErrQueue] that it may be later, [ErrPrompt] and those about settings that
// it is wrong.
func (s *Service) Ask(ctx context.Context, a Ask) (*Answer, error) {
	r, err := s.request(&a)
	if err != nil {
		return nil, err
	}
	h, err := s.s.Submit(ctx, r)
	if err != nil {
		return nil, err
	}
	var keep func(string, []int32)
	if p := a.Prompt; p != nil && !a.Fresh {
		keep = func(reply string, made []int32) { s.texts.Keep(s.m.e, a.Key, p, &a.Settings, reply, made) }
	}
	return &Answer{h: h, text: s.m.e.Text(&a.Settings), keep: keep}, nil
}

// Check says why a request would not be served, with the errors of Ask, and does not
// hand it in.
func (s *Service) Check(ctx context.Context, a Ask) error {
	r, err := s.request(&a)
	if err != nil {
		return err
	}
	return s.s.Check(ctx, r)
}

// request is a request in the scheduler's terms.
func (s *Service) request(a *Ask) (r schedule.Request, err error) {
	if err := s.m.check(&a.Settings); err != nil {
		return r, err
	}
	if a.Prompt != nil {
		a.Tokens = a.Prompt.Tokens
	}
	r = schedule.Request{Tokens: a.Tokens, Sampling: a.Settings.Sampling, MaxTokens: a.Settings.MaxTokens, Ends: s.m.e.Ends(), Priority: a.Priority, Key: a.Key, Echo: a.Echo}
	if r.Format, r.Vocabulary, err = s.m.e.Form(&a.Settings, s.m.e.Thinks(a.Prompt)); err != nil {
		return r, err
	}
	if a.Fresh {
		r.Reuse = schedule.ReuseRead
	}
	if a.Draft && len(s.drafts) > 0 {
		r.Draft = asked
	}
	if len(a.Settings.Stop) > 0 {
		text := s.m.e.Text(&a.Settings)
		r.Stop = func(id int32) bool {
			_, stopped := text.Push(id)
			return stopped
		}
	}
	return r, nil
}

// Told is the reply as it comes: pieces of text, and the log-probabilities of the
// tokens that brought them, where the settings ask for them. A piece may have tokens and
// no text yet. Leaving the loop ends the request.
func (a *Answer) Told(ctx context.Context) iter.Seq2[string, []sample.Logprobs] {
	return func(yield func(string, []sample.Logprobs) bool) {
		var reply strings.Builder
		for {
			ids, probs, ok := a.h.NextLogprobs(ctx)
			if !ok {
				break
			}
			for i, id := range ids {
				text, stopped := a.text.Push(id)
				a.made = append(a.made, id)
				reply.WriteString(text)
				p := probs[min(i, len(probs)):min(i+1, len(probs))]
				if text != "" || len(p) > 0 {
					if !yield(text, p) {
						a.h.Cancel()
						return
					}
				}
				if stopped {
					return
				}
			}
		}
		text := a.text.Flush()
		if reply.WriteString(text); a.keep != nil && a.text.Stopped() == "" {
			a.keep(reply.String(), a.made) // before the client can ask again
		}
		if text != "" {
			yield(text, nil)
		}
	}
}

// Made is how many tokens [Answer.Told] has told of, for its loop alone.
func (a *Answer) Made() int { return len(a.made) }

// Echo is the log-probabilities of the prompt's tokens from the second on, if the
// request asks for them. They are there when the first piece is, or the end.
func (a *Answer) Echo() []sample.Logprobs { return a.h.Echo() }

// Stopped is the stop string that ended the reply, "" where none did.
func (a *Answer) Stopped() string { return a.text.Stopped() }

// Stats is the work so far, up to the last token that was made.
func (a *Answer) Stats() schedule.Stats { return a.h.Stats() }

// Result waits for the request's end: why it ended, and counts of its work.
func (a *Answer) Result() schedule.Result { return a.h.Result() }
