package chat

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/model"
)

// point is the text behind a session's tokens: rendered text, and a generated
// reply.
type point struct {
	prompt jinja.Rendered
	reply  string
	unfed  []int32 // the reply's last token, where the session lacks it
	known  bool    // the tokens are exactly these texts'

	messages int    // how many the tokens stand for
	tools    string // the functions that the prompt describes; see offered
}

// rest is the part of a rendered text behind the point, if the text begins with
// it. A template may trim a reply.
func (p *point) rest(e *Engine, text jinja.Rendered) (jinja.Rendered, bool) {
	n := len(p.prompt.Text)
	if !p.known || e.prompt(text).alike(e.prompt(p.prompt)) < n {
		return jinja.Rendered{}, false
	}
	text = text.From(n)
	if rest, ok := text.AfterText(p.reply); ok {
		return rest, true
	}
	return text.AfterText(strings.TrimSpace(p.reply))
}

// mark is a point to go back to: the end of a turn, or right before a reply.
type mark struct {
	point
	snap   *model.Snapshot
	logits []float32 // of the next token, before a reply
}

// Each mark holds the whole recurrent state, so few are kept: the ends of the
// last closeMarks turns and the newest point before a reply. Of turns further
// back every second is kept, of those twice as far back every fourth, and so
// on, so that memory stays flat. Of all these the newest stay that fit
// markBytes, at least two.
const (
	closeMarks = 16
	markBytes  = 512 << 20
)

// mark keeps the present point. Logits are given before a reply.
func (c *Conversation) mark(p point, logits []float32) error {
	snap, err := c.s.Snapshot()
	if err != nil {
		return err
	}
	c.marks = append(c.marks, mark{p, snap, slices.Clone(logits)})
	kept := make([]mark, 0, len(c.marks))
	size := 0
	for i, m := range slices.Backward(c.marks) {
		back := (p.messages - m.messages) / 2 / closeMarks
		far := back > 0 && m.messages/2%(1<<bits.Len(uint(back))) != 0
		if far || m.logits != nil && logits != nil && i < len(c.marks)-1 {
			continue
		}
		if size += m.snap.Bytes() + 4*len(m.logits); size > markBytes && len(kept) >= 2 {
			break
		}
		kept = append(kept, m)
	}
	slices.Reverse(kept)
	c.marks = kept
	return nil
}

// read brings the session to the end of the rendered text, feeds only its new
// tokens, and returns the next token's logits.
func (c *Conversation) read(ctx context.Context, text jinja.Rendered) (logits []float32, st Stats, err error) {
	ids := c.ids(text)
	if err := c.pin(ids); err != nil {
		return nil, st, err
	}
	if err := tooLong(c.s, len(ids), true); err != nil {
		return nil, st, err
	}
	switch have := c.s.Tokens(); {
	case len(have) >= len(ids) || !slices.Equal(have, ids[:len(have)]):
		if logits, err = c.rewind(ids); err != nil {
			return nil, st, err
		}
		if err := tooLong(c.s, len(ids), true); err != nil { // the dropped positions are back
			return nil, st, err
		}
	case len(have) > 0 && c.at.known: // the end of a turn
		if err := c.mark(c.at, nil); err != nil {
			return nil, st, err
		}
	}
	have := len(c.s.Tokens())
	c.at = point{}
	logits, err = c.e.feed(ctx, c.s, ids, logits, func(done, total int) {
		if st.PromptTokens = total; c.Progress != nil {
			c.Progress(done, total)
		}
	})
	if err != nil {
		return nil, st, err
	}
	if st.ReusedTokens = len(ids) - st.PromptTokens; len(ids) > have {
		if err := c.mark(point{prompt: text, known: true, messages: len(c.messages), tools: offered(c.set.Tools)}, logits); err != nil {
			return nil, st, err
		}
	}
	return logits, st, nil
}

// pin keeps the system message and the descriptions of functions in the caches at every slide. A text that slid
// while another number of tokens was kept is read anew: the text alone decides
// where a context slides.
func (c *Conversation) pin(ids []int32) error {
	n, err := c.pinned(ids)
	if err != nil {
		return err
	}
	if c.s.Dropped() > 0 && n != c.s.Pinned() {
		c.marks, c.at = nil, point{}
		if err := c.s.Reset(); err != nil {
			return err
		}
	}
	c.s.Pin(n)
	return nil
}

// pinned is how many of the tokens are the system message's and functions'.
func (c *Conversation) pinned(ids []int32) (int, error) {
	var system []Message
	if len(c.messages) > 0 && c.messages[0].Role == "system" {
		system = c.messages[:1:1]
	} else if !c.set.Tools.Calls() {
		return 0, nil
	}
	// Two conversations with this system message begin alike with the message
	// and the template's text around it.
	texts := [2]string{"a", "Z"}
	var have [2][]int32
	for i, t := range texts {
		text, err := c.e.render(append(system, Message{Role: "user", Content: t}), c.set.Tools)
		if err != nil {
			return 0, err
		}
		have[i] = c.e.encode(text)
	}
	return alike(ids, have[0][:alike(have[0], have[1])]), nil
}

// alike is how many tokens a and b begin with in common.
func alike(a, b []int32) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// rewind goes back to the last mark that the tokens begin with, and returns the
// logits kept there. Without such a mark it goes back to the beginning.
func (c *Conversation) rewind(ids []int32) ([]float32, error) {
	for len(c.marks) > 0 {
		m := c.marks[len(c.marks)-1]
		if more := m.snap.Len() < len(ids) || m.snap.Len() == len(ids) && m.logits != nil; more && m.snap.Begins(ids) {
			if err := c.s.Restore(m.snap); !errors.Is(err, model.ErrSnapshot) {
				return m.logits, err
			}
		}
		c.marks = c.marks[:len(c.marks)-1]
	}
	return nil, c.s.Reset()
}

// returnTo goes back to the end of the turn behind the first messages, if that
// was kept. If not, the next reply finds the way.
func (c *Conversation) returnTo(messages int) error {
	for i, m := range slices.Backward(c.marks) {
		if m.messages != messages || m.logits != nil {
			continue
		}
		err := c.s.Restore(m.snap)
		if errors.Is(err, model.ErrSnapshot) {
			break
		}
		c.at, c.marks = m.point, c.marks[:i]
		return err
	}
	c.at = point{}
	return nil
}

// ids are the tokens of the rendered text. The part that the session has read
// keeps its tokens, and the rest is encoded. A reply's tokens need not be those
// its text would be encoded to.
func (c *Conversation) ids(text jinja.Rendered) []int32 {
	whole := c.e.encode(text)
	have := c.s.Tokens()
	if len(have) <= len(whole) && slices.Equal(have, whole[:len(have)]) {
		return whole
	}
	if rest, ok := c.at.rest(c.e, text); ok {
		return slices.Concat(have, c.at.unfed, c.e.encode(rest))
	}
	for _, m := range slices.Backward(c.marks) {
		if rest, ok := m.rest(c.e, text); ok {
			return slices.Concat(m.snap.Tokens(), m.unfed, c.e.encode(rest))
		}
	}
	return whole
}
