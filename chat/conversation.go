package chat

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/speculate"
)

// Conversation is a list of messages and the session that has read them. It is
// not for two goroutines.
type Conversation struct {
	// Progress, if set, is told how much of a prompt has been fed. It must not use
	// the backend.
	Progress func(done, total int)

	e        *Engine
	s        *model.Session
	set      Settings
	draft    speculate.Options
	decoder  *speculate.Decoder
	messages []Message
	at       point  // the text behind the session's tokens
	marks    []mark // oldest first
	file     *session.File
}

// Converse begins a conversation in a session that has read nothing.
func (e *Engine) Converse(s *model.Session, set Settings) *Conversation {
	return e.ConverseWith(s, set, speculate.Options{})
}

// ConverseWith is Converse with a draft, which stays the caller's to close.
func (e *Engine) ConverseWith(s *model.Session, set Settings, draft speculate.Options) *Conversation {
	draft.Ends = e.ends
	return &Conversation{e: e, s: s, set: set, draft: draft, decoder: speculate.New(s, set.Sampling, draft)}
}

// Costs are the decoder's; see [speculate.Decoder.Costs].
func (c *Conversation) Costs() (pass map[int]float64, draft float64) { return c.decoder.Costs() }

// Settings are the present settings.
func (c *Conversation) Settings() Settings { return c.set }

// Set changes the settings.
func (c *Conversation) Set(set Settings) {
	c.set = set
	c.decoder.SetSampling(set.Sampling)
}

// Messages are the conversation so far. The caller must not change them.
func (c *Conversation) Messages() []Message { return c.messages }

// Load replaces the conversation. The session reads it with the next reply.
func (c *Conversation) Load(messages []Message) { c.messages = slices.Clone(messages) }

// Forget says that somebody else fed the session. The next reply reads the
// messages anew.
func (c *Conversation) Forget() { c.at, c.marks = point{}, nil }

// Reset forgets everything but the system message.
func (c *Conversation) Reset() {
	if len(c.messages) > 0 && c.messages[0].Role == "system" {
		c.messages = c.messages[:1]
		return
	}
	c.messages = nil
}

// System sets, changes or (with "") removes the system message.
func (c *Conversation) System(text string) {
	if len(c.messages) > 0 && c.messages[0].Role == "system" {
		c.messages = c.messages[1:]
	}
	if text != "" {
		c.messages = append([]Message{{Role: "system", Content: text}}, c.messages...)
	}
}

// Say adds the user's message and returns the reply. emit is given the reply
// piece by piece as it is made. After an error, or when ctx ends before the
// reply begins, the message is taken back.
func (c *Conversation) Say(ctx context.Context, text string, emit func(string)) (Reply, error) {
	c.messages = append(c.messages, Message{Role: "user", Content: text})
	r, err := c.Reply(ctx, emit)
	if err != nil {
		c.messages = c.messages[:len(c.messages)-1]
	}
	return r, err
}

// ErrNothingToAnswer is returned when there is no user's message to answer.
var ErrNothingToAnswer = errors.New("there is nothing to answer yet")

// Regenerate makes the last reply anew, with the next seed, which stays.
func (c *Conversation) Regenerate(ctx context.Context, emit func(string)) (Reply, error) {
	n := len(c.messages)
	if n == 0 || c.messages[n-1].Role != "assistant" {
		return Reply{}, ErrNothingToAnswer
	}
	old := c.messages[n-1]
	c.messages = c.messages[:n-1]
	set := c.set
	set.Sampling.Seed++
	c.Set(set)
	r, err := c.Reply(ctx, emit)
	if err != nil {
		c.messages = append(c.messages, old)
		set.Sampling.Seed--
		c.Set(set)
	}
	return r, err
}

// Undo takes back the user's last message and the replies and results behind it, and
// returns the message. The session goes back too where it has kept the point, and
// nothing is fed.
func (c *Conversation) Undo() (string, error) {
	defer c.e.hold()()
	n := len(c.messages)
	for n > 0 && (c.messages[n-1].Role == "assistant" || c.messages[n-1].Role == "tool") {
		n--
	}
	if n == 0 || c.messages[n-1].Role != "user" {
		return "", ErrNothingToUndo
	}
	text := c.messages[n-1].Content
	c.messages = c.messages[:n-1]
	return text, c.e.file.Named(c.returnTo(n - 1))
}

// ErrNothingToUndo is returned when there is no message to take back.
var ErrNothingToUndo = errors.New("there is nothing to take back")

// Reply answers the messages and adds the answer to them. Errors name the
// model's file.
func (c *Conversation) Reply(ctx context.Context, emit func(string)) (Reply, error) {
	defer c.e.hold()()
	r, err := c.answer(ctx, emit)
	return r, c.e.file.Named(err)
}

func (c *Conversation) answer(ctx context.Context, emit func(string)) (Reply, error) {
	start := time.Now()
	text, err := c.e.render(c.messages, c.set.Tools)
	if err != nil {
		return Reply{}, err
	}
	if err := c.setFormat(c.e.thinks(text.Text)); err != nil {
		return Reply{}, err
	}
	logits, st, err := c.read(ctx, text)
	if err != nil {
		return Reply{}, err
	}
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	st.PromptTime = time.Since(start)
	c.decoder.Begin(logits)
	r, err := c.generate(ctx, c.e.thinks(text.Text), emit)
	if err != nil {
		return r, err
	}
	st.GeneratedTokens, st.GenerationTime = r.Stats.GeneratedTokens, r.Stats.GenerationTime
	st.FirstToken, st.Speculation = st.PromptTime+r.Stats.FirstToken, r.Stats.Speculation
	r.Stats = st
	// A call that was cut cannot be rendered again.
	c.messages = append(c.messages, Message{Role: "assistant", Content: r.Text, ToolCalls: r.ToolCalls[:r.last:r.last]})
	c.at = point{text, r.raw, r.unfed, r.whole, len(c.messages), offered(c.set.Tools)}
	if c.e.Cache != nil && r.whole {
		c.e.Cache.Keep(c.s, nil)
	}
	return r, nil
}
