package speculate

import (
	"errors"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/sample"
)

// A token takes three steps: Plan says which tokens to feed, somebody feeds them
// to the session, and Take samples from the rows. Next does all three. Who
// shares a pass among several sequences does the second himself.

// errSteps is about steps in a wrong order.
var errSteps = errors.New("speculate: the prompt's last row comes first, then Plan and Take by turns")

// Ranking is how a backend may rank the rows that Take and First get. ok is
// false where the sampling needs whole rows.
func (d *Decoder) Ranking() (r backend.Ranking, ok bool) { return d.sampler.Ranking() }

// First samples the first token behind a prompt, from the row of its last token,
// which is row 0. Next does this by itself, where the decoder was begun with
// that row.
func (d *Decoder) First(rows Rows) ([]int32, error) {
	d.reply = len(d.s.Tokens())
	d.beginFormat()
	d.prepare()
	d.logprobs = d.logprobs[:0]
	next, err := d.choose(rows, 0, d.s.Tokens())
	if err != nil {
		return nil, err
	}
	d.pending, d.logits, d.begun = next, nil, true
	d.made = append(d.made[:0], next)
	return d.made, nil
}

// Plan returns the tokens to feed next: the pending one, and at most most tokens
// that a draft proposes to follow. All of them must go into one pass, which no
// slide of the context cuts. It may run passes of a model that drafts. The
// slice is valid until the next call. A plan that is not fed is forgotten with
// the next.
func (d *Decoder) Plan(most int) ([]int32, error) {
	if !d.begun {
		return nil, errSteps
	}
	if ids := d.forced(most); len(ids) > 0 {
		clear(d.paces)
		d.plan = Proposal{Tokens: ids, Source: forcedSource}
	} else {
		var err error
		if d.plan, err = d.propose(d.most(most)); err != nil {
			return nil, err
		}
	}
	d.batch = append(append(d.batch[:0], d.pending), d.plan.Tokens...)
	return d.batch, nil
}

// most is the most tokens that may be proposed beside the pending token, in a
// pass that no slide cuts.
func (d *Decoder) most(most int) int {
	if d.fixed >= 0 {
		most = min(most, d.fixed)
	}
	return min(most, MaxDraft, d.s.Left()-1)
}

// propose asks the draft for as many tokens as pay.
func (d *Decoder) propose(most int) (Proposal, error) {
	clear(d.paces)
	if t := d.terms(); d.draft == nil || most <= 0 || d.fixed < 0 && t.due() {
		return Proposal{}, nil
	}
	d.line = append(append(d.line[:0], d.s.Tokens()...), d.pending)
	start := d.clock()
	p, err := d.draft.Draft(d.line, most, d.pace)
	if err != nil {
		return p, err
	}
	for i, id := range p.Tokens { // a draft may have rows the model lacks
		if id < 0 || int(id) >= d.s.Vocab() {
			p.Tokens = p.Tokens[:i]
			break
		}
		if d.ends[id] {
			p.Tokens = p.Tokens[:i+1]
			break
		}
	}
	d.asked()
	d.stats.Draft += d.clock().Sub(start)
	return p, nil
}

// Take goes on from the rows of a plan that was fed to the session whole. It
// keeps the tokens that the model would have made itself, commits the session,
// and samples the token that follows. made is as Next gives it. rows needs one
// row for each token of the plan. took is how long the pass took, or 0 where
// others shared it.
func (d *Decoder) Take(rows Rows, took time.Duration) (made []int32, err error) {
	p, timeline := d.plan, d.s.Tokens()
	before := len(timeline) - len(p.Tokens)
	if before <= 0 || timeline[before-1] != d.pending {
		return nil, errSteps
	}
	accepted := 0
	d.logprobs = d.logprobs[:0]
	next, err := d.choose(rows, 0, timeline[:before])
	for err == nil && accepted < len(p.Tokens) && p.Tokens[accepted] == next {
		accepted++
		next, err = d.choose(rows, accepted, timeline[:before+accepted])
	}
	if err != nil {
		return d.until(p, accepted, err)
	}
	if err := d.s.Commit(1 + accepted); err != nil {
		return nil, err
	}
	d.count(p, accepted, took)
	d.pending = next
	d.made = append(append(d.made[:0], p.Tokens[:accepted]...), next)
	return d.made, nil
}

// choose samples from row i.
func (d *Decoder) choose(rows Rows, i int, text []int32) (int32, error) {
	id, err := choose(d.sampler, rows, i, d.s.Vocab(), text)
	err = d.explain(err)
	if l, ok := d.sampler.Logprobs(); ok && err == nil {
		d.logprobs = append(d.logprobs, l)
	}
	return id, err
}

// until ends a pass at a row that could not be used. The accepted tokens come
// first, as they do without a draft; the last of them meets the error again.
func (d *Decoder) until(p Proposal, accepted int, err error) ([]int32, error) {
	if accepted == 0 || !errors.Is(err, sample.ErrLogits) && !errors.Is(err, sample.ErrMask) {
		return nil, err
	}
	if err := d.s.Commit(accepted); err != nil {
		return nil, err
	}
	d.pending = p.Tokens[accepted-1]
	d.made = append(d.made[:0], p.Tokens[:accepted]...)
	return d.made, nil
}
