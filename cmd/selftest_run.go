package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/llm"
)

// The benchmark's length after a warm-up. It is short, since it only shows
// speeds that are far off.
const (
	selftestPrompt = 512
	selftestGen    = 64
	selftestRuns   = 3
)

// check checks one backend.
func (f *selftestFlags) check(t target) backendCheck {
	r := backendCheck{Backend: t.backendName, ISA: t.isa}
	if err := f.conformance(t, &r); err != nil {
		switch {
		case t.absent != nil && t.absent(err):
			r.NotTested = err.Error()
		case t.remedy != nil:
			r.fail(fmt.Errorf("%w; %s", err, t.remedy(err)))
		default:
			r.fail(err)
		}
		return r
	}
	b := benchFlags{runFlags: t.runFlags, depths: []int{0}, prompt: selftestPrompt, gen: selftestGen, runs: selftestRuns}
	defer b.close()
	f.note(r.Backend + ": the demo's transcripts")
	if err := r.replies(&b.runFlags); err != nil {
		r.fail(err)
		return r
	}
	f.note(r.Backend + ": the demo's speed")
	m, err := b.model("", io.Discard)
	if err != nil {
		r.fail(err)
		return r
	}
	r.PromptTokS, r.GenTokS = m.Results[0].PromptTokS, m.Results[0].GenTokS
	return r
}

func (r *backendCheck) fail(err error) { r.Failures = append(r.Failures, advise(err).Error()) }

// conformance runs the table of cases, and that of rankings where the backend
// ranks. An error means that the backend does not open.
func (f *selftestFlags) conformance(t target, r *backendCheck) error {
	b, err := t.open()
	if err != nil {
		return err
	}
	defer b.Close()
	cases := conform.Cases()
	r.Conformance.Of = len(cases)
	for i := range cases {
		f.note(fmt.Sprintf("%s %s: case %d of %d", r.Backend, r.ISA, i+1, len(cases)))
		if err := cases[i].Check(b); err != nil {
			r.fail(err)
			continue
		}
		r.Conformance.Right++
	}
	for _, c := range conform.RankCases() {
		err := c.Check(b)
		if errors.Is(err, conform.ErrNoRanker) {
			break
		}
		r.Conformance.Of++
		if err != nil {
			r.fail(err)
			continue
		}
		r.Conformance.Right++
	}
	return nil
}

// replies compares the demo's greedy replies with the transcripts.
func (r *backendCheck) replies(f *runFlags) error {
	m, err := f.on().Open("", f.options())
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := f.session(m)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, want := range demo.Transcripts() {
		r.Transcripts.Of++
		if err := s.Reset(); err != nil {
			return err
		}
		// A wrong backend need not find the reply's end.
		if err := s.Set(llm.Settings{MaxTokens: 64}); err != nil {
			return err
		}
		var list []llm.Message
		for _, m := range want.Messages {
			list = append(list, llm.Message{Role: m.Role, Content: m.Content})
		}
		got, err := entire(s.Chat(context.Background(), list))
		switch {
		case err != nil:
			r.fail(err)
		case got.Text != want.Text:
			r.fail(fmt.Errorf("a transcript: %q came instead of %q", got.Text, want.Text))
		default:
			r.Transcripts.Right++
		}
	}
	return nil
}

// entire is a reply without its pieces.
func entire(pieces iter.Seq2[llm.Piece, error]) (r llm.Reply, err error) {
	for p, e := range pieces {
		if err = e; p.Reply != nil {
			r = *p.Reply
		}
	}
	return r, err
}
