package schedule

import (
	"time"

	"github.com/mil-run/mil/sample"
)

// phase is where a request stands.
type phase int

const (
	waiting phase = iota // for memory; with a file, it was at work before
	reading
	decoding
	over
)

// task is a request on its way.
type task struct {
	r       Request
	h       *Handle
	arrival int
	since   time.Time // its arrival
	last    time.Time // its last step, or its arrival
	entered int       // the level with which it began to work
	phase   phase
	was     phase // before it made room
	seq     Sequence
	dec     Decoder
	runs    []run   // of the sequence
	file    string  // it made room, and lies there
	held    int     // positions in the file
	draft   Drafted // of decoders that were closed
	bytes   int64   // its part of the memory
	beside  int64   // of it, its draft's
	served  float64
	pass    int
	echoed  []sample.Logprobs
	branch  int // where the prompt leaves a text that was read before
	result  Result
}

// level is its priority, raised by the time since its last step, so that nobody
// waits for ever.
func (t *task) level(now time.Time, o *Options) int {
	return t.r.Priority + int(now.Sub(t.last)/o.Aging)
}

func (t *task) claim(id int) claim { return claim{id, t.r.Priority, t.arrival, t.bytes} }

// at is how much of the prompt lies in the sequence.
func (t *task) at() int { return len(t.seq.Tokens()) }

// left is how much of the prompt is left to read.
func (t *task) left() int { return len(t.r.Tokens) - t.at() }

// holds is how many positions the sequence holds.
func (t *task) holds() int { return len(t.seq.Tokens()) - t.seq.Dropped() }

// interval is how many tokens of a long prompt lie between two points that are
// kept.
const interval = 1024

// stop is how many tokens may be read before a point of the prompt is kept: at
// every interval, where the prompt leaves an earlier text, and at its last whole
// unit. It is 0 where no point is left.
func (t *task) stop(unit int) int {
	at, end := t.at(), (len(t.r.Tokens)-1)/unit*unit
	to := min(at/interval*interval+interval, end)
	if b := t.branch / unit * unit; b > at {
		to = min(to, b)
	}
	return max(0, to-at)
}

// keeps says whether the present point of the prompt is one to keep.
func (t *task) keeps(unit int) bool {
	at := t.at()
	return at%interval == 0 || at == (len(t.r.Tokens)-1)/unit*unit || at == t.branch/unit*unit
}
