package serve

import (
	"context"
	"net/http"

	"github.com/mil-run/mil/llm"
)

// single is a request for one reply, at an endpoint whose answers have no choices.
type single struct {
	s   *Server
	ctx context.Context
	one *served
	c   *choice
}

// single hands in a request for one reply.
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
	c, err := s.begin(r, q, one, ids, 0, false)
	if err != nil {
		return nil, err
	}
	return &single{s, r.Context(), one, c}, nil
}

// chatPrompt is the prompt of messages.
func chatPrompt(messages []llm.Message) func(*served) ([]int32, error) {
	return begunPrompt(messages, "")
}

// begunPrompt is the prompt of messages and of a reply that has begun.
func begunPrompt(messages []llm.Message, begun string) func(*served) ([]int32, error) {
	return func(one *served) ([]int32, error) {
		ids, err := one.m.Engine().PromptBegun(messages, begun)
		if err != nil {
			return nil, bad("messages", "%v", err)
		}
		return ids, nil
	}
}

// follow hands over the reply's text as it comes, and calls quiet where none came for a
// while.
func (x *single) follow(out *events, quiet func(), take func(string)) error {
	return x.s.follow(x.ctx, []*choice{x.c}, out, quiet, func(p piece) {
		if !p.end {
			take(p.text)
		}
	})
}
