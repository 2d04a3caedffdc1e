package llm

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/session"
)

// Piece is a part of a reply.
type Piece struct {
	Text string // whole characters; "" where the piece only ends the reply
	// Reply is set in the last piece alone: the whole text, why it ended, and
	// counts of the work.
	Reply *Reply
}

// Reply is a whole reply: its text, why it ended, and counts of the work.
type Reply = chat.Reply

// Found is the contents of a session file.
type Found = session.Found

// Session is one conversation with a model, or one text, and everything that the
// model knows of it. It serves one caller at a time; a call while it works is
// [ErrBusy].
type Session struct {
	m      *Model
	t      *Timeline
	drafts *drafts
	conv   *chat.Conversation
	busy   sync.Mutex
	closed bool
}

// ErrBusy is the error of a session that is used while it works.
var ErrBusy = errors.New("the session is at work; one session makes one reply at a time")

// NewSession begins a session. set changes the model's settings.
func (m *Model) NewSession(set ...func(*Settings)) (*Session, error) {
	settings, err := m.settings(set)
	if err != nil {
		return nil, err
	}
	if err := m.retain(); err != nil {
		return nil, err
	}
	s := &Session{m: m}
	for {
		err = s.begin(settings)
		if !errors.Is(err, ErrMemory) || !m.spare() {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.release())
	}
	return s, nil
}

// begin starts the timeline, the drafts and the conversation.
func (s *Session) begin(set Settings) error {
	if err := s.m.findDrafts(); err != nil {
		return err
	}
	o, err := s.m.o.session()
	if err != nil {
		return err
	}
	if s.t, err = s.m.mc.Timeline(s.m.e.Model, o); err != nil {
		return err
	}
	if declared := s.m.Config().Context; o.Context > declared {
		s.m.o.warn(&DeclaredError{o.Context, declared})
	}
	if err = s.m.prepare(); err == nil {
		s.drafts, err = s.m.draft(s.t, set.Sampling)
	}
	if err != nil {
		return errors.Join(err, s.t.Close())
	}
	s.conv = s.m.e.ConverseWith(s.t.Session, set, s.drafts.Options)
	return nil
}

// Close ends the session. One that works is ErrBusy: leave the loop over its
// reply first.
func (s *Session) Close() error {
	if !s.busy.TryLock() {
		return ErrBusy
	}
	defer s.busy.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.conv.Close(), s.drafts.close(), s.t.Close(), s.m.release())
}

// use takes the session for a call.
func (s *Session) use() (done func(), err error) {
	if !s.busy.TryLock() {
		return nil, ErrBusy
	}
	if s.closed {
		s.busy.Unlock()
		return nil, ErrClosed
	}
	return s.busy.Unlock, nil
}

// do runs a call that uses the session.
func (s *Session) do(f func() error) error {
	done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	return f()
}

// Say adds the user's message to the conversation, and answers. After an error
// the message is taken back. For the rest it is like [Model.Chat].
func (s *Session) Say(ctx context.Context, text string) iter.Seq2[Piece, error] {
	return s.reply(ctx, func(ctx context.Context, emit func(string)) (Reply, error) { return s.conv.Say(ctx, text, emit) })
}

// Chat replaces the conversation by the messages, and answers. Only what is new
// in them is read. The session's seed gives the same messages the same reply. For
// the rest it is like [Model.Chat].
func (s *Session) Chat(ctx context.Context, messages []Message) iter.Seq2[Piece, error] {
	return s.reply(ctx, func(ctx context.Context, emit func(string)) (Reply, error) {
		s.conv.Load(messages)
		return s.conv.Reply(ctx, emit)
	})
}

// Regenerate makes the last reply anew, with the next seed, which stays.
func (s *Session) Regenerate(ctx context.Context) iter.Seq2[Piece, error] {
	return s.reply(ctx, s.conv.Regenerate)
}

// Generate goes on with a text as it is, without the chat template. Everything
// before it is forgotten but the messages. For the rest it is like [Model.Chat].
func (s *Session) Generate(ctx context.Context, text string) iter.Seq2[Piece, error] {
	return s.reply(ctx, func(ctx context.Context, emit func(string)) (Reply, error) { return s.conv.Complete(ctx, text, emit) })
}

// reply turns a reply that is emitted into one that is iterated over.
func (s *Session) reply(ctx context.Context, make func(context.Context, func(string)) (Reply, error)) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		done, err := s.use()
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer done()
		within, stop := context.WithCancel(ctx)
		defer stop()
		left := false // the loop was
		r, err := make(within, func(text string) {
			if !left && !yield(Piece{Text: text}, nil) {
				left = true
				stop()
			}
		})
		switch {
		case left:
		case err != nil:
			yield(Piece{}, err)
		case r.Why == chat.Interrupted:
			yield(Piece{Reply: &r}, ctx.Err())
		default:
			yield(Piece{Reply: &r}, nil)
		}
	}
}

// Messages are the conversation so far.
func (s *Session) Messages() []Message { return slices.Clone(s.conv.Messages()) }

// Settings are the present settings, and Set changes them.
func (s *Session) Settings() Settings { return s.conv.Settings() }

// Set changes the settings. Its error is [ErrParam].
func (s *Session) Set(set Settings) error {
	if err := s.m.check(&set); err != nil {
		return err
	}
	return s.do(func() error { s.conv.Set(set); return nil })
}

// Save writes the conversation and everything the model knows of it to a file,
// whole or not at all.
func (s *Session) Save(path string) error {
	return s.do(func() error { return s.conv.Save(path) })
}

// Load goes on with a conversation that Save wrote, with its messages, its
// settings of sampling, and nothing to read again. After an error the present one
// goes on.
func (s *Session) Load(path string) (found *Found, err error) {
	err = s.do(func() (err error) { found, err = s.conv.Restore(path); return err })
	return found, err
}

// Tokens are those that the session has read and written.
func (s *Session) Tokens() []int32 { return slices.Clone(s.t.Tokens()) }

// Feed adds tokens behind those that the session has, and returns the logits of
// all of them, [len(tokens)][vocabulary]. The conversation's next reply reads its
// messages anew then. Tokens that do not fit are [ErrContext].
func (s *Session) Feed(tokens []int32) (rows [][]float32, err error) {
	err = s.do(func() error {
		s.m.mc.Lock()
		defer s.m.mc.Unlock()
		s.conv.Forget()
		all, err := s.t.Feed(tokens, model.WantAll)
		if err != nil {
			return s.m.file.Named(err)
		}
		for row := range slices.Chunk(slices.Clone(all), s.t.Vocab()) {
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// Reset forgets all messages and tokens.
func (s *Session) Reset() error {
	return s.do(func() error {
		s.m.mc.Lock()
		defer s.m.mc.Unlock()
		s.conv.Load(nil)
		s.conv.Forget()
		return s.t.Reset()
	})
}

// Conversation is the session's conversation, for what the session has no method
// for. It is for one goroutine, and not while the session works.
func (s *Session) Conversation() *chat.Conversation { return s.conv }

// Timeline is the bare session beneath.
func (s *Session) Timeline() *Timeline { return s.t }
