package speculate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// Model drafts with a smaller model of the same vocabulary.
type Model struct {
	s       *model.Session
	sampler *sample.Sampler
	base    *model.Snapshot // the point before the tokens drafted last
	tokens  []int32
	watch   *model.Watch
}

// ModelSource is the name of its proposals.
const ModelSource = "model"

// NewModel drafts in a session of its own and samples as the target does, with
// the same random numbers: the nearer the two distributions, the more is
// accepted.
func NewModel(s *model.Session, o sample.Options) *Model {
	m := &Model{s: s}
	m.SetSampling(o)
	return m
}

// SetSampling changes how tokens are sampled.
func (m *Model) SetSampling(o sample.Options) {
	o.Logprobs, o.TopLogprobs = false, 0 // nobody asks for the draft's
	m.sampler = sample.New(o)
}

// Prepare says where the reply begins, and which mask there is.
func (m *Model) Prepare(reply int, mask sample.Mask) {
	m.sampler.Begin(reply)
	m.sampler.SetMask(mask)
}

// Watch makes w look into the reading of prompts. Draft returns
// backend.ErrStopped where w stops one. A nil w ends this.
func (m *Model) Watch(w *model.Watch) { m.watch = w }

// Sources implements [Drafter].
func (m *Model) Sources() []string { return []string{ModelSource} }

// Close implements [Drafter].
func (m *Model) Close() error { return m.s.Close() }

// Draft implements [Drafter].
func (m *Model) Draft(timeline []int32, most int, paces Paces) (Proposal, error) {
	pace := paces(ModelSource)
	if pace == nil {
		return Proposal{}, nil
	}
	if err := m.follow(timeline); err != nil {
		return Proposal{}, err
	}
	if len(timeline)-len(m.s.Tokens())+most > m.s.Room() {
		return Proposal{}, nil // the draft's context is the smaller one
	}
	news := timeline[len(m.s.Tokens()):]
	for _, id := range news {
		if int(id) >= m.s.Vocab() {
			return Proposal{}, nil // it has no row for that token
		}
	}
	rows := rows{s: m.s, sampler: m.sampler, gauge: true, watch: m.watch}
	if err := rows.feed(news, model.WantLast); err != nil {
		return Proposal{}, err
	}
	var err error
	if m.base, err = m.s.Snapshot(); err != nil {
		return Proposal{}, err
	}
	m.tokens = m.tokens[:0]
	for len(m.tokens) < most {
		id, err := choose(m.sampler, &rows, 0, m.s.Vocab(), m.s.Tokens())
		if errors.Is(err, sample.ErrLogits) || errors.Is(err, sample.ErrMask) {
			break // the model goes on without the tokens that the draft lost
		}
		if err != nil {
			return Proposal{}, err
		}
		if !pace.Take(m.sampler.Sure()) {
			break
		}
		m.tokens = append(m.tokens, id)
		if len(m.tokens) == most || !pace.More() {
			break
		}
		if err := rows.feed(m.tokens[len(m.tokens)-1:], model.WantLast); err != nil {
			return Proposal{}, err
		}
	}
	return Proposal{Tokens: m.tokens, Source: ModelSource}, nil
}

// follow goes back to the last point where the session's tokens are the
// timeline's.
func (m *Model) follow(timeline []int32) error {
	have := m.s.Tokens()
	if len(have) < len(timeline) && slices.Equal(have, timeline[:len(have)]) {
		return nil
	}
	if m.base != nil {
		if m.base.Len() < len(timeline) && m.base.Begins(timeline) {
			err := m.s.Restore(m.base)
			if !errors.Is(err, model.ErrSnapshot) {
				return err
			}
		}
	}
	m.base = nil
	return m.s.Reset()
}

// Fits says whether a draft's vocabulary is the target's, and how it differs:
// a token must mean the same to both.
func Fits(target, draft interface {
	Size() int
	Piece(id int32) string
}) error {
	if a, b := target.Size(), draft.Size(); a != b {
		return fmt.Errorf("the draft's vocabulary has %d tokens, the model's %d", b, a)
	}
	for id := range int32(target.Size()) {
		if a, b := target.Piece(id), draft.Piece(id); a != b {
			return fmt.Errorf("the draft's vocabulary differs: token %d is %q, the model's %q", id, b, a)
		}
	}
	return nil
}
