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
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/constrain"
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
	costs   *Costs
	company Company // its Costs are nil alone
	clock   func() time.Time
	paces   map[string]*Pace // of the sources asked for the present pass
	asking  *Pace            // the one asked now
	stats   Stats

	logits   []float32 // the next token's, when it is not sampled yet
	pending  int32     // sampled but not fed
	begun    bool      // there is a pending token
	made     []int32   // by the last call
	reply    int       // position of the reply's first token
	mask     sample.Mask
	format   *constrain.Grammar // of replies, or nil
	vocab    *constrain.Vocabulary
	holds    *sample.Constraint // the reply to the format, once it has begun
	logprobs []sample.Logprobs  // of made

	plan  Proposal // to be checked with the pending token
	line  []int32  // scratch
	batch []int32  // the pending token and the plan
}

// Stats counts the work of speculative decoding.
type Stats struct {
	Passes   int         `json:"passes"`   // of the model
	Tokens   int         `json:"tokens"`   // made by them
	Proposed int         `json:"proposed"` // by the draft
	Accepted int         `json:"accepted"`
	Forced   int         `json:"forced"` // tokens that a format left no choice about, fed with others
	K        map[int]int `json:"k"`      // passes by the number of tokens proposed
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
	s.Forced -= earlier.Forced
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
// Options that do not fit the vocabulary are sample.ErrParam to who checks them
// (sample.Options.Fits).
func (d *Decoder) SetSampling(o sample.Options) {
	d.sampler = sample.New(o)
	if s, ok := d.draft.(interface{ SetSampling(sample.Options) }); ok {
		s.SetSampling(o)
	}
	d.prepare()
}

// SetMask makes m say which tokens may follow, to model and draft. It is asked
// for texts in any order: those of a pass's rows, and those that a draft tries.
// A nil m ends this. A mask that allows nothing is sample.ErrMask.
func (d *Decoder) SetMask(m sample.Mask) {
	d.mask = m
	d.prepare()
}

// prepare tells the samplers of model and draft where the reply begins and which
// mask there is.
func (d *Decoder) prepare() {
	d.sampler.Begin(d.reply)
	d.sampler.SetMask(d.mask)
	if s, ok := d.draft.(preparer); ok {
		s.Prepare(d.reply, d.mask)
	}
}

// preparer is a drafter that samples.
type preparer interface {
	// Prepare says where the reply begins in the text, and which mask there is
	// (see [sample.Sampler]).
	Prepare(reply int, m sample.Mask)
}

// Logprobs are those of the tokens that the last call of Next, First or Take
// made, where the sampling asks for them. The slice is valid until the next
// call.
func (d *Decoder) Logprobs() []sample.Logprobs { return d.logprobs[:min(len(d.logprobs), len(d.made))] }

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
		draft = max(draft, c.draft*d.terms().Seconds(1))
	}
	return pass, draft
}

// Begin goes on after a prompt. logits are those of its last token, which the
// first call of Next samples from.
func (d *Decoder) Begin(logits []float32) { d.logits, d.begun = logits, false }

// Pending returns the token that was made last and not fed to the session yet.
// ok is false before the first.
func (d *Decoder) Pending() (id int32, ok bool) { return d.pending, d.begun }

// Next makes at least one token. All except the last lie in the session
// already, and the next call feeds the last. The slice is valid until then.
// Logits that are not finite numbers are sample.ErrLogits.
func (d *Decoder) Next() ([]int32, error) {
	if d.logits != nil {
		return d.First(&rows{s: d.s, logits: d.logits})
	}
	tokens, err := d.Plan(MaxDraft)
	if err != nil {
		return nil, err
	}
	want := model.WantLast
	if len(tokens) > 1 {
		want = model.WantAll
	}
	start := d.clock()
	rows := rows{s: d.s, sampler: d.sampler}
	if err := rows.feed(tokens, want); err != nil {
		return nil, err
	}
	return d.Take(&rows, d.clock().Sub(start))
}

// Keep keeps the first n of the last call's tokens and takes the others out of
// the session, since a reply ended among them.
func (d *Decoder) Keep(n int) error {
	if n >= len(d.made)-1 {
		return nil // the last is not in the session yet
	}
	return d.s.Commit(1 + n) // the pass held the token before them, too
}

// pace gives a source its pace, or nil while it sits out.
func (d *Decoder) pace(source string) *Pace {
	d.asked()
	c := d.control[source]
	p := Freely(source)
	if d.fixed < 0 {
		p = c.pace(d.terms())
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

// count learns from a pass.
func (d *Decoder) count(p Proposal, accepted int, took time.Duration) {
	n, terms := len(p.Tokens), d.terms()
	if d.company.Costs == nil && took > 0 {
		d.costs.Passed(1+n, n, took)
	}
	for source, c := range d.control {
		pace := d.paces[source]
		switch {
		case pace == nil:
			c.passed()
		case n > 0 && source == p.Source:
			c.judge(terms, pace, n, accepted, terms.Passes(pace.took))
		case pace.asked > 0:
			c.judge(terms, pace, 0, 0, terms.Passes(pace.took))
		}
	}
	s := &d.stats
	s.Passes++
	s.Tokens += 1 + accepted
	if p.Source == forcedSource {
		s.Forced += accepted
	} else {
		s.Proposed += n
		s.Accepted += accepted
	}
	s.Pass += took
	if p.Source == forcedSource {
		n = 0
	}
	s.K[n]++
	if s.History = append(s.History, n); len(s.History) > 1<<12 {
		s.History = s.History[1<<11:]
	}
}
