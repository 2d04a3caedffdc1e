package backend

import (
	"errors"
	"fmt"
)

// StateKind is the role of a state. A new kind has to say in model how a session
// goes back: sessions cut caches and copy everything else.
type StateKind uint8

const (
	_              StateKind = iota // left out by mistake
	StateKV                         // keys or values by position
	StateRecurrent                  // a scan's committed state
	StateWindow                     // a convolution's last inputs
	StateLog                        // the inputs of the last logged pass
)

// State declares memory that lives from pass to pass: a KV cache, a recurrence.
// Each [Sequence] has it once.
type State struct {
	Name  string
	ID    int // its place in a Sequence: the states of a model's programs are counted from 0
	Kind  StateKind
	Bytes int
	// Rows is set by Compile for a KV cache: the bytes of positions [from, to),
	// which are multiples of CacheUnit. The bytes of the spans, in their order,
	// must mean the same in a cache of any other length, and those of one unit
	// at any other place. Layout names their form. Positions of a ring are the
	// text's, and the bytes of each unit follow those of the unit before it.
	Rows   func(from, to int) []Span
	Layout string
	// Window and Ring, of a KV cache that is a ring, are the positions that a row
	// attends to and those that the ring has, see [Heads].
	Window, Ring int
}

// Sequence is the memory of one timeline: a buffer for every state.
type Sequence struct {
	buffers []Buffer // by State.ID
	freed   []func() error
}

// NewSequence makes a sequence whose buffers alloc gives.
func NewSequence(states []*State, alloc func(*State) (Buffer, error)) (*Sequence, error) {
	q := &Sequence{}
	for _, s := range states {
		b, err := alloc(s)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.Name, err), q.Free())
		}
		for len(q.buffers) <= s.ID {
			q.buffers = append(q.buffers, nil)
		}
		must(q.buffers[s.ID] == nil, "two states have the place %d, %s the second", s.ID, s.Name)
		q.buffers[s.ID] = b
	}
	return q, nil
}

// Buffer is the memory of a state, or nil.
func (q *Sequence) Buffer(s *State) Buffer {
	if q == nil || s.ID >= len(q.buffers) {
		return nil
	}
	return q.buffers[s.ID]
}

// OnFree makes Free call f first: a backend frees what it keeps for the sequence.
func (q *Sequence) OnFree(f func() error) { q.freed = append(q.freed, f) }

// Free gives the memory back. The sequence must not be used afterwards.
func (q *Sequence) Free() error {
	var errs []error
	for _, f := range q.freed {
		errs = append(errs, f())
	}
	for _, b := range q.buffers {
		if b != nil {
			errs = append(errs, b.Free())
		}
	}
	q.buffers, q.freed = nil, nil
	return errors.Join(errs...)
}

// CacheUnit is how many positions of a KV cache are read and written together.
const CacheUnit = 32

// Span is N bytes of a buffer from Off.
type Span struct{ Off, N int }

// AppendSpan adds a span to a list. It joins it to the last one where they
// touch.
func AppendSpan(list []Span, off, n int) []Span {
	if last := len(list) - 1; last >= 0 && list[last].Off+list[last].N == off {
		list[last].N += n
		return list
	}
	return append(list, Span{off, n})
}
