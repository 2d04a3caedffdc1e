package speculate

import "time"

// Pace says how far a proposal should go.
type Pace struct {
	c      *control // nil proposes as many tokens as allowed
	terms  terms
	sure   []float64 // of the tokens taken
	asked  int       // tokens drafted
	likely float64   // that all are right
	trial  bool
	clock  func() time.Time
	begun  time.Time
	first  time.Time // when the first token was drafted, and the latest
	latest time.Time
	took   time.Duration
}

// Paces gives a source its pace, nil when it should propose nothing.
type Paces func(source string) *Pace

// Freely proposes as many tokens as allowed.
func Freely(string) *Pace { return &Pace{likely: 1, clock: time.Now} }

// Take says whether a next token, which the draft already has, is worth a place
// in the pass. sure is the probability of the draft's best token.
func (p *Pace) Take(sure float64) bool {
	p.latest = p.clock()
	if p.asked++; p.asked == 1 {
		p.first = p.latest
	}
	if p.c == nil {
		p.sure = append(p.sure, sure)
		return true
	}
	likely := p.likely * p.c.right[level(sure)].value()
	if p.trial && len(p.sure) > 0 || !p.trial && !p.pays(likely, 0) {
		return false
	}
	p.sure = append(p.sure, sure)
	p.likely = likely
	return true
}

// More says whether drafting one more token is worth it.
func (p *Pace) More() bool {
	return p.c == nil || !p.trial && p.pays(p.likely*p.c.going.value(), p.c.draft)
}

// pays says whether any number of further tokens is worth it. likely is the
// likelihood that the next is kept, and draft what it still costs to draft.
func (p *Pace) pays(likely, draft float64) bool {
	n := 1 + len(p.sure)
	price := p.terms.worth // of a pass of one token, in tokens
	if p.terms.beside == 0 {
		price = max(1, p.c.speed.value(p.terms.Costs))
	}
	gain := 0.0
	for more := 1; n+more <= p.terms.reach(); more++ {
		gain += likely
		if gain > price*(p.terms.extra(n, more)+draft) {
			return true
		}
		likely *= p.c.going.value()
		draft += p.c.draft
	}
	return false
}
