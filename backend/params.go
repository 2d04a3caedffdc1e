package backend

import (
	"fmt"
	"iter"
)

// Params are the values that change from pass to pass.
type Params struct {
	// Tokens are those of all segments, one segment after the other, at most
	// Program.Tokens.
	Tokens   []int32
	Segments []Segment
	// Watch, where not nil, looks into the pass. An Exec that is not [Watched]
	// ignores it.
	Watch *Watch
}

// Segment is the tokens of a pass that continue one sequence. Products see rows
// only. Nodes with states go from segment to segment. A sequence has at most one
// segment in a pass.
type Segment struct {
	Seq *Sequence
	N   int // tokens; in a logged pass at most MaxVerify
	Pos int // position of the first token in the caches
	// Shift is how far positions of the text are ahead of those in the caches,
	// once old ones were dropped. Tokens are rotated by Pos+Shift.
	Shift int
	// Replay is how many tokens of the log, which the sequence's last logged pass
	// wrote, became part of it. The pass must first advance through them.
	Replay int
	// Logits is how many of the segment's last tokens get logits.
	Logits int
}

// Pass are the parameters of a pass of one segment, whose N is set to the number
// of tokens.
func Pass(tokens []int32, s Segment) *Params {
	s.N = len(tokens)
	return &Params{Tokens: tokens, Segments: []Segment{s}}
}

// Rows is the number of rows of logits of all segments. They follow each other in
// the segments' order.
func (p *Params) Rows() (n int) {
	for i := range p.Segments {
		n += p.Segments[i].Logits
	}
	return n
}

// Each gives every segment and the place of its first token among the pass's.
func (p *Params) Each() iter.Seq2[int, *Segment] {
	return func(yield func(int, *Segment) bool) {
		first := 0
		for i := range p.Segments {
			if !yield(first, &p.Segments[i]) {
				return
			}
			first += p.Segments[i].N
		}
	}
}

// Check says why a program does not hold a pass.
func (p *Params) Check(g *Program) error {
	n := 0
	for i := range p.Segments {
		s := &p.Segments[i]
		switch {
		case s.N <= 0 || s.Logits < 0 || s.Logits > s.N || s.Pos < 0 || s.Replay < 0 || s.Replay > MaxVerify:
			return fmt.Errorf("a segment of %d tokens at position %d, with %d rows of logits behind %d of the log", s.N, s.Pos, s.Logits, s.Replay)
		case g.Logged && s.N > MaxVerify:
			return fmt.Errorf("a segment of %d tokens, where at most %d can be taken back", s.N, MaxVerify)
		case len(g.States) > 0 && s.Seq == nil:
			return fmt.Errorf("segment %d has no sequence", i)
		}
		n += s.N
	}
	if rows := p.Rows(); n == 0 || n != len(p.Tokens) || n > g.Tokens || rows > g.LogitRows {
		return fmt.Errorf("a pass of %d tokens and %d rows of logits in segments of %d, program takes %d and %d", len(p.Tokens), rows, n, g.Tokens, g.LogitRows)
	}
	return nil
}
