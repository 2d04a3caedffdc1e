package llm

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/tokenizer"
)

// Model is an opened model. It may be used by several goroutines.
type Model struct {
	mc    *Machine
	owned bool // the machine is the model's to close
	o     Options
	file  *format.File
	e     *chat.Engine

	mu     sync.Mutex
	idle   []*Session // of Chat and Generate, the one used last at the end
	drafts []*draftModel
	ready  bool // drafts and the prompt cache are open
	closed bool
	refs   int // the model itself and its sessions; the last closes the file
}

// ErrClosed is the error of a model or a session that was closed.
var ErrClosed = errors.New("the model is closed")

// Open opens a model and what computes it: a file, a model with a short name, or
// the demo inside the binary for "". What cannot run as the options say is an
// error here: [ErrNotFound], [ErrCheckpoint], [ErrBackend], [ErrISA], [ErrMemory],
// [ErrKV], [ErrDraft], [ErrParam], and those of package format about
// files that are none.
func Open(name string, o Options) (*Model, error) {
	mc := NewMachine(o)
	m, err := mc.Open(name, o)
	if err != nil {
		return nil, err
	}
	m.owned = true
	m.file.ReadAhead()
	s, err := m.NewSession() // everything that a session needs is there
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.give(s)
	return m, nil
}

// Open opens a model whose sessions run on the machine. It checks the file and
// reads everything but the weights; nothing is started. Options of the machine
// are its own, whatever o says.
func (mc *Machine) Open(name string, o Options) (*Model, error) {
	path := ""
	if name != "" {
		var err error
		if path, err = Find(name, o.Models); err != nil {
			return nil, err
		}
	}
	file, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	return mc.Load(file, o)
}

// Load is Open for a file that is open already, such as one in memory (package
// format parses it). The file is the model's to close from here on.
func (mc *Machine) Load(file *format.File, o Options) (*Model, error) {
	e, err := chat.Open(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	e.Turns = mc
	return &Model{mc: mc, o: o, file: file, e: e, refs: 1}, nil
}

// Close closes the model. Sessions that are in use go on, and the file and the
// machine that Open started are closed with the last of them.
func (m *Model) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	idle := m.idle
	m.idle = nil
	m.mu.Unlock()
	var errs []error
	for _, s := range idle {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, m.release())...)
}

// retain counts a session, unless the model is closed.
func (m *Model) retain() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.refs++
	return nil
}

// release takes a session off the count. The last closes everything.
func (m *Model) release() error {
	m.mu.Lock()
	m.refs--
	last := m.refs == 0
	m.mu.Unlock()
	if !last {
		return nil
	}
	var errs []error
	if m.e.Cache != nil {
		errs = append(errs, m.e.Cache.Close())
	}
	for _, d := range m.drafts {
		errs = append(errs, d.close())
	}
	if m.owned {
		errs = append(errs, m.mc.Close())
	}
	return errors.Join(append(errs, m.file.Close())...)
}

// File is the model's file. It is open as long as the model.
func (m *Model) File() *format.File { return m.file }

// Config is the model's shape.
func (m *Model) Config() *model.Config { return &m.e.Model.Config }

// Tokenizer turns text into tokens and back.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.e.Tokenizer }

// Engine is the model as package chat takes it.
func (m *Model) Engine() *chat.Engine { return m.e }

// CanChat says why the model cannot chat, or is nil. It is [ErrNoTemplate] for a
// model that was not made for chat.
func (m *Model) CanChat() error { return m.file.Named(m.e.CanChat()) }

// Settings are those of a new session: the checkpoint's own, changed by Options.
func (m *Model) Settings() Settings {
	s := Settings{Sampling: m.e.Defaults}
	if s.Sampling.Seed = m.o.Seed; s.Sampling.Seed == 0 {
		s.Sampling.Seed = rand.Uint64()
	}
	if m.o.Set != nil {
		m.o.Set(&s)
	}
	return s
}

// settings are the model's, changed for one session or reply, and checked.
func (m *Model) settings(set []func(*Settings)) (Settings, error) {
	s := m.Settings()
	for _, change := range set {
		change(&s)
	}
	return s, m.check(&s)
}

// check refuses settings that nobody can follow, or that name tokens which the
// model lacks.
func (m *Model) check(s *Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	if _, _, err := m.e.Form(s, false); err != nil {
		return m.file.Named(err)
	}
	return s.Sampling.Fits(m.Config().Vocab)
}

// prepare opens drafts and the prompt cache, once. Errors about drafts are ErrDraft.
func (m *Model) prepare() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready {
		return nil
	}
	if m.o.PromptCache != "" && m.e.Cache == nil {
		limit := m.o.PromptCacheBytes
		if limit == 0 {
			limit = 4 << 30
		}
		cache, err := session.OpenCache(m.o.PromptCache, limit)
		if err != nil {
			return err
		}
		cache.Warn = m.o.warn
		m.e.Cache = cache
	}
	var err error
	if m.drafts, err = m.openDrafts(); err == nil {
		m.ready = true
	}
	return err
}

// Chat answers a conversation, which the caller keeps. set changes the settings
// of this reply alone. The last piece holds the whole reply, why it ended, and
// counts of its work. Breaking out of the loop stops the work, and so does the
// end of ctx, whose error then comes with the last piece.
//
// The messages are read anew only where no earlier conversation of the model
// begins like them. Each loop over the result makes a reply.
func (m *Model) Chat(ctx context.Context, messages []Message, set ...func(*Settings)) iter.Seq2[Piece, error] {
	return m.once(messages, set, func(s *Session) iter.Seq2[Piece, error] { return s.Chat(ctx, messages) })
}

// Generate goes on with a text as it is, without the chat template. For the rest
// it is like Chat.
func (m *Model) Generate(ctx context.Context, text string, set ...func(*Settings)) iter.Seq2[Piece, error] {
	return m.once(nil, set, func(s *Session) iter.Seq2[Piece, error] { return s.Generate(ctx, text) })
}

// once makes a reply in a session that is idle, or in a new one.
func (m *Model) once(messages []Message, set []func(*Settings), reply func(*Session) iter.Seq2[Piece, error]) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		settings, err := m.settings(set)
		var s *Session
		if err == nil {
			s, err = m.take(messages)
		}
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer m.give(s)
		s.conv.Set(settings)
		for p, err := range reply(s) {
			if !yield(p, err) {
				return
			}
		}
	}
}

// take finds the idle session whose conversation begins most like the messages,
// or begins one.
func (m *Model) take(messages []Message) (*Session, error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, ErrClosed
	}
	best, most := -1, -1
	for i, s := range m.idle {
		n := 0
		for have := s.conv.Messages(); n < min(len(have), len(messages)) && have[n].Equal(messages[n]); n++ {
		}
		if n >= most {
			best, most = i, n
		}
	}
	if best < 0 {
		m.mu.Unlock()
		return m.NewSession()
	}
	s := m.idle[best]
	m.idle = slices.Delete(m.idle, best, best+1)
	m.mu.Unlock()
	return s, nil
}

// give keeps a session for the next reply.
func (m *Model) give(s *Session) {
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.idle = append(m.idle, s)
	}
	m.mu.Unlock()
	if closed {
		s.Close()
	}
}

// spare closes the idle session that was used the longest ago, to make room.
func (m *Model) spare() bool {
	m.mu.Lock()
	if len(m.idle) == 0 {
		m.mu.Unlock()
		return false
	}
	s := m.idle[0]
	m.idle = m.idle[1:]
	m.mu.Unlock()
	s.Close()
	return true
}
