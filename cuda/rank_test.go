package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Rows ranked on the device are what the definition says of the rows themselves,
// with equal logits, a penalty, tokens repeated in its window, and a vocabulary
// of many slices or of few tokens.
func TestRank(t *testing.T) {
	b := device(t)
	for _, vocab := range []int{40, 5000, 150001} {
		const d = 8
		r := rand.New(rand.NewPCG(5, uint64(vocab)))
		table := &backend.Tensor{Name: "table", Type: quant.F32, Rows: 50, Cols: d}
		head := &backend.Tensor{Name: "head", Type: quant.F32, Rows: vocab, Cols: d, Off: 64 * d * 4}
		data := make([]byte, head.Off+head.Bytes())
		spec, _ := quant.F32.Spec()
		values := make([]float32, len(data)/4)
		for i := range values {
			values[i] = float32(r.IntN(9)-4) / 2 // so that many logits are equal
			if i%d == 0 {
				values[i] = float32(r.NormFloat64() * math.Pow(10, float64(vocab%3)))
			}
		}
		spec.Pack(data, values)
		buf, err := b.Map(data)
		if err != nil {
			t.Fatal(err)
		}
		defer buf.Free()
		table.Buf, head.Buf = buf, buf
		c := backend.NewRecorder(backend.Verify, backend.Verify)
		c.Logits(c.All(c.Embed(table)), nil, head)
		e, err := b.Compile(c.Program())
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, n := range []int{1, 5, 16} {
			for _, k := range []backend.Ranking{{}, {Penalty: 1.4}, {Temp: 1}, {Temp: 0.7, Penalty: 1.3}, {Temp: 2, Penalty: 0.5}} {
				recent := make([]int32, r.IntN(100))
				for i := range recent {
					recent[i] = int32(r.IntN(40))
				}
				ids := make([]int32, n)
				for i := range ids {
					ids[i] = int32(r.IntN(min(50, vocab)))
				}
				k.Recent = recent
				rows := max(1, n-2)
				p := &backend.Params{Tokens: ids, Logits: rows}
				whole, err := e.Run(p)
				if err != nil {
					t.Fatal(err)
				}
				whole = slices.Clone(whole)
				got, err := e.(backend.Ranker).RunRanked(p, &k)
				if err != nil {
					t.Fatal(err)
				}
				for i := range rows {
					row := whole[i*vocab:][:vocab]
					want := backend.Rank(row, append(slices.Clone(recent), ids[:n-rows+i+1]...), &k)
					if !slices.Equal(got[i].Tokens, want.Tokens) || !slices.Equal(got[i].Logits, want.Logits) {
						t.Fatalf("%d of %d, %d tokens, %+v: row %d is ranked %v %v, want %v %v", vocab, len(recent), n, k, i, got[i].Tokens, got[i].Logits, want.Tokens, want.Logits)
					}
					if e := math.Abs(got[i].Sum - want.Sum); !(e <= 1e-5*want.Sum) {
						t.Errorf("%d, %d tokens: sum %g, want %g", vocab, n, got[i].Sum, want.Sum)
					}
					if alone, err := e.(backend.Ranker).Row(i); err != nil || !slices.Equal(alone, row) {
						t.Errorf("row %d differs when read alone: %v", i, err)
					}
				}
			}
		}
	}
}
