package speculate

import (
	"time"

	"github.com/mil-run/mil/backend"
)

// control decides for one source of proposals how far each goes, and whether it
// is asked at all.
//
// A token is worth proposing when its likelihood of being kept, in tokens, is
// above the cost that it adds to the pass, at the speed of the recent passes
// (Dinkelbach's rule for the greatest ratio). How likely a token is right is
// learned by how sure the draft is of it.
type control struct {
	right [len(levels) + 1]ratioOf // by how sure the draft is
	going ratioOf                  // of drafted tokens, refused ones counting as wrong
	speed speed                    // of passes with this source
	sleep int                      // passes to sit out
	nap   int                      // how many it sat out last
	trial bool                     // the next proposal is a trial of one token
	awake int                      // proposals since it slept
	lost  float64                  // passes lost since it slept
	draft float64                  // passes of one token that drafting a token costs
}

// ratioOf is a running ratio.
type ratioOf struct{ a, b float64 }

func (r *ratioOf) value() float64 { return r.a / r.b }

// add adds to both sides, and fades the earlier sums.
func (r *ratioOf) add(a, b, memory float64) {
	r.a, r.b = r.a*memory+a, r.b*memory+b
}

// shrink leaves evidence of at most the given weight.
func (r *ratioOf) shrink(most float64) {
	if r.b > most {
		r.a, r.b = r.a*most/r.b, most
	}
}

// speed is the recent speed and the passes behind it. They are counted by size,
// so that they cost what is known of them now.
type speed struct {
	made, spent float64 // tokens; drafting, in passes of one token
	passes      [backend.MaxVerify + 1]float64
}

func (s *speed) add(made, spent float64, tokens int) {
	s.made, s.spent = s.made*fade+made, s.spent*fade+spent
	for n := range s.passes {
		s.passes[n] *= fade
	}
	s.passes[tokens]++
}

// value is tokens in the time of a pass of one.
func (s *speed) value(t *Costs) float64 {
	spent := s.spent
	for n, x := range s.passes {
		spent += x * t.Of(n)
	}
	return s.made / spent
}

// levels part the probabilities a draft gives its best token.
var levels = [...]float64{0.3, 0.5, 0.7, 0.85, 0.95, 0.99}

func level(sure float64) int {
	i := 0
	for i < len(levels) && sure >= levels[i] {
		i++
	}
	return i
}

const (
	memory   = 0.97 // of a judged token, for each judged later
	fade     = 0.9  // of a pass, in the speed
	minGain  = 1.03 // the least gain of a draft
	shortly  = 16   // passes to sit out after the first failure
	longest  = 1 << 10
	thrift   = 50 // passes to sit out for each that trying cost: 2%
	longRead = 3  // passes reading a prompt counts for at most, in what trying cost
	proven   = 8  // proposals after which a failure is the first again
)

// hopeful is the speed of a draft that deserves a hearing.
var hopeful = speed{made: 6, spent: 4}

// newControl starts hopeful.
func newControl() *control {
	c := &control{going: ratioOf{2.4, 3}, speed: hopeful}
	at := 0.15
	for i := range c.right {
		c.right[i] = ratioOf{2 * (0.3 + 0.65*at), 2}
		if i < len(levels) {
			at = levels[i] // a little low, to be careful
		}
	}
	return c
}

// pace begins a proposal. It is nil while the source sits out.
func (c *control) pace(t terms) *Pace {
	if c.sleep > 0 {
		return nil
	}
	return &Pace{c: c, terms: t, likely: 1, trial: c.trial, clock: time.Now}
}

// judge learns from a pass in which the source was asked: how far the proposal
// went, how much of it was right, and how many passes drafting took.
func (c *control) judge(t terms, p *Pace, n, accepted int, took float64) {
	for i := range min(n, accepted+1, len(p.sure)) {
		ok := 0.0
		if i < accepted {
			ok = 1
		}
		c.right[level(p.sure[i])].add(ok, 1, memory)
		c.going.add(ok, 1, memory)
	}
	if !p.trial && p.asked > len(p.sure) && accepted == n && n >= len(p.sure) { // the next was refused
		c.going.add(0, 1, memory)
	}
	if p.asked > 1 { // the first includes reading the text before it
		c.draft = mix(c.draft, t.Passes(p.latest.Sub(p.first))/float64(p.asked-1))
	}
	made, drafting := float64(1+accepted), c.draft*float64(p.asked)
	if c.trial && accepted > 0 && c.promises(t) {
		c.speed = hopeful
	}
	if t.beside == 0 {
		c.speed.add(made, drafting, 1+n)
	} else { // in company a token without a draft counts as one pass
		c.speed.add(made, t.spent(n, drafting)-1, 1)
	}
	c.lost += max(0, t.spent(n, max(drafting, min(took, longRead)))-made)
	c.trial = false
	if c.awake++; c.awake >= proven {
		c.nap, c.lost = 0, 0
	}
	if c.speed.value(t.Costs) < minGain {
		c.rest()
	}
}

// promises says whether proposals of some length would bring enough, by present
// knowledge.
func (c *control) promises(t terms) bool {
	tokens, likely := 1.0, 1.0
	for n := 1; n < t.reach(); n++ {
		likely *= c.going.value()
		tokens += likely
		if tokens >= minGain*t.spent(n, c.draft*float64(n)) {
			return true
		}
	}
	return false
}

// rest makes the source sit out for a while. The rest grows with every failure
// in a row and with the cost of trying. Then one token is tried, with a fair
// hearing.
func (c *control) rest() {
	if c.nap == 0 {
		c.nap = shortly
	} else {
		c.nap = min(max(2*c.nap, int(thrift*c.lost)), longest)
	}
	c.sleep, c.awake, c.lost, c.trial = c.nap, 0, 0, true
	for i := range c.right {
		c.right[i].shrink(2)
	}
	c.going.shrink(2)
	c.speed = speed{made: minGain, spent: 1}
}

// passed counts a pass the source sat out.
func (c *control) passed() { c.sleep = max(0, c.sleep-1) }
