package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mil-run/mil/quant"
)

// A token of a large pass has the bits that it has alone, in whatever groups the
// pass is multiplied.
func TestDotMany(t *testing.T) {
	const most, rows = 64, 13
	for typ, name := range names {
		spec, _ := typ.Spec()
		n := 512 + spec.Block
		r := rand.New(rand.NewPCG(7, uint64(typ)))
		w, stride, _ := matrix(typ, rows, n, r)
		x := make([][]float32, most)
		for i := range x {
			x[i] = random(n, r)
		}
		for _, s := range needSets(t) {
			dot := func(x ...[]float32) []float32 {
				var in Input
				in.Plan(s, typ, len(x), n)
				for i := range x {
					in.Pack(i, x[i])
				}
				out := make([]float32, len(x)*rows)
				s.Dot(new(Worker), typ, w, stride, rows, 0, Dots(rows), &in, out, rows, nil)
				return out
			}
			var alone []float32
			for i := range x {
				alone = append(alone, dot(x[i])...)
			}
			for _, tokens := range []int{17, 23, 39, most} {
				if got := dot(x[:tokens]...); !slices.Equal(got, alone[:tokens*rows]) {
					t.Fatalf("%s %s: other bits among %d tokens than alone", s.Name, name, tokens)
				}
			}
		}
	}
}

// Sums of the largest weights and activations fit wherever kernels keep them.
func TestDotLargest(t *testing.T) {
	scales := map[quant.Type][]int{ // where blocks hold their float16
		quant.Q4_K: {0, 2}, quant.Q5_K: {0, 2}, quant.Q6_K: {208}, quant.Q2_K: {80, 82}, quant.Q3_K: {108},
		quant.Q4_1: {0, 2}, quant.Q5_1: {0, 2}, quant.Q8_0: {0}, quant.Q4_0: {0}, quant.Q5_0: {0},
	}
	for typ, at := range scales {
		spec, _ := typ.Spec()
		for _, fill := range []byte{0xff, 0x7f, 0x80, 0} {
			n := 512
			w := bytes.Repeat([]byte{fill}, spec.RowBytes(n))
			for b := 0; b < len(w); b += spec.Bytes {
				for _, i := range at {
					w[b+i], w[b+i+1] = 0, 0x3c // one
				}
			}
			values, x := make([]float32, n), make([]float32, n)
			spec.Unpack(values, w)
			for _, sign := range []float32{1, -1} {
				for i := range x {
					x[i] = 127 * sign
				}
				for _, s := range needSets(t) {
					for _, tokens := range []int{1, 2, 4, 8} {
						var in Input
						in.Plan(s, typ, tokens, n)
						for i := range tokens {
							in.Pack(i, x)
						}
						out := make([]float32, tokens)
						s.Dot(new(Worker), typ, w, len(w), 1, 0, 1, &in, out, 1, nil)
						check(t, fmt.Sprintf("%s %s: bytes %#x", s.Name, names[typ], fill), typ, out[tokens-1], values, x)
					}
				}
			}
		}
	}
}

// A pass is cut into as few groups as its kernels allow, even ones where it can be.
func TestGroups(t *testing.T) {
	sizes := func(list ...int) dots {
		d := dots{dot: map[quant.Type][]dot{}}
		for _, n := range list {
			d.dot[quant.Q4_K] = append(d.dot[quant.Q4_K], dot{tokens: n})
		}
		return d
	}
	all, few := sizes(1, 2, 3, 4, 5, 6, 7, 8), sizes(1, 2, 4)
	for _, c := range []struct {
		d    dots
		n    int
		want []int
	}{
		{all, 7, []int{7}}, {all, 8, []int{8}}, {all, 9, []int{5, 4}}, {all, 16, []int{8, 8}}, {all, 19, []int{7, 6, 6}},
		{few, 3, []int{2, 1}}, {few, 5, []int{4, 1}}, {few, 6, []int{4, 2}}, {few, 8, []int{4, 4}}, {few, 11, []int{4, 4, 2, 1}},
	} {
		var got []int
		for left := c.n; left > 0; left -= got[len(got)-1] {
			got = append(got, c.d.group(quant.Q4_K, left))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d tokens go in groups of %v, not of %v", c.n, got, c.want)
		}
	}
}

// BenchmarkRows multiplies a matrix with a few tokens, from a cache or from
// memory, on one thread and on two. It reports the time for 256 weights and the
// rate that weights are read at.
func BenchmarkRows(b *testing.B) {
	for _, s := range needSets(b) {
		for _, typ := range []quant.Type{quant.Q4_K, quant.Q6_K, quant.Q8_0} {
			for _, n := range []int{3072, 8192} {
				for _, place := range []struct {
					name string
					size int
				}{{"cache", 256 << 10}, {"memory", 64 << 20}} {
					for threads := 1; threads <= 2; threads++ {
						for _, tokens := range []int{1, 2, 3, 4, 5, 6, 8, 12, 16} {
							b.Run(fmt.Sprintf("%s/%s/%d/%s/%d/%d", s.Name, names[typ], n, place.name, threads, tokens), func(b *testing.B) {
								benchmarkRows(b, s, typ, n, place.size, threads, tokens)
							})
						}
					}
				}
			}
		}
	}
}

func benchmarkRows(b *testing.B, s *Set, typ quant.Type, n, size, threads, tokens int) {
	spec, _ := typ.Spec()
	stride := spec.RowBytes(n)
	rows := size / stride / 4 * 4
	r := rand.New(rand.NewPCG(1, 1))
	one, _, _ := matrix(typ, 8, n, r)
	var in Input
	in.Plan(s, typ, tokens, n)
	for t := range tokens {
		in.Pack(t, random(n, r))
	}
	run := make([]func(), threads)
	for i := range run {
		w := make([]byte, rows*stride)
		for i := 0; i < len(w); i += len(one) {
			copy(w[i:], one)
		}
		wk := new(Worker)
		out := make([]float32, tokens*rows)
		run[i] = func() { s.Dot(wk, typ, w, stride, rows, 0, Dots(rows), &in, out, rows, nil) }
		run[i]()
	}
	least := time.Duration(math.MaxInt64)
	for b.Loop() {
		begin := time.Now()
		var others sync.WaitGroup
		for _, f := range run[1:] {
			others.Go(f)
		}
		run[0]()
		others.Wait()
		least = min(least, time.Since(begin))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(least)/float64(rows*n/256), "ns/256")
	b.ReportMetric(float64(rows*stride*threads)/float64(least), "GB/s")
}
