package conform

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mil-run/mil/backend"
)

// Company checks that rows have the bits that they have alone: among rows of other
// sequences in any order, whose values may be no numbers, and wherever a prompt is
// cut.
func (c *Case) Company(on backend.Backend) error {
	x, err := c.share(on)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	defer x.close()
	if err := x.together(); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := x.pieces(); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := x.prompts(); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

// shared is a case's programs, through which several sequences run.
type shared struct {
	c           *Case
	on          backend.Backend
	w           *weights
	alone, wide backend.Exec // of up to backend.MaxVerify and backend.MaxRows tokens
	prompt      backend.Exec
	vocab       int
	states      []*backend.State
	r           *rand.Rand
	closers     []func() error
	poison      int32 // the token of no numbers
}

func (x *shared) close() {
	for _, f := range slices.Backward(x.closers) {
		f()
	}
}

// longest is how many tokens the prompts of a case have: two units and some.
const longest = 2*backend.PromptUnit + 12

func (c *Case) share(on backend.Backend) (*shared, error) {
	x := &shared{c: c, on: on, w: &weights{r: rand.New(rand.NewPCG(11, 12)), state: map[string]*backend.State{}}, r: rand.New(rand.NewPCG(3, 4))}
	few := c.into(x.w, backend.NewRecorder(backend.MaxVerify, backend.MaxVerify))
	x.vocab, x.states = few.Vocab, few.States
	data := append(make([]byte, 0, len(x.w.data)), x.w.data...)
	x.poison = inputs - 1
	spoil(data, x.w.list[0], int(x.poison))
	buf, err := on.Map(data)
	if err != nil {
		return nil, err
	}
	x.closers = append(x.closers, buf.Free)
	for _, t := range x.w.list {
		t.Buf = buf
	}
	for _, p := range []struct {
		to *backend.Exec
		r  *backend.Recorder
	}{
		{&x.alone, backend.NewRecorder(backend.MaxVerify, backend.MaxVerify)},
		{&x.wide, backend.NewShared(backend.MaxRows, backend.MaxRows)},
		{&x.prompt, backend.NewRecorder(longest, longest)},
	} {
		if *p.to, err = on.Compile(c.into(x.w, p.r)); err != nil {
			x.close()
			return nil, err
		}
		x.closers = append(x.closers, (*p.to).Close)
	}
	return x, nil
}

// spoil makes a row of the table of inputs NaN.
func spoil(data []byte, table *backend.Tensor, row int) {
	size := 4 * table.Cols
	for i := table.Off + row*size; i < table.Off+(row+1)*size; i += 4 {
		nan := math.Float32bits(float32(math.NaN()))
		for k := range 4 {
			data[i+k] = byte(nan >> (8 * k))
		}
	}
}

// talk is a sequence and what it is fed: passes of tokens, each behind some of the
// last pass's.
type talk struct {
	seq    *backend.Sequence
	passes [][]int32
	keeps  []int // before each pass
	pos    int
	shift  int
	want   [][]float32 // each pass's logits when alone
}

// talks makes n sequences' passes, and their logits when each is alone.
func (x *shared) talks(n, passes int) (list []*talk, err error) {
	for range n {
		t := &talk{shift: 32 * x.r.IntN(3)}
		last := 0
		for range passes {
			ids := make([]int32, 1+x.r.IntN(4))
			for i := range ids {
				ids[i] = int32(x.r.IntN(inputs - 1))
			}
			keep := 0
			if last > 0 {
				keep = x.r.IntN(last + 1)
			}
			t.passes, t.keeps = append(t.passes, ids), append(t.keeps, keep)
			last = len(ids)
		}
		if err := x.begin(t); err != nil {
			return nil, err
		}
		for i := range t.passes {
			l, err := x.alone.Run(backend.Pass(t.passes[i], t.next(i)))
			if err != nil {
				return nil, err
			}
			t.want = append(t.want, slices.Clone(l))
		}
		if err := x.begin(t); err != nil { // the same again, in company
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// begin gives a talk new memory.
func (x *shared) begin(t *talk) (err error) {
	t.pos = 0
	if t.seq, err = x.on.NewSequence(x.states); err == nil {
		x.closers = append(x.closers, t.seq.Free)
	}
	return err
}

// next is the segment of a talk's pass i.
func (t *talk) next(i int) backend.Segment {
	t.pos += t.keeps[i]
	return backend.Segment{Seq: t.seq, N: len(t.passes[i]), Pos: t.pos, Shift: t.shift, Replay: t.keeps[i], Logits: len(t.passes[i])}
}

// together runs talks in one pass, in any order, beside one of no numbers.
func (x *shared) together() error {
	const passes = 3
	list, err := x.talks(6, passes)
	if err != nil {
		return err
	}
	bad := &talk{}
	if err := x.begin(bad); err != nil {
		return err
	}
	for i := range passes {
		p := &backend.Params{}
		order := x.r.Perm(len(list))
		rows := make([]int, len(list)) // where each talk's rows begin
		at := x.r.IntN(len(list))
		for k, j := range order {
			if k == at {
				p.Tokens = append(p.Tokens, x.poison, x.poison)
				p.Segments = append(p.Segments, backend.Segment{Seq: bad.seq, N: 2, Pos: 2 * i, Replay: 2 * min(i, 1), Logits: 2})
			}
			rows[j] = p.Rows()
			p.Tokens = append(p.Tokens, list[j].passes[i]...)
			p.Segments = append(p.Segments, list[j].next(i))
		}
		l, err := x.wide.Run(p)
		if err != nil {
			return err
		}
		for j, t := range list {
			if got := l[rows[j]*x.vocab:][:len(t.want[i])]; !same(got, t.want[i]) {
				return fmt.Errorf("pass %d: the rows of sequence %d differ in company", i, j)
			}
		}
	}
	return nil
}

// pieces reads a prompt at once and in pieces that end at multiples of
// backend.PromptUnit.
func (x *shared) pieces() error {
	ids := make([]int32, longest)
	for i := range ids {
		ids[i] = int32(x.r.IntN(inputs - 1))
	}
	var whole []float32
	for _, first := range []int{0, 37} { // tokens before the prompt
		t := &talk{}
		if err := x.begin(t); err != nil {
			return err
		}
		if first > 0 {
			if _, err := x.prompt.Run(backend.Pass(ids[:first], backend.Segment{Seq: t.seq, Shift: 64})); err != nil {
				return err
			}
		}
		l, err := x.prompt.Run(backend.Pass(ids[first:], backend.Segment{Seq: t.seq, Pos: first, Shift: 64, Logits: longest - first}))
		if err != nil {
			return err
		}
		whole = append(whole[:0], l...)
		if err := x.begin(t); err != nil {
			return err
		}
		if first > 0 {
			if _, err := x.prompt.Run(backend.Pass(ids[:first], backend.Segment{Seq: t.seq, Shift: 64})); err != nil {
				return err
			}
		}
		for at := first; at < longest; {
			end := (at/backend.PromptUnit + 1 + x.r.IntN(2)) * backend.PromptUnit
			end = min(end, longest)
			l, err := x.prompt.Run(backend.Pass(ids[at:end], backend.Segment{Seq: t.seq, Pos: at, Shift: 64, Logits: end - at}))
			if err != nil {
				return err
			}
			if !same(l, whole[(at-first)*x.vocab:][:len(l)]) {
				return fmt.Errorf("a prompt behind %d tokens differs when it is cut at %d and %d", first, at, end)
			}
			at = end
		}
	}
	return nil
}

// prompts reads the prompts of two sequences in one pass, and each alone.
func (x *shared) prompts() error {
	var all backend.Params
	var want []float32
	for _, n := range []int{70, longest - 70} {
		t := &talk{}
		if err := x.begin(t); err != nil {
			return err
		}
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(x.r.IntN(inputs - 1))
		}
		s := backend.Segment{Seq: t.seq, N: n, Shift: 32, Logits: n}
		l, err := x.prompt.Run(backend.Pass(ids, s))
		if err != nil {
			return err
		}
		want = append(want, l...)
		if err := x.begin(t); err != nil { // the same again, in company
			return err
		}
		s.Seq = t.seq
		all.Tokens, all.Segments = append(all.Tokens, ids...), append(all.Segments, s)
	}
	got, err := x.prompt.Run(&all)
	if err == nil && !same(got, want) {
		err = errors.New("two prompts in one pass differ from each alone")
	}
	return err
}

// same compares bits, except for the sign of zero.
func same(a, b []float32) bool {
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}
