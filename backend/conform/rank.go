package conform

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// ErrNoRanker is the error of [RankCase.Check] where a backend does not rank.
var ErrNoRanker = errors.New("conform: the backend ranks no rows")

// RankCase is a head over a vocabulary whose rows of logits a [backend.Ranker]
// ranks. Its result must be that of [backend.Rank] for the rows themselves.
type RankCase struct {
	Name   string
	Vocab  int
	Tokens []int // of passes
	// row gives a token's row of the head. All inputs begin with 1, so row[0] is a
	// logit that all rows have in common.
	row func(r *rand.Rand, token int, row []float32)
	// Rankings are tried in every pass.
	Rankings []backend.Ranking
}

// rankings are those of every case.
var rankings = []backend.Ranking{{}, {Penalty: 1.4}, {Temp: 1}, {Temp: 0.7, Penalty: 1.3}, {Temp: 2, Penalty: 0.5}}

// RankCases is the table: equal logits, NaN, a vocabulary of many slices or of
// few tokens, the best ones spread and crowded.
func RankCases() []RankCase {
	sizes := []int{1, 5, 16}
	// halves is a row of multiples of a half, so that many logits are equal.
	halves := func(r *rand.Rand, row []float32) {
		for i := range row {
			row[i] = float32(r.IntN(9)-4) / 2
		}
	}
	normal := func(spread float64) func(*rand.Rand, int, []float32) {
		return func(r *rand.Rand, _ int, row []float32) {
			halves(r, row)
			row[0] = float32(r.NormFloat64() * spread)
		}
	}
	return []RankCase{
		{"few tokens", 40, sizes, normal(10), rankings},
		{"as many as are kept", backend.MaxCandidates, sizes, normal(1), rankings},
		{"some slices", 5000, []int{1, 16}, normal(100), rankings},
		{"many slices", 150001, []int{1}, normal(10), rankings},
		{"many equal logits", 9000, []int{5}, func(r *rand.Rand, _ int, row []float32) { halves(r, row) }, rankings},
		{"all equal", 4500, []int{2}, func(_ *rand.Rand, _ int, row []float32) { clear(row) }, rankings},
		{"a negative zero", 300, []int{2}, func(_ *rand.Rand, token int, row []float32) {
			clear(row)
			row[0] = float32(math.Copysign(0, float64(token%2)-0.5))
		}, rankings},
		{"the best first", 4097, []int{2}, func(_ *rand.Rand, token int, row []float32) { clear(row); row[0] = float32(-token) / 8 }, rankings},
		{"the best last", 8192, []int{2}, func(_ *rand.Rand, token int, row []float32) { clear(row); row[0] = float32(token) / 8 }, rankings},
		{"the best together", 8192, []int{2}, func(r *rand.Rand, token int, row []float32) {
			halves(r, row)
			if token%256 < 128 {
				row[0] += 100
			}
		}, rankings},
		{"some that are no numbers", 6000, []int{3}, func(r *rand.Rand, token int, row []float32) {
			if halves(r, row); token%7 == 3 {
				row[0] = float32(math.NaN())
			}
		}, rankings},
		{"no number at all", 200, []int{2}, func(_ *rand.Rand, _ int, row []float32) { clear(row); row[0] = float32(math.NaN()) }, rankings},
	}
}

// Check is an error where the backend's ranking is not the definition's.
func (c *RankCase) Check(on backend.Backend) error {
	var of *backend.Params
	var whole []float32 // its logits
	err := c.each(on, func(e backend.Ranker, p *backend.Params, ranks []backend.Ranking) error {
		if of != p {
			rows, err := e.Run(p)
			if err != nil {
				return err
			}
			of, whole = p, slices.Clone(rows)
		}
		got, err := e.RunRanked(p, ranks)
		if err != nil {
			return err
		}
		if len(got) != p.Rows() {
			return fmt.Errorf("%d rows are ranked of %d", len(got), p.Rows())
		}
		return c.rows(e, p, ranks, whole, got)
	})
	if err != nil {
		return fmt.Errorf("ranking, %s: %w", c.Name, err)
	}
	return nil
}

// rows holds a pass's rankings against the definition.
func (c *RankCase) rows(e backend.Ranker, p *backend.Params, ranks []backend.Ranking, whole []float32, got []backend.Best) error {
	i, k := 0, 0 // the row; the segment
	for first, s := range p.Each() {
		r := &ranks[k]
		for t := s.N - s.Logits; t < s.N; t++ {
			text := append(slices.Clone(r.Recent), p.Tokens[first:first+t+1]...)
			if err := c.compare(e, i, whole[i*c.Vocab:][:c.Vocab], got[i], text, r); err != nil {
				return fmt.Errorf("segment %d of %d, of %d tokens, %d before, temperature %g, penalty %g: row %d: %w", k, len(ranks), s.N, len(r.Recent), r.Temp, r.Penalty, i, err)
			}
			i++
		}
		k++
	}
	return nil
}

// compare holds one row's ranking against the definition.
func (c *RankCase) compare(e backend.Ranker, i int, row []float32, got backend.Best, text []int32, r *backend.Ranking) error {
	want := backend.Rank(row, text, r)
	if len(got.Tokens) != len(want.Tokens) || len(got.Logits) != len(want.Logits) {
		return fmt.Errorf("%d tokens and %d logits are kept, want %d", len(got.Tokens), len(got.Logits), len(want.Tokens))
	}
	for k := range want.Tokens {
		if got.Tokens[k] != want.Tokens[k] || got.Logits[k] != want.Logits[k] {
			return fmt.Errorf("place %d has token %d of %g, want %d of %g", k, got.Tokens[k], got.Logits[k], want.Tokens[k], want.Logits[k])
		}
	}
	if e := math.Abs(got.Sum - want.Sum); !(e <= 1e-5*want.Sum) {
		return fmt.Errorf("sum %g, want %g", got.Sum, want.Sum)
	}
	alone, err := e.Row(i)
	if err != nil {
		return err
	}
	same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
	if !slices.EqualFunc(alone, row, same) {
		return errors.New("it differs when read alone")
	}
	return nil
}

// Run runs the case on a backend whose results do not count.
func (c *RankCase) Run(on backend.Backend) error {
	return c.each(on, func(e backend.Ranker, p *backend.Params, ranks []backend.Ranking) error {
		_, err := e.RunRanked(p, ranks)
		return err
	})
}

// each runs f for every pass, with every ranking, and for a pass of several segments
// with one each.
func (c *RankCase) each(on backend.Backend, f func(e backend.Ranker, p *backend.Params, ranks []backend.Ranking) error) error {
	const width = 8
	r := rand.New(rand.NewPCG(5, uint64(c.Vocab)))
	table := &backend.Tensor{Name: "table", Type: quant.F32, Rows: inputs, Cols: width}
	head := &backend.Tensor{Name: "head", Type: quant.F32, Rows: c.Vocab, Cols: width, Off: (table.Bytes() + 63) &^ 63}
	values := make([]float32, (head.Off+head.Bytes())/4)
	for i := range inputs {
		row := values[i*width:][:width]
		for k := range row {
			row[k] = float32(r.IntN(9)-4) / 2
		}
		row[0] = 1
	}
	for i := range c.Vocab {
		c.row(r, i, values[head.Off/4+i*width:][:width])
	}
	data := make([]byte, 4*len(values))
	spec, _ := quant.F32.Spec()
	spec.Pack(data, values)
	buf, err := on.Map(data)
	if err != nil {
		return err
	}
	defer buf.Free()
	table.Buf, head.Buf = buf, buf
	some := func(n, below int) []int32 {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(r.IntN(below))
		}
		return ids
	}
	err = ranker(on, backend.NewRecorder(backend.MaxVerify, backend.MaxVerify), table, head, func(e backend.Ranker) error {
		for _, n := range c.Tokens {
			p := backend.Pass(some(n, min(inputs, c.Vocab)), backend.Segment{Logits: max(1, n-2)})
			for _, k := range c.Rankings {
				k.Recent = some(r.IntN(100), 40)
				if err := f(e, p, []backend.Ranking{k}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ranker(on, backend.NewShared(backend.MaxRows, backend.MaxRows), table, head, func(e backend.Ranker) error {
		p := &backend.Params{Tokens: some(24, min(inputs, c.Vocab)), Segments: []backend.Segment{{N: 1, Logits: 1}, {N: 16, Logits: 2}, {N: 5, Logits: 1}, {N: 2}}}
		for i := range (len(c.Rankings) + 2) / 3 {
			ranks := make([]backend.Ranking, len(p.Segments))
			for k := range ranks {
				ranks[k] = c.Rankings[(2*i+k)%len(c.Rankings)]
				ranks[k].Recent = some(r.IntN(100), 40)
			}
			if err := f(e, p, ranks); err != nil {
				return err
			}
		}
		return nil
	})
}

// ranker compiles a table and a head into an empty recorder, and uses the program.
func ranker(on backend.Backend, r *backend.Recorder, table, head *backend.Tensor, use func(backend.Ranker) error) error {
	r.Logits(r.All(r.Embed(table)), nil, head)
	exec, err := on.Compile(r.Program())
	if err != nil {
		return err
	}
	defer exec.Close()
	e, ok := exec.(backend.Ranker)
	if !ok {
		return ErrNoRanker
	}
	return use(e)
}
