package model

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
)

// Options of a session.
type Options struct {
	Context int // positions the caches hold; 0 means the model's, at most 8192
	// Slide lets a session go on when the context is full: the oldest keys and
	// values behind the pinned tokens are dropped, see slide.go.
	Slide bool
	// PlainRope leaves the positions unstretched, whatever the file says, as the
	// authors' own inference script does.
	PlainRope bool
	KV        KVType // of the KV cache
}

// DefaultContext is the longest context that is used unless a longer one is
// asked for.
const DefaultContext = 8192

// Want says which rows of logits a feed returns.
type Want int

// What Feed returns: nothing, the last token's row, every token's.
const (
	WantNone Want = iota
	WantLast
	WantAll
)

// ErrContext is wrapped when tokens do not fit the context.
var ErrContext = errors.New("the context is full")

// Session is one mutable timeline of a model. It is not for two goroutines.
type Session struct {
	rt     *Runtime
	own    bool // the runtime is this session's alone and is closed with it
	seq    *backend.Sequence
	tokens []int32
	pieces [][]int32 // the timeline's beginning, as snapshots share it
	// logged is how many tokens at the timeline's end lie only in the log.
	// replay of them belong to it. settled is how many tokens of the last feed
	// lie before them.
	logged, settled int
	// dropped is how many tokens of the timeline the caches no longer have.
	// Tokens behind the pinned ones lie that much further ahead.
	dropped, pinned int
	lost            []Lost // by the last slides, oldest first
	slid            bool   // right before the last pass
	stays           bool   // it does not slide
	// dirty is the first position that was fed since Clean, news that of the text.
	dirty, news int
	// reach is the end of the positions of the text that were ever stored in the
	// rings. Those before known, by the ring's name, were not. All are multiples of
	// backend.CacheUnit.
	reach   int
	known   map[string]int
	changes int // counts what changed timeline or state
	watched []func()
	params  backend.Params
	watch   *Watch // of the feed in progress, which began behind fed tokens
	fed     int
	kept    [][]byte // the recurrent state before a watched pass
	failure error    // a session that failed within a pass cannot go on
}

// NewSession makes a session in a [Runtime] of its own, which is closed with it.
func (m *Model) NewSession(b backend.Backend, o Options) (*Session, error) {
	r, err := m.NewRuntime(b, o)
	if err != nil {
		return nil, err
	}
	s, err := r.NewSession()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.own = true
	return s, nil
}

// Close frees the session's memory.
func (s *Session) Close() error {
	for _, end := range s.watched {
		end()
	}
	err := s.seq.Free()
	if s.own {
		err = errors.Join(err, s.rt.Close())
	}
	return err
}

// Tokens is the timeline so far, uncommitted tokens included. The caller must
// not change it.
func (s *Session) Tokens() []int32 { return s.tokens }

// Context is how many tokens the session can hold.
func (s *Session) Context() int { return s.rt.o.Context }

// Vocab is the width of a row of logits.
func (s *Session) Vocab() int { return s.rt.Vocab() }

// Feed appends tokens and returns the logits asked for, [rows][Vocab], valid
// until the runtime's next pass. After at most backend.MaxVerify tokens, Commit may
// keep only the first of them, but no fewer than were fed before a slide. More
// tokens are read as [Session.Read] does.
func (s *Session) Feed(tokens []int32, want Want) (logits []float32, err error) {
	return s.guarded(tokens, want, len(tokens) <= backend.MaxVerify)
}

// Read is Feed of a prompt, or of a piece of one, whatever its length. The tokens
// are committed whole. A prompt that is read in pieces has the same bits as one
// that is read at once where the pieces end at positions of the text that are
// multiples of backend.PromptUnit.
//
// w, which may be nil, looks into the reading and can stop it. The tokens of whole
// passes then belong to the timeline, and the session goes on as if no others had
// been fed.
func (s *Session) Read(tokens []int32, want Want, w *Watch) ([]float32, error) {
	s.watch, s.fed = w, len(s.tokens)
	defer func() { s.watch = nil }()
	return s.guarded(tokens, want, false)
}

// guarded feeds tokens that may turn out not to be readable. short says that they
// can be taken back.
func (s *Session) guarded(tokens []int32, want Want, short bool) (logits []float32, err error) {
	if err := s.check(tokens); err != nil {
		return nil, err
	}
	fault := format.Guard(func() {
		var exec backend.Exec
		var most int
		if exec, most, err = s.rt.program(want, short); err == nil {
			logits, err = s.feed(exec, most, tokens, want, short)
		}
	})
	if fault == nil && errors.Is(err, backend.ErrStopped) {
		return nil, err
	}
	if err = errors.Join(err, fault); err != nil {
		s.failure = err
		return nil, err
	}
	return logits, nil
}

// check says why tokens cannot be fed.
func (s *Session) check(tokens []int32) error {
	if s.failure != nil {
		return s.failure
	}
	if len(tokens) == 0 {
		return errors.New("nothing to feed")
	}
	if len(tokens) > s.Room() {
		return fmt.Errorf("%w: %d tokens and %d more are over %d", ErrContext, s.held(), len(tokens), s.rt.o.Context)
	}
	for _, t := range tokens {
		if t < 0 || int(t) >= s.Vocab() {
			return fmt.Errorf("token %d is not among the model's %d", t, s.Vocab())
		}
	}
	return nil
}

// wanted is how many rows of logits a short feed makes.
func (s *Session) wanted(tokens int, want Want) int {
	switch want {
	case WantLast:
		return 1
	case WantAll:
		return tokens
	}
	return 0
}

// Ranks reports whether the backend can rank rows of logits where they are made.
func (s *Session) Ranks() bool { return s.rt.Ranks() }

// FeedRanked is Feed of at most backend.MaxVerify tokens whose rows of logits are
// ranked (see [backend.Ranking], whose Recent it sets), if [Session.Ranks]. The
// result is valid until the runtime's next pass. Rows for all tokens are returned only
// for at most [Session.Left] of them.
func (s *Session) FeedRanked(tokens []int32, want Want, r backend.Ranking) (best []backend.Best, err error) {
	e, ok := s.rt.step.(backend.Ranker)
	if !ok || len(tokens) > backend.MaxVerify {
		return nil, fmt.Errorf("%d tokens cannot be ranked on %s", len(tokens), s.rt.b.Name())
	}
	if err := s.check(tokens); err != nil {
		return nil, err
	}
	if want == WantAll && len(tokens) > s.Left() {
		return nil, fmt.Errorf("%d tokens in one pass, and the context slides after %d", len(tokens), s.Left())
	}
	fault := format.Guard(func() {
		s.settled = 0
		for len(tokens) > 0 && err == nil {
			n := min(len(tokens), s.Left())
			rows := 0
			if n == len(tokens) {
				rows = s.wanted(n, want)
			}
			if err = s.begin(tokens[:n], rows); err == nil {
				r.Recent = s.tokens
				s.rt.ranks[0] = r
				best, err = e.RunRanked(&s.params, s.rt.ranks[:])
				s.ran(tokens[:n], true)
				if tokens = tokens[n:]; len(tokens) > 0 {
					s.settled += n
				}
			}
		}
	})
	if err = errors.Join(err, fault); err != nil {
		s.failure = err
		return nil, err
	}
	return best, nil
}

// Row is one whole row of logits of the last FeedRanked, valid until the next
// feed.
func (s *Session) Row(i int) ([]float32, error) { return s.rt.step.(backend.Ranker).Row(i) }

// Gauge measures where a token's pass spends its time, on backends that can tell;
// ok is false on others. The session must go back to a snapshot afterwards.
func (s *Session) Gauge() (g backend.Gauge, ok bool, err error) {
	e, ok := s.rt.step.(backend.Gauger)
	if !ok {
		return g, false, nil
	}
	tokens := []int32{0}
	if err = s.check(tokens); err == nil {
		if err = s.begin(tokens, 1); err == nil {
			s.params.Segments[0].Replay = 1 // as when one token follows another
			g, err = e.Gauge(&s.params)
		}
	}
	return g, true, err
}

// feed runs as many passes as the tokens need. Those of prompts end at multiples of
// backend.PromptUnit in the text, or where the context slides.
func (s *Session) feed(exec backend.Exec, most int, tokens []int32, want Want, short bool) ([]float32, error) {
	s.settled = 0
	var out []float32
	for len(tokens) > 0 {
		n := min(most, len(tokens), s.Left())
		if rest := (len(s.tokens) + n) % backend.PromptUnit; !short && n == most && n < len(tokens) && rest < n {
			n -= rest
		}
		rows := 0
		switch {
		case want == WantAll:
			rows = n
		case want == WantLast && n == len(tokens):
			rows = 1
		}
		l, err := s.run(exec, tokens[:n], rows, short)
		if err != nil {
			s.settled = 0
			return nil, err
		}
		if tokens = tokens[n:]; short && len(tokens) > 0 {
			s.settled += n
		}
		if want == WantAll && (len(out) > 0 || len(tokens) > 0) {
			out = append(out, l...) // the next pass reuses l's memory
		} else {
			out = l
		}
	}
	return out, nil
}

// run is one pass. It first replays the tokens of the last pass's log that were
// kept.
func (s *Session) run(e backend.Exec, tokens []int32, rows int, logs bool) ([]float32, error) {
	if err := s.begin(tokens, rows); err != nil {
		return nil, err
	}
	if s.watch != nil {
		if err := s.look(e, tokens); err != nil {
			return nil, s.undo(err)
		}
	}
	out, err := e.Run(&s.params)
	if errors.Is(err, backend.ErrStopped) {
		return nil, s.undo(s.goBack(err))
	}
	s.ran(tokens, logs)
	return out, err
}

// begin sets params for a pass of at most Left tokens. Before the pass a full
// context slides.
func (s *Session) begin(tokens []int32, rows int) error {
	if err := s.prepare(len(tokens)); err != nil {
		return err
	}
	s.params = backend.Params{Tokens: tokens, Segments: append(s.params.Segments[:0], s.segment(len(tokens), rows))}
	return nil
}

// prepare slides a full context before a pass of the given number of tokens.
func (s *Session) prepare(tokens int) error {
	if s.slid = s.held() == s.rt.o.Context; s.slid {
		if err := s.slide(); err != nil {
			return err
		}
	}
	s.dirty, s.news = min(s.dirty, s.held()), min(s.news, len(s.tokens))
	s.reaches(len(s.tokens) + tokens)
	s.changes++
	return nil
}

// segment is the part of the next pass that holds tokens of this session.
func (s *Session) segment(tokens, rows int) backend.Segment {
	return backend.Segment{Seq: s.seq, N: tokens, Pos: s.held(), Shift: s.dropped, Replay: s.logged, Logits: rows}
}

// undo takes back the slide before a pass that was stopped.
func (s *Session) undo(err error) error {
	if errors.Is(err, backend.ErrStopped) && s.slid {
		s.slid = false
		if err := s.unslide(len(s.tokens)); err != nil {
			return err
		}
	}
	return err
}

// ran adds a pass's tokens to the timeline, and notes whether they lie in the
// log.
func (s *Session) ran(tokens []int32, logs bool) {
	s.tokens = append(s.tokens, tokens...)
	if s.logged = 0; logs {
		s.logged = len(tokens)
	} else {
		s.slid = false // this pass is not taken back
	}
}

// Commit keeps the first n tokens of the last feed, which held at most
// backend.MaxVerify; the state is then exactly what feeding n tokens gives.
func (s *Session) Commit(n int) error {
	k := n - s.settled // of those that lie in the log
	if k < 0 || k > s.logged {
		return fmt.Errorf("commit %d tokens of a feed, where %d to %d can be kept", n, s.settled, s.settled+s.logged)
	}
	s.cut(len(s.tokens) - s.logged + k)
	s.logged = k
	s.changes++
	if k == 0 && s.slid { // feeding nothing does not slide
		s.slid = false
		if err := s.unslide(len(s.tokens)); err != nil {
			s.failure = err
			return err
		}
	}
	return nil
}

// Reset goes back to the beginning.
func (s *Session) Reset() error {
	s.cut(0)
	s.logged, s.settled, s.dropped, s.lost, s.slid = 0, 0, 0, nil, false
	s.forget()
	s.changes++
	for _, st := range s.recurrent() { // caches are read only up to the timeline's length
		if err := s.seq.Buffer(st).Zero(); err != nil {
			return err
		}
	}
	return nil
}
