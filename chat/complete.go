package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/speculate"
	"github.com/mil-run/mil/tokenizer"
)

// Complete goes on with text exactly as it is, without a template, in a session
// of its own. Everything before it is forgotten. Errors name the model's file.
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
	if err := s.Reset(); err != nil {
		return Reply{}, err
	}
	if err := tooLong(s, len(ids), "take a larger one with --ctx, or --on-full slide"); err != nil {
		return Reply{}, err
	}
	fed := 0
	logits, err := e.feed(ctx, s, ids, nil, func(done, total int) {
		if fed = total; progress != nil {
			progress(done, total)
		}
	})
	if err != nil {
		return Reply{}, err
	}
	prompt := time.Since(start)
	set.Draft.Ends = e.ends
	d := speculate.New(s, set.Sampling, set.Draft)
	d.Begin(logits)
	r, err := e.generate(ctx, s, d, set, emit)
	r.Stats.PromptTokens, r.Stats.ReusedTokens, r.Stats.PromptTime = fed, len(ids)-fed, prompt
	r.Stats.FirstToken += prompt
	return r, err
}
