package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/mil-run/mil/llm"
)

// single is a request for one reply, at an endpoint whose answers have no choices.
type single struct {
	s      *Server
	ctx    context.Context
	cancel context.CancelFunc
	stop   func() bool
	one    *served
	c      *choice
}

// single hands in a request for one reply. The caller calls end.
func (s *Server) single(r *http.Request, q *request, prompt func(*served) ([]int32, error)) (*single, error) {
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return nil, err
	}
	ids, err := prompt(one)
	if err != nil {
		return nil, err
	}
	if err := q.settings(one.m, &s.o.Limits); err != nil {
		return nil, err
	}
	x := &single{s: s, one: one}
	x.ctx, x.cancel = context.WithCancel(r.Context())
	x.stop = context.AfterFunc(s.ending, x.cancel)
	if x.c, err = s.begin(x.ctx, r, q, one, ids, 0, false); err != nil {
		x.end()
		return nil, err
	}
	return x, nil
}

// chatPrompt is the prompt of messages.
func chatPrompt(messages []llm.Message) func(*served) ([]int32, error) {
	return func(one *served) ([]int32, error) {
		ids, err := one.m.Engine().Prompt(messages)
		if err != nil {
			return nil, bad("messages", "%v", err)
		}
		return ids, nil
	}
}

// end gives up what is left of the request.
func (x *single) end() {
	x.stop()
	x.cancel()
}

// whole waits for the reply.
func (x *single) whole() error {
	var b strings.Builder
	for text := range x.c.answer.Pieces(x.ctx) {
		b.WriteString(text)
	}
	x.c.text = b.String()
	return x.over()
}

// over takes the result.
func (x *single) over() error {
	x.c.result = x.c.ended()
	r := &x.c.result
	x.s.count.tokens(r.Prompt, r.Cached, r.Generated, r.Drafted.Proposed, r.Drafted.Accepted)
	return failed(x.ctx, x.c)
}

// follow hands over pieces as they come, and calls quiet where none came for a while.
// It ends early where out has an error.
func (x *single) follow(out *events, quiet func(), piece func(string)) error {
	pieces := make(chan string)
	go func() {
		defer close(pieces)
		for text := range x.c.answer.Pieces(x.ctx) {
			select {
			case pieces <- text:
			case <-x.ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(x.s.o.Limits.Ping)
	defer tick.Stop()
	for out.err == nil {
		select {
		case text, ok := <-pieces:
			if !ok {
				return x.over()
			}
			x.c.text += text
			piece(text)
			tick.Reset(x.s.o.Limits.Ping)
		case <-tick.C:
			quiet()
		}
	}
	x.cancel()
	return errGone
}

// event writes an event with its name.
func (e *events) event(name string, v map[string]any) {
	v["type"] = name
	data, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.write("event: " + name + "\ndata: " + string(data) + "\n\n")
}
