package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/speculate"
	"github.com/mil-run/mil/tokenizer"
)

// Conversation is a list of messages and the session that has read them. It is
// not for two goroutines.
type Conversation struct {
	// Progress, if set, is told how much of a prompt has been fed.
	Progress func(done, total int)

	e        *Engine
	s        *model.Session
	set      Settings
	decoder  *speculate.Decoder
	messages []Message
	shield   string
	// prompt and reply are what the session's tokens stand for, rendered and
	// then generated, where known says that they are.
	prompt, reply string
	unfed         []int32 // the reply's last token, where the session lacks it
	known         bool
	marks         []mark // oldest first
}

// mark is a point to go back to: right before a reply.
type mark struct {
	text   string
	snap   *model.Snapshot
	logits []float32 // of the next token
}

// keptMarks bounds the memory: a mark holds the whole recurrent state.
const keptMarks = 2

// Converse begins a conversation in a session that has read nothing.
func (e *Engine) Converse(s *model.Session, set Settings) *Conversation {
	return &Conversation{e: e, s: s, set: set, decoder: speculate.New(s, set.Sampling, set.Draft)}
}

// Costs are the decoder's; see [speculate.Decoder.Costs].
func (c *Conversation) Costs() (pass map[int]float64, draft float64) { return c.decoder.Costs() }

// Settings are the present settings.
func (c *Conversation) Settings() Settings { return c.set }

// Set changes the settings but for the draft; the random numbers begin again
// from the seed.
func (c *Conversation) Set(set Settings) {
	set.Draft = c.set.Draft
	c.set = set
	c.decoder.SetSampling(set.Sampling)
}

// Messages are the conversation so far. The caller must not change them.
func (c *Conversation) Messages() []Message { return c.messages }

// Load replaces the conversation; the session reads it with the next reply.
func (c *Conversation) Load(messages []Message) { c.messages = slices.Clone(messages) }

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
		c.messages = append([]Message{{"system", text}}, c.messages...)
	}
}

// Say adds the user's message and returns the reply, which emit is given piece
// by piece as it is made. After an error, or when ctx ends before the reply
// begins, the message is taken back.
func (c *Conversation) Say(ctx context.Context, text string, emit func(string)) (Reply, error) {
	c.messages = append(c.messages, Message{"user", text})
	r, err := c.Reply(ctx, emit)
	if err != nil {
		c.messages = c.messages[:len(c.messages)-1]
	}
	return r, err
}

// ErrNothingToAnswer is returned when there is no user's message to answer.
var ErrNothingToAnswer = errors.New("there is nothing to answer yet")

// Regenerate makes the last reply anew.
func (c *Conversation) Regenerate(ctx context.Context, emit func(string)) (Reply, error) {
	n := len(c.messages)
	if n == 0 || c.messages[n-1].Role != "assistant" {
		return Reply{}, ErrNothingToAnswer
	}
	old := c.messages[n-1]
	c.messages = c.messages[:n-1]
	r, err := c.Reply(ctx, emit)
	if err != nil {
		c.messages = append(c.messages, old)
	}
	return r, err
}

// Reply answers the messages and adds the answer to them. Errors name the
// model's file.
func (c *Conversation) Reply(ctx context.Context, emit func(string)) (Reply, error) {
	r, err := c.answer(ctx, emit)
	return r, c.e.file.Named(err)
}

func (c *Conversation) answer(ctx context.Context, emit func(string)) (Reply, error) {
	start := time.Now()
	c.shield = newShield(c.messages)
	text, err := c.e.render(c.messages, c.shield)
	if err != nil {
		return Reply{}, err
	}
	logits, st, err := c.read(ctx, text)
	if err != nil {
		return Reply{}, err
	}
	st.PromptTime = time.Since(start)
	c.decoder.Begin(logits)
	r, err := c.e.generate(ctx, c.s, c.decoder, c.set, emit)
	if err != nil {
		return r, err
	}
	c.prompt, c.reply, c.unfed, c.known = text, r.Text, r.unfed, r.whole
	st.GeneratedTokens, st.GenerationTime = r.Stats.GeneratedTokens, r.Stats.GenerationTime
	st.FirstToken, st.Speculation = st.PromptTime+r.Stats.FirstToken, r.Stats.Speculation
	r.Stats = st
	c.messages = append(c.messages, Message{"assistant", r.Text})
	return r, nil
}

// read brings the session to the end of the rendered text, feeding only what is
// new, and returns the next token's logits.
func (c *Conversation) read(ctx context.Context, text string) (logits []float32, st Stats, err error) {
	ids := c.ids(text)
	if n := len(ids); n >= c.s.Context() {
		return nil, st, fmt.Errorf("%w: the prompt is %d tokens long, the context %d; begin anew or take a larger one with --ctx", model.ErrContext, n, c.s.Context())
	}
	if have := c.s.Tokens(); len(have) >= len(ids) || !slices.Equal(have, ids[:len(have)]) {
		if logits, err = c.rewind(ids); err != nil {
			return nil, st, err
		}
	}
	st.ReusedTokens = len(c.s.Tokens())
	st.PromptTokens = len(ids) - st.ReusedTokens
	c.known = false
	if st.PromptTokens > 0 {
		if logits, err = feed(ctx, c.s, ids[st.ReusedTokens:], c.Progress); err != nil {
			return nil, st, err
		}
		snap, err := c.s.Snapshot()
		if err != nil {
			return nil, st, err
		}
		c.marks = append(c.marks, mark{text, snap, slices.Clone(logits)})
		c.marks = c.marks[max(0, len(c.marks)-keptMarks):]
	}
	return logits, st, nil
}

// rewind goes back to the last mark that the tokens begin with, and returns
// the logits kept there; without one it goes back to the beginning.
func (c *Conversation) rewind(ids []int32) ([]float32, error) {
	for len(c.marks) > 0 {
		m := c.marks[len(c.marks)-1]
		if t := m.snap.Tokens(); len(t) <= len(ids) && slices.Equal(t, ids[:len(t)]) {
			if err := c.s.Restore(m.snap); !errors.Is(err, model.ErrSnapshot) {
				return m.logits, err
			}
		}
		c.marks = c.marks[:len(c.marks)-1]
	}
	return nil, c.s.Reset()
}

// ids are the tokens of the rendered text: what the session has already read,
// as it read it, and the rest encoded. A reply's tokens need not be those its
// text would be encoded to, and a template may trim a reply.
func (c *Conversation) ids(text string) []int32 {
	whole := c.e.encode(text, c.shield)
	have := c.s.Tokens()
	if len(have) <= len(whole) && slices.Equal(have, whole[:len(have)]) {
		return whole
	}
	if rest, ok := strings.CutPrefix(text, c.prompt); ok && c.known {
		after, ok := strings.CutPrefix(rest, c.reply)
		if !ok {
			after, ok = strings.CutPrefix(rest, strings.TrimSpace(c.reply))
		}
		if ok {
			return slices.Concat(have, c.unfed, c.e.encode(after, c.shield))
		}
	}
	for _, m := range slices.Backward(c.marks) {
		if rest, ok := strings.CutPrefix(text, m.text); ok {
			return append(slices.Clone(m.snap.Tokens()), c.e.encode(rest, c.shield)...)
		}
	}
	return whole
}

// Complete goes on with text as it stands, without a template, in a session of
// its own: what was there before is forgotten. Errors name the model's file.
func (e *Engine) Complete(ctx context.Context, s *model.Session, text string, set Settings, progress func(done, total int), emit func(string)) (Reply, error) {
	r, err := e.complete(ctx, s, text, set, progress, emit)
	return r, e.file.Named(err)
}

func (e *Engine) complete(ctx context.Context, s *model.Session, text string, set Settings, progress func(done, total int), emit func(string)) (Reply, error) {
	start := time.Now()
	ids := e.Tokenizer.Encode(strings.ToValidUTF8(text, "\uFFFD"), tokenizer.EncodeOptions{AddSpecial: true})
	if len(ids) == 0 {
		return Reply{}, errors.New("there is no text to complete")
	}
	if n := len(ids); n >= s.Context() {
		return Reply{}, fmt.Errorf("%w: the prompt is %d tokens long, the context %d; take a larger one with --ctx", model.ErrContext, n, s.Context())
	}
	if err := s.Reset(); err != nil {
		return Reply{}, err
	}
	logits, err := feed(ctx, s, ids, progress)
	if err != nil {
		return Reply{}, err
	}
	prompt := time.Since(start)
	d := speculate.New(s, set.Sampling, set.Draft)
	d.Begin(logits)
	r, err := e.generate(ctx, s, d, set, emit)
	r.Stats.PromptTokens, r.Stats.PromptTime = len(ids), prompt
	r.Stats.FirstToken += prompt
	return r, err
}
