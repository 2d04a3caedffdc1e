package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/toolcall"
)

// note is the part of a session file beside tokens, memory and messages.
type note struct {
	Sampling sample.Options `json:"sampling"`
	pointNote
}

// pointNote is the part of a point that its messages do not tell.
type pointNote struct {
	Unfed []int32 `json:"unfed,omitempty"`
	Known bool    `json:"known"`
	Reply string  `json:"reply,omitempty"` // as the model wrote it, where it calls functions
	Tools string  `json:"tools,omitempty"` // see offered
}

// note is the point's, behind some of the messages.
func (p *point) note(messages []Message) pointNote {
	n := pointNote{Unfed: p.unfed, Known: p.known, Tools: p.tools}
	if p.messages > 0 && p.messages <= len(messages) && len(messages[p.messages-1].ToolCalls) > 0 {
		n.Reply = p.reply
	}
	return n
}

// offered tells apart the functions that prompts describe. It is "" where there are
// none.
func offered(o *toolcall.Offer) string {
	if !o.Calls() {
		return ""
	}
	h := sha256.New()
	fmt.Fprintln(h, o.Single)
	for _, t := range o.Tools {
		fmt.Fprintf(h, "%q %q %q %t\n", t.Name, t.Description, t.Parameters, t.Strict)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// check refuses a note out of a file that cannot be of a model with this vocabulary.
func (n *pointNote) check(vocab int) error {
	if len(n.Unfed) > 1 || slices.ContainsFunc(n.Unfed, func(id int32) bool { return id < 0 || int(id) >= vocab }) {
		return errors.New("its reply ends with tokens that cannot be")
	}
	return nil
}

// longPrompt is the number of tokens in a prompt from which on the point behind
// it is kept in the file. Shorter prompts are fed again.
const longPrompt = 512

// turn is the present point of the conversation.
func (c *Conversation) turn() (t session.Turn, err error) {
	n := note{Sampling: c.set.Sampling, pointNote: c.at.note(c.messages)}
	n.Known = n.Known && c.at.messages == len(c.messages)
	for _, m := range c.messages {
		j, err := json.Marshal(m)
		if err != nil {
			return t, err
		}
		t.Messages = append(t.Messages, j)
	}
	before := 0
	for _, m := range c.marks {
		tokens := m.snap.Len()
		if m.logits == nil || tokens-before >= longPrompt {
			p := session.Point{Messages: m.messages, Snap: m.snap, Logits: m.logits}
			if p.Note, err = json.Marshal(m.note(c.messages)); err != nil {
				return t, err
			}
			t.Points = append(t.Points, p)
		}
		before = tokens
	}
	t.Note, err = json.Marshal(n)
	return t, err
}

// Save writes the conversation and everything its session knows to a file,
// whole or not at all. A file that the conversation is attached to is brought
// up to date, and made anew where it is gone.
func (c *Conversation) Save(path string) error {
	defer c.e.hold()()
	t, err := c.turn()
	if err != nil {
		return err
	}
	if c.file != nil && c.file.Is(path) {
		return c.file.Renew(c.s, t)
	}
	return session.Save(path, c.s, t)
}

// Restore goes on with a conversation that Save wrote or Attach kept. After an
// error the present conversation goes on.
func (c *Conversation) Restore(path string) (*session.Found, error) {
	defer c.e.hold()()
	found, err := session.Load(path, c.s)
	if err != nil {
		if len(c.s.Tokens()) == 0 {
			c.marks, c.at = nil, point{}
		}
		return nil, err
	}
	return found, c.resume(path, found)
}

// Attach keeps the conversation in a session file. It goes on with the file's
// contents, and Sync writes new turns. found is nil where the file is new.
func (c *Conversation) Attach(path string) (found *session.Found, err error) {
	defer c.e.hold()()
	if c.file, found, err = session.Open(path, c.s); err != nil || found == nil {
		return nil, err
	}
	if err := c.resume(path, found); err != nil {
		c.file.Close()
		c.file = nil
		return nil, err
	}
	return found, nil
}

// Sync writes the new turns to the file that the conversation is attached to,
// if any.
func (c *Conversation) Sync() error {
	if c.file == nil {
		return nil
	}
	defer c.e.hold()()
	t, err := c.turn()
	if err != nil {
		return err
	}
	return c.file.Append(c.s, t)
}

// Close releases the file that the conversation is attached to.
func (c *Conversation) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// resume takes over the conversation of a file.
func (c *Conversation) resume(path string, found *session.Found) error {
	c.messages, c.marks, c.at = nil, nil, point{}
	if found.Turns == 0 {
		return nil
	}
	var n note
	err := json.Unmarshal(found.Note, &n)
	messages := make([]Message, len(found.Messages))
	for i, m := range found.Messages {
		if err == nil {
			err = json.Unmarshal(m, &messages[i])
		}
	}
	if err == nil {
		err = n.Sampling.Check()
	}
	if err == nil {
		err = n.Sampling.Fits(c.s.Vocab())
	}
	if err == nil {
		err = n.check(c.s.Vocab())
	}
	if err == nil {
		c.set.Sampling = n.Sampling
		c.decoder.SetSampling(n.Sampling)
	}
	if err != nil {
		return fmt.Errorf("session %s: %w: %w", path, session.ErrDamaged, err)
	}
	c.messages = messages
	if found.Foreign {
		return nil
	}
	c.at = c.recall(len(messages), n.pointNote)
	for _, p := range found.Points {
		var n pointNote
		if err := json.Unmarshal(p.Note, &n); err != nil || n.check(c.s.Vocab()) != nil || p.Messages > len(messages) {
			continue
		}
		m := mark{c.recall(p.Messages, n), p.Snap, p.Logits}
		if m.known {
			c.marks = append(c.marks, m)
		}
	}
	return nil
}

// recall is the point behind the first messages: behind a reply, or before one
// where the last message is the user's or a result.
func (c *Conversation) recall(messages int, n pointNote) point {
	if messages == 0 || !n.Known || n.Tools != offered(c.set.Tools) {
		return point{}
	}
	p := point{unfed: n.Unfed, known: true, messages: messages, tools: n.Tools}
	if last := c.messages[messages-1]; last.Role == "assistant" {
		if p.reply = last.Content; len(last.ToolCalls) > 0 {
			p.reply = n.Reply
		}
		messages--
	}
	var err error
	if p.prompt, err = c.e.render(c.messages[:messages], c.set.Tools); err != nil {
		return point{}
	}
	return p
}
