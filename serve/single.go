package serve

import (
	"context"
	"errors"
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
func (s *Server) single(r *http.Request, q *request, prompt prompter) (*single, error) {
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return nil, err
	}
	p, err := prompt(one, s.key(r))
	if err != nil {
		return nil, err
	}
	if err := q.settings(one.m, &s.o.Limits); err != nil {
		return nil, err
	}
	c, err := s.begin(r, q, one, p, 0, false)
	if err != nil {
		return nil, err
	}
	return &single{s, r.Context(), one, c}, nil
}

// prompter makes the prompt of a request for a model, which a key asked for.
type prompter func(one *served, key string) (*llm.Prompt, error)

// chatPrompt is the prompt of messages, and of the functions that a request offers.
func (s *Server) chatPrompt(q *request, messages []llm.Message) prompter {
	return s.begunPrompt(q, messages, "")
}

// begunPrompt is the prompt of messages and of a reply that has begun.
func (s *Server) begunPrompt(q *request, messages []llm.Message, begun string) prompter {
	return func(one *served, key string) (p *llm.Prompt, err error) {
		if s.o.Fresh {
			p, err = one.s.FreshPrompt(messages, q.offer, begun)
		} else {
			p, err = one.s.Prompt(key, messages, q.offer, begun)
		}
		if errors.Is(err, llm.ErrNoTools) {
			return nil, bad("tools", "%v", err)
		}
		if err != nil {
			return nil, bad("messages", "%v", err)
		}
		return p, nil
	}
}

// follow hands over the reply as it comes, and calls quiet where none came for a
// while.
func (x *single) follow(out *events, quiet func(), take func(piece)) error {
	return x.s.follow(x.ctx, []*choice{x.c}, out, quiet, func(p piece) {
		if !p.end {
			take(p)
		}
	})
}
