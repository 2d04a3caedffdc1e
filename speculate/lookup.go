package speculate

import "slices"

// Lookup proposes the tokens that followed the last time the newest tokens
// occurred. It costs nothing and is right where a text quotes or rewrites
// itself.
type Lookup struct {
	seen   []int32                 // the timeline the index is of
	last   map[[minMatch]int32]int // where the tokens of a match last ended
	before []int                   // by end: where they ended the time before, or 0
}

const (
	minMatch = 3 // tokens that must agree
	maxMatch = 24
	maxTries = 32 // occurrences to compare
)

// LookupSource is the name of its proposals.
const LookupSource = "lookup"

// NewLookup makes an empty one.
func NewLookup() *Lookup { return &Lookup{last: map[[minMatch]int32]int{}} }

// Sources implements [Drafter].
func (l *Lookup) Sources() []string { return []string{LookupSource} }

// Close implements [Drafter].
func (l *Lookup) Close() error { return nil }

// Draft implements [Drafter].
func (l *Lookup) Draft(timeline []int32, most int, paces Paces) (Proposal, error) {
	pace := paces(LookupSource)
	if pace == nil {
		return Proposal{}, nil
	}
	l.index(timeline)
	at, match := 0, 0
	end := len(timeline)
	if end < minMatch {
		return Proposal{}, nil
	}
	// The longest match wins, of equal ones the newest.
	for p, n := l.before[end], 0; p > 0 && n < maxTries; p, n = l.before[p], n+1 {
		k := minMatch
		for k < maxMatch && p-k > 0 && timeline[p-k-1] == timeline[end-k-1] {
			k++
		}
		if k > match {
			at, match = p, k
		}
		if k == maxMatch {
			break
		}
	}
	if match == 0 {
		return Proposal{}, nil
	}
	n := 0
	for n < min(most, end-at) && pace.Take(1) {
		n++
	}
	return Proposal{Tokens: timeline[at : at+n], Source: LookupSource}, nil
}

// index takes in the timeline's new tokens, or begins anew.
func (l *Lookup) index(timeline []int32) {
	n := len(l.seen)
	if n > len(timeline) || !slices.Equal(l.seen, timeline[:n]) {
		n = 0
		clear(l.last)
	}
	l.seen = append(l.seen[:n], timeline[n:]...)
	l.before = append(l.before[:min(len(l.before), n+1)], make([]int, len(timeline)+1-min(len(l.before), n+1))...)
	for end := max(minMatch, n+1); end <= len(timeline); end++ {
		key := [minMatch]int32(timeline[end-minMatch : end])
		l.before[end] = l.last[key]
		l.last[key] = end
	}
}
