package schedule

import (
	"cmp"
	"slices"
	"time"
)

// The policy is pure: it sees numbers and returns the next step. Two forms were
// weighed. Requests could run on goroutines of their own and meet at a
// turnstile that gathers rows; then the order of goroutines would decide what
// shares a pass, and no test could repeat it. Here one list is looked at
// between two steps.

// view is what the policy sees of the requests at work.
type view struct {
	decoding []candidate // a token is chosen, its row is due
	reading  []candidate // prompt is left to read
	// pieced says that the last step was a piece of a prompt.
	pieced bool
}

// candidate is one request at work.
type candidate struct {
	id      int     // its place in the caller's list
	level   int     // its priority, raised by waiting
	arrival int     // earlier ones have lower numbers
	pass    int     // number of its last decode pass
	served  float64 // its share of reading so far, see fair
	at      int     // reading: the text's position
	left    int     // reading: tokens left of the prompt
	stop    int     // reading: tokens to the next point to keep, a cut in any case
}

// step is the policy's choice.
type step struct {
	decode []int // the requests that get a row in one pass
	read   int   // or else the request whose prompt is read on, -1 for none
	tokens int   // of that prompt
}

// next chooses the next step. Decode passes and pieces alternate where both are
// due, so a stream waits for at most one piece between two of its passes.
func next(v *view, c *costs, l Limits, o *Options) step {
	if len(v.decoding) > 0 && (v.pieced || len(v.reading) == 0) {
		return step{decode: turns(v.decoding, l.Rows), read: -1}
	}
	if len(v.reading) == 0 {
		return step{read: -1}
	}
	r := slices.MinFunc(v.reading, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.served, b.served), cmp.Compare(a.arrival, b.arrival))
	})
	return step{read: r.id, tokens: piece(r, units(len(v.decoding), c, o), l.Unit)}
}

// turns are the requests that share the next pass. Where they are more than its
// rows, those go first whose last pass is longest ago.
func turns(list []candidate, rows int) (ids []int) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.pass, b.pass), cmp.Compare(a.arrival, b.arrival))
	})
	for _, c := range list[:min(len(list), rows)] {
		ids = append(ids, c.id)
	}
	return ids
}

const (
	besides = 4           // passes that a piece may take beside decoding
	alone   = time.Second // that a piece may take where nobody decodes, but somebody may come
	untimed = 8           // units of such a piece before any was measured
)

// units is how many units the next piece may hold. It is cut by time, beside
// decoding in proportion to the pass that it delays.
func units(decoding int, c *costs, o *Options) int {
	most := alone.Seconds()
	switch pass := c.rows.Seconds(decoding); {
	case decoding > 0 && (pass == 0 || !c.piece.known()):
		return 1
	case decoding > 0:
		most = min(o.Gap.Seconds(), besides*pass)
	case !c.piece.known():
		return untimed
	}
	n := 1
	for n < mostUnits && c.piece.of(n+1) <= most {
		n++
	}
	return n
}

// piece is how many tokens of a prompt are read next. It ends at a multiple of
// the unit in the text, at a point to keep, or with the prompt.
func piece(r candidate, units, unit int) int {
	n := unit*units - r.at%unit
	if r.stop > 0 {
		n = min(n, r.stop)
	}
	return min(n, r.left)
}

// fair is the virtual time of reading. A prompt's share grows by the time that
// is spent on it, and a new one begins at the present time, so that a stream of
// new prompts cannot keep an old one waiting.
type fair struct{ now float64 }

// spent adds a piece's time beside the given number of prompts.
func (f *fair) spent(took time.Duration, prompts int) {
	f.now += took.Seconds() / float64(max(1, prompts))
}

// claim is a request's part of the memory.
type claim struct {
	id       int
	priority int
	arrival  int
	bytes    int64
}

// victim is the request that makes room next: the lowest priority, and of equal
// ones the latest. It is -1 where the list is empty.
func victim(list []claim) int {
	if len(list) == 0 {
		return -1
	}
	return slices.MinFunc(list, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(b.arrival, a.arrival))
	}).id
}

// evict lists the requests that make room for a need, from claims that may. It
// is nil where even all of them would not do.
func evict(list []claim, need int64) (ids []int) {
	list = slices.Clone(list)
	for need > 0 {
		id := victim(list)
		if id < 0 {
			return nil
		}
		i := slices.IndexFunc(list, func(c claim) bool { return c.id == id })
		need -= list[i].bytes
		ids = append(ids, id)
		list = slices.Delete(list, i, i+1)
	}
	return ids
}
