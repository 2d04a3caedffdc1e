package serve

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/mistake"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/schedule"
	"github.com/mil-run/mil/toolcall"
)

// choice is one reply at work.
type choice struct {
	index  int
	count  *counters
	answer *llm.Answer
	prompt []int32
	echo   string // text before the reply
	bare   bool   // the echo alone was asked for
	text   string
	mind   string           // what was thought before the text
	minded int              // tokens of the thoughts
	think  *chat.Thoughts   // nil where the model knows none
	calls  *toolcall.Parser // nil where the reply may call no function
	probs  *probs           // nil where none are asked for
	log    any              // log-probabilities so far
	result schedule.Result
}

// stats is the work so far. Any goroutine may ask.
func (c *choice) stats() schedule.Stats {
	now := c.answer.Stats()
	if c.bare {
		now.Generated = 0
	}
	return now
}

// begin hands in the n-th choice of a prompt.
func (s *Server) begin(r *http.Request, q *request, one *served, p *llm.Prompt, n int, echo bool) (*choice, error) {
	ids := p.Tokens
	if len(ids) >= one.s.Context() {
		return nil, fmt.Errorf("%w: the prompt has %d tokens and the context holds %d", model.ErrContext, len(ids), one.s.Context())
	}
	set := q.set
	set.Sampling.Seed += uint64(n)
	ask := llm.Ask{Prompt: p, Settings: set, Key: s.key(r), Draft: true, Echo: echo && set.Sampling.Logprobs, Fresh: s.o.Fresh}
	if checks(r.Context()) {
		return nil, cmp.Or(one.s.Check(r.Context(), ask), errRight)
	}
	a, err := one.s.Ask(r.Context(), ask)
	if err != nil {
		return nil, err
	}
	c := &choice{count: &s.count, answer: a, prompt: ids, think: one.m.Engine().Thoughts(p), calls: one.m.Engine().Calls(set.Tools)}
	if echo {
		c.echo = one.m.Tokenizer().Decode(ids, true)
	}
	return c, nil
}

// told is the reply as it comes, behind the echo.
func (c *choice) told(ctx context.Context) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		first := true
		echo := func() bool {
			first = false
			var table any
			if c.probs != nil {
				table = c.probs.echoed(c.prompt, c.answer.Echo())
			}
			return yield(c.echo, table)
		}
		for text, list := range c.answer.Told(ctx) {
			if first && c.echo != "" && !echo() {
				return
			}
			var p any
			if c.probs != nil {
				p = c.probs.of(list)
			}
			if !c.bare && !yield(text, p) {
				return
			}
		}
		if first && c.echo != "" {
			echo()
		}
	}
}

// pieces is the reply as it comes, with thoughts, and functions that it calls, apart from
// its text.
func (c *choice) pieces(ctx context.Context) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for text, log := range c.told(ctx) {
			for _, p := range c.parts(text, log, false) {
				if !yield(p) {
					return
				}
			}
		}
		for _, p := range c.parts("", nil, true) {
			if !yield(p) {
				return
			}
		}
	}
}

// parts are the pieces that a text completes, or all that are left at the end. The first
// has the log-probabilities.
func (c *choice) parts(text string, log any, end bool) (list []piece) {
	if c.think != nil {
		thinks := c.think.Thinking()
		thought, said := c.think.Push(text)
		if end {
			last, rest := c.think.Flush()
			thought, said = thought+last, said+rest
		}
		if thinks || c.think.Thinking() || thought != "" {
			c.minded = c.answer.Made()
		}
		if text = said; thought != "" {
			list = append(list, piece{c: c, thought: thought})
		}
	}
	switch {
	case c.calls != nil:
		all := c.calls.Push(text)
		if end {
			all = append(all, c.calls.Flush()...)
		}
		for _, one := range all {
			p := piece{c: c, text: one.Text}
			if one.Text == "" {
				p.call = &one
			}
			list = append(list, p)
		}
	case text != "":
		list = append(list, piece{c: c, text: text})
	}
	if len(list) == 0 && log != nil {
		list = []piece{{c: c}}
	}
	if len(list) > 0 {
		list[0].log = log
	}
	return list
}

// made are the calls of functions in the reply so far. The last one may be cut.
func (c *choice) made() []llm.Call {
	if c.calls == nil {
		return nil
	}
	return c.calls.Calls()
}

// whole waits for the whole reply.
func (c *choice) whole(ctx context.Context) error {
	var b, mind strings.Builder
	for p := range c.pieces(ctx) {
		b.WriteString(p.text)
		mind.WriteString(p.thought)
		c.log = joined(c.log, p.log)
	}
	c.text, c.mind = b.String(), mind.String()
	return c.over(ctx)
}

// over waits for the end, and says why there is no reply. Where the echo alone was
// asked for, the token that was made for it does not count.
func (c *choice) over(ctx context.Context) error {
	c.result = c.answer.Result()
	r := &c.result
	if c.bare {
		r.Generated = 0
	}
	c.count.madeRoom.Add(int64(r.Preempted))
	c.count.tokens(r.Prompt, r.Cached, r.Generated, r.Drafted.Proposed, r.Drafted.Accepted)
	if r.Why == schedule.Cancelled && ctx.Err() != nil {
		return llm.ErrEnded
	}
	return r.Err
}

// piece is a part of a choice's reply, or its end.
type piece struct {
	c       *choice
	text    string
	thought string         // what the model thinks, or ""
	call    *toolcall.Part // a part of a call, or nil
	log     any
	end     bool
	err     error // why there is no more of it
}

// follow hands over the pieces of choices as they come, and calls quiet where none came
// for a while. It ends early where one fails, out has an error, or ctx ends.
func (s *Server) follow(ctx context.Context, list []*choice, out *events, quiet func(), take func(piece)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pieces := make(chan piece)
	for _, c := range list {
		go s.tell(ctx, c, pieces)
	}
	tick := time.NewTicker(s.o.Limits.Ping)
	defer tick.Stop()
	for left := len(list); left > 0 && out.err == nil; {
		select {
		case x := <-pieces:
			if x.err != nil {
				return x.err
			}
			take(x)
			if x.end {
				left--
			}
			tick.Reset(s.o.Limits.Ping)
		case <-tick.C:
			quiet()
		case <-ctx.Done():
			return llm.ErrEnded
		}
	}
	return out.err
}

// tell hands over a choice's pieces until ctx ends. A panic here would end the process.
func (s *Server) tell(ctx context.Context, c *choice, pieces chan<- piece) {
	hand := func(x piece) bool {
		select {
		case pieces <- x:
			return true
		case <-ctx.Done():
			return false
		}
	}
	defer func() {
		if p := recover(); p != nil {
			hand(piece{c: c, err: s.mistake("a reply", mistake.Recovered(p))})
		}
	}()
	for x := range c.pieces(ctx) {
		if !hand(x) {
			return
		}
	}
	err := c.over(ctx)
	hand(piece{c: c, end: true, err: err})
}
