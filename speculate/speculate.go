// Package speculate makes several tokens in one pass of a model (speculative
// decoding). A draft proposes, the model checks all of the proposal at once,
// and its session goes back to the last token that was right (Leviathan et al.,
// "Fast Inference from Transformers via Speculative Decoding", 2023). The text
// is the one that the model alone would have made, byte for byte. Sampled text
// is, too, since a token's random numbers depend on seed and position alone. A
// draft samples with the same numbers, and so agrees with the model most often
// (Daliri, Musco and Suresh, "Coupling without Communication and
// Drafter-Invariant Speculative Decoding", 2024).
package speculate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// MaxDraft is the most tokens that may be proposed at a time. With the token
// before them they fill a pass that can be taken back in part.
const MaxDraft = backend.MaxVerify - 1

// Proposal is the tokens that a draft expects to follow.
type Proposal struct {
	Tokens []int32
	// Source names the kind of draft. Each kind is judged for itself.
	Source string
}

// Drafter proposes tokens. It is not for two goroutines.
type Drafter interface {
	// Draft proposes at most most tokens to follow the timeline, at the pace of
	// its source. Each token it has goes through Take. Before making a further
	// one that costs something it asks More. A draft that expects nothing
	// proposes nothing. The proposal is valid until the next call.
	Draft(timeline []int32, most int, paces Paces) (Proposal, error)
	// Sources lists the sources of its proposals, in the order they are asked.
	Sources() []string
	Close() error
}

// Decoder makes a model's tokens one after another, with or without a draft.
type Decoder struct {
	s       *model.Session
	sampler *sample.Sampler
	draft   Drafter // or nil
	fixed   int     // K, or negative to adapt
	ends    map[int32]bool
	control map[string]*control
	costs   costs
	passed  [backend.MaxVerify + 1]bool // whether a pass of n tokens was made
	clock   func() time.Time
	paces   map[string]*Pace // of the sources asked for the present pass
	asking  *Pace            // the one asked now
	stats   Stats

	logits  []float32 // the next token's, when it is not sampled yet
	pending int32     // sampled but not fed, when logits is nil
	made    []int32   // by the last call
	line    []int32   // scratch
	batch   []int32   // scratch
}

// Stats counts the work of speculative decoding.
type Stats struct {
	Passes   int         `json:"passes"`   // of the model
	Tokens   int         `json:"tokens"`   // made by them
	Proposed int         `json:"proposed"` // by the draft
	Accepted int         `json:"accepted"`
	K        map[int]int `json:"k"` // passes by the number of tokens proposed
	// History is the number proposed in each of the last passes, oldest first.
	History []int         `json:"-"`
	Pass    time.Duration `json:"pass_ns"`  // time in passes
	Draft   time.Duration `json:"draft_ns"` // time in drafting
}

// Since is the work since earlier.
func (s Stats) Since(earlier Stats) Stats {
	s.Passes -= earlier.Passes
	s.Tokens -= earlier.Tokens
	s.Proposed -= earlier.Proposed
	s.Accepted -= earlier.Accepted
	s.Pass -= earlier.Pass
	s.Draft -= earlier.Draft
	s.K = maps.Clone(s.K)
	for k, n := range earlier.K {
		if s.K[k] -= n; s.K[k] == 0 {
			delete(s.K, k)
		}
	}
	s.History = slices.Clone(s.History[max(0, len(s.History)-s.Passes):])
	return s
}

// String is the one-line form.
func (s Stats) String() string {
	if s.Proposed == 0 {
		return fmt.Sprintf("draft: nothing proposed in %d passes", s.Passes)
	}
	return fmt.Sprintf("draft: %.0f%% of %d accepted, %.2f tokens a pass", 100*s.Rate(), s.Proposed, s.PerPass())
}

// Rate is the share of proposed tokens that were accepted.
func (s Stats) Rate() float64 { return ratio(s.Accepted, s.Proposed) }

// PerPass is how many tokens a pass made.
func (s Stats) PerPass() float64 { return ratio(s.Tokens, s.Passes) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Options of a decoder.
type Options struct {
	Draft Drafter // nil decodes token by token
	K     int     // tokens to propose; negative adapts, from 0 up, to what pays
	// Ends are tokens that end a reply. Nothing is proposed behind them.
	Ends map[int32]bool
	// Clock gives the time, for measuring passes and drafts. nil means
	// time.Now.
	Clock func() time.Time
}

// New makes a decoder for a session. The drafter stays the caller's to close.
func New(s *model.Session, sampling sample.Options, o Options) *Decoder {
	d := &Decoder{s: s, draft: o.Draft, fixed: min(o.K, MaxDraft), ends: o.Ends, control: map[string]*control{}, costs: newCosts(), clock: o.Clock, paces: map[string]*Pace{}}
	if d.clock == nil {
		d.clock = time.Now
	}
	d.stats.K = map[int]int{}
	if o.Draft != nil {
		for _, source := range o.Draft.Sources() {
			d.control[source] = newControl()
		}
	}
	d.SetSampling(sampling)
	return d
}

// SetSampling changes how tokens are sampled from here on, also by the draft.
func (d *Decoder) SetSampling(o sample.Options) {
	d.sampler = sample.New(o)
	if s, ok := d.draft.(interface{ SetSampling(sample.Options) }); ok {
		s.SetSampling(o)
	}
}

// Stats is the work so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.K = maps.Clone(s.K)
	return s
}

// Costs are the measured times in seconds of passes by their number of tokens,
// and of drafting a token. The newest count most.
func (d *Decoder) Costs() (pass map[int]float64, draft float64) {
	pass = map[int]float64{}
	for n, seconds := range d.costs.seconds {
		if seconds > 0 {
			pass[n] = seconds
		}
	}
	for _, c := range d.control {
		draft = max(draft, c.draft*d.costs.one)
	}
	return pass, draft
}

// Begin goes on after a prompt. logits are those of its last token.
func (d *Decoder) Begin(logits []float32) { d.logits = logits }

// Pending returns the token that was made last and not fed to the session yet.
// ok is false before the first.
func (d *Decoder) Pending() (id int32, ok bool) { return d.pending, d.logits == nil }

// Next makes at least one token. All except the last lie in the session
// already, and the next call feeds the last. The slice is valid until then.
// Logits that are not finite numbers are sample.ErrLogits.
func (d *Decoder) Next() ([]int32, error) {
	if d.logits != nil {
		if !sample.Finite(d.logits) {
			return nil, sample.LogitsError(len(d.s.Tokens()))
		}
		d.pending = d.sampler.Sample(d.logits, d.s.Tokens())
		d.logits = nil
		d.made = append(d.made[:0], d.pending)
		return d.made, nil
	}
	p, err := d.propose()
	if err != nil {
		return nil, err
	}
	return d.check(p)
}

// Keep keeps the first n of the last call's tokens and takes the others out of
// the session, since a reply ended among them.
func (d *Decoder) Keep(n int) error {
	if n >= len(d.made)-1 {
		return nil // the last is not in the session yet
	}
	return d.s.Commit(1 + n) // the pass held the token before them, too
}

// propose asks the draft for as many tokens as pay.
func (d *Decoder) propose() (Proposal, error) {
	clear(d.paces)
	most := min(MaxDraft, d.s.Left()-1) // beside the pending token, in a pass that no slide cuts
	if d.draft == nil || most <= 0 || d.fixed == 0 {
		return Proposal{}, nil
	}
	if d.fixed > 0 {
		most = min(most, d.fixed)
	} else if d.costs.due() {
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

// pace gives a source its pace, or nil while it sits out.
func (d *Decoder) pace(source string) *Pace {
	d.asked()
	c := d.control[source]
	p := Freely(source)
	if d.fixed < 0 {
		p = c.pace(&d.costs)
	}
	if p != nil {
		d.paces[source], d.asking = p, p
		p.clock = d.clock
		p.begun = d.clock()
	}
	return p
}

// asked ends the time of the source asked now.
func (d *Decoder) asked() {
	if d.asking != nil {
		d.asking.took, d.asking = d.clock().Sub(d.asking.begun), nil
	}
}

// check feeds the pending token and the proposal in one pass, keeps the tokens
// that the model would have made itself, and samples the token that follows.
func (d *Decoder) check(p Proposal) ([]int32, error) {
	want := model.WantLast
	if len(p.Tokens) > 0 {
		want = model.WantAll
	}
	d.batch = append(append(d.batch[:0], d.pending), p.Tokens...)
	start := d.clock()
	rows := rows{s: d.s, sampler: d.sampler}
	if err := rows.feed(d.batch, want); err != nil {
		return nil, err
	}
	took := d.clock().Sub(start)
	timeline := d.s.Tokens()
	before := len(timeline) - len(p.Tokens)
	accepted := 0
	next, err := rows.sample(0, timeline[:before])
	for err == nil && accepted < len(p.Tokens) && p.Tokens[accepted] == next {
		accepted++
		next, err = rows.sample(accepted, timeline[:before+accepted])
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

// until ends a pass at a row that could not be used. The accepted tokens come
// first, as they do without a draft; the last of them meets the error again.
func (d *Decoder) until(p Proposal, accepted int, err error) ([]int32, error) {
	if accepted == 0 || !errors.Is(err, sample.ErrLogits) {
		return nil, err
	}
	if err := d.s.Commit(accepted); err != nil {
		return nil, err
	}
	d.pending = p.Tokens[accepted-1]
	d.made = append(d.made[:0], p.Tokens[:accepted]...)
	return d.made, nil
}

func (d *Decoder) count(p Proposal, accepted int, took time.Duration) {
	n := len(p.Tokens)
	d.costs.passed(1+n, took, d.passed[1+n])
	d.passed[1+n] = true // the first pass of a length includes the backend's preparation and is no measure
	for source, c := range d.control {
		pace := d.paces[source]
		switch {
		case pace == nil:
			c.passed()
		case n > 0 && source == p.Source:
			c.judge(&d.costs, pace, n, accepted, d.costs.passes(pace.took))
		case pace.asked > 0:
			c.judge(&d.costs, pace, 0, 0, d.costs.passes(pace.took))
		}
	}
	s := &d.stats
	s.Passes++
	s.Tokens += 1 + accepted
	s.Proposed += n
	s.Accepted += accepted
	s.Pass += took
	s.K[n]++
	if s.History = append(s.History, n); len(s.History) > 1<<12 {
		s.History = s.History[1<<11:]
	}
}
