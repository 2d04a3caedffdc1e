package model

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
)

// Feed is a session's part of a pass over several.
type Feed struct {
	S *Session
	// Tokens are appended to the timeline: at most backend.MaxVerify, and at most
	// S.Left(). S.Commit may keep only the first of them.
	Tokens []int32
	Want   Want
	// Rank asks for the best of the rows' logits where the backend ranks them; its
	// Recent is set. All feeds of a pass must have one, or none.
	Rank *backend.Ranking

	// Logits are [rows][Vocab], or Best has one for each row. Both are valid until
	// the runtime's next pass.
	Logits []float32
	Best   []backend.Best
	first  int // of its rows among the pass's
}

// Ranks reports whether the backend can rank rows of logits where they are made.
func (r *Runtime) Ranks() bool {
	_, ok := r.step.(backend.Ranker)
	return ok
}

// Feed is one pass over sessions of this runtime, with at most backend.MaxRows
// tokens in all. Each session has the bits that it would have alone. After an
// error in the pass none of them can go on.
func (r *Runtime) Feed(list []*Feed) error {
	n, err := r.check(list)
	if err != nil {
		return err
	}
	e := r.step
	if n > backend.MaxVerify {
		if fault := format.Guard(func() { e, err = r.compiled(&r.wide, backend.NewShared(backend.MaxRows, backend.MaxRows)) }); fault != nil || err != nil {
			return errors.Join(err, fault) // nothing was fed
		}
	}
	fault := format.Guard(func() { err = r.pass(e, list) })
	if err = errors.Join(err, fault); err != nil {
		for _, f := range list {
			f.S.failure = err
		}
	}
	return err
}

// check says why feeds cannot share a pass, and counts their tokens.
func (r *Runtime) check(list []*Feed) (n int, err error) {
	for i, f := range list {
		switch {
		case f.S.rt != r:
			return 0, errors.New("a pass holds sessions of one runtime")
		case len(f.Tokens) > min(backend.MaxVerify, f.S.Left()):
			return 0, fmt.Errorf("%d tokens in one pass, where at most %d can be taken back", len(f.Tokens), min(backend.MaxVerify, f.S.Left()))
		case (f.Rank != nil) != (list[0].Rank != nil):
			return 0, errors.New("some rows of a pass are ranked and others not")
		case f.Rank != nil && !r.Ranks():
			return 0, fmt.Errorf("%s ranks no rows", r.b.Name())
		}
		for _, g := range list[:i] {
			if g.S == f.S {
				return 0, errors.New("a session is in one pass twice")
			}
		}
		if err := f.S.check(f.Tokens); err != nil {
			return 0, err
		}
		n += len(f.Tokens)
	}
	if n == 0 || n > backend.MaxRows {
		return 0, fmt.Errorf("%d tokens in one pass, which holds 1 to %d", n, backend.MaxRows)
	}
	return n, nil
}

func (r *Runtime) pass(e backend.Exec, list []*Feed) error {
	p := &r.params
	p.Tokens, p.Segments, r.several = p.Tokens[:0], p.Segments[:0], r.several[:0]
	row := 0
	for _, f := range list {
		rows := f.S.wanted(len(f.Tokens), f.Want)
		if err := f.S.prepare(len(f.Tokens)); err != nil {
			return err
		}
		p.Tokens = append(p.Tokens, f.Tokens...)
		p.Segments = append(p.Segments, f.S.segment(len(f.Tokens), rows))
		if f.Rank != nil {
			f.Rank.Recent = f.S.tokens
			r.several = append(r.several, *f.Rank)
		}
		f.first = row
		row += rows
	}
	var logits []float32
	var best []backend.Best
	var err error
	if list[0].Rank != nil {
		best, err = e.(backend.Ranker).RunRanked(p, r.several)
	} else {
		logits, err = e.Run(p)
	}
	if err != nil {
		return err
	}
	v := r.Vocab()
	for i, f := range list {
		last := f.first + p.Segments[i].Logits
		if f.Logits, f.Best = nil, nil; f.Rank != nil {
			f.Best = best[f.first:last]
		} else {
			f.Logits = logits[f.first*v : last*v]
		}
		f.S.settled = 0
		f.S.ran(f.Tokens, true)
	}
	return nil
}

// Row is one whole row of logits of a feed that was ranked, valid until the next
// call or pass.
func (f *Feed) Row(i int) ([]float32, error) {
	r, e := f.S.rt, f.S.rt.step
	if len(r.params.Tokens) > backend.MaxVerify {
		e = r.wide
	}
	return e.(backend.Ranker).Row(f.first + i)
}
