package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/mil-run/mil/quant"
)

// quantized is the definition of what the kernels make of 32 activations: the
// largest becomes 127, halves go to even.
func quantized(x []float32) []float64 {
	out := make([]float64, len(x))
	for b := 0; b < len(x); b += 32 {
		block := x[b:min(b+32, len(x))]
		var m float32
		for _, v := range block {
			m = max(m, float32(math.Abs(float64(v))))
		}
		if m == 0 {
			continue
		}
		inverse, scale := 127/m, m/127
		for i, v := range block {
			out[b+i] = math.RoundToEven(float64(v*inverse)) * float64(scale)
		}
	}
	return out
}

// matrix is random weights packed as t, and what they unpack to.
func matrix(t quant.Type, rows, cols int, r *rand.Rand) (data []byte, stride int, values []float32) {
	spec, _ := t.Spec()
	stride = spec.RowBytes(cols)
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	data = make([]byte, rows*stride)
	spec.Pack(data, v)
	values = make([]float32, rows*cols)
	spec.Unpack(values, data)
	return data, stride, values
}

func random(n int, r *rand.Rand) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64()) * float32(1+i%7)
	}
	return x
}

// check compares a result with the definition: the sum of products of what the
// weights unpack to and the activations as t takes them.
func check(t *testing.T, what string, typ quant.Type, got float32, w, x []float32) {
	t.Helper()
	a := make([]float64, len(x))
	if isFloat(typ) {
		for i, v := range x {
			a[i] = float64(v)
		}
	} else {
		a = quantized(x)
	}
	var sum, size float64
	for i := range w {
		sum += float64(w[i]) * a[i]
		size += math.Abs(float64(w[i]) * a[i])
	}
	if d := math.Abs(float64(got) - sum); !(d <= 2e-6*size+1e-30) {
		t.Fatalf("%s: %g, the definition gives %g (%.1e of the terms)", what, got, sum, d/size)
	}
}

// lengths are the row lengths to test a type at.
func lengths(t quant.Type) []int {
	spec, _ := t.Spec()
	var out []int
	if spec.Block == 1 {
		for n := 1; n <= 70; n++ {
			out = append(out, n)
		}
		return append(out, 256, 300)
	}
	for n := spec.Block; n <= 12*spec.Block; n += spec.Block {
		out = append(out, n)
	}
	return out
}

func needSets(t testing.TB) []*Set {
	if len(Sets()) == 0 {
		t.Skipf("no kernels for this processor (%s)", runtime.GOARCH)
	}
	return Sets()
}

// Every dot product agrees with its definition at every length and number of
// tokens, in pieces too. The bits depend neither on the number of tokens nor on the
// set.
func TestDot(t *testing.T) {
	usual := piece
	defer func() { piece = usual }()
	counts := []int{16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if testing.Short() { // as under an emulator: more than 8 go in two groups
		counts = []int{16, 1, 2, 3, 4, 5, 6, 7, 8, 13}
	}
	for typ, name := range names {
		for i, n := range lengths(typ) {
			if piece = usual; i%2 == 1 {
				piece = 1 << 10
			}
			r := rand.New(rand.NewPCG(uint64(n), uint64(typ)))
			const rows, ld = 11, 13 // two in each part, three left over
			add := random(16*ld, r)
			w, stride, values := matrix(typ, rows, n, r)
			x := make([][]float32, 16)
			for i := range x {
				x[i] = random(n, r)
			}
			var want *[16][rows]float32
			for _, s := range needSets(t) {
				for _, tokens := range counts {
					var in Input
					in.Plan(s, typ, tokens, n)
					for i := range tokens {
						in.Pack(i, x[i])
					}
					var got [16][rows]float32
					out := make([]float32, tokens*ld)
					for i := range out {
						out[i] = float32(math.NaN())
					}
					mid := r.IntN(Dots(rows) + 1)
					wk := new(Worker)
					s.Dot(wk, typ, w, stride, rows, mid, Dots(rows), &in, out, ld, nil)
					s.Dot(wk, typ, w, stride, rows, 0, mid, &in, out, ld, nil)
					for i := range tokens {
						copy(got[i][:], out[i*ld:])
						for row, v := range got[i] {
							check(t, fmt.Sprintf("%s %s: %d values, token %d of %d, row %d", s.Name, name, n, i, tokens, row), typ, v, values[row*n:(row+1)*n], x[i])
						}
						for pad := rows; pad < ld; pad++ {
							if v := out[i*ld+pad]; v == v {
								t.Fatalf("%s %s: wrote past the rows", s.Name, name)
							}
						}
					}
					s.Dot(wk, typ, w, stride, rows, 0, Dots(rows), &in, out, ld, add)
					for i := range tokens {
						for row := range rows {
							if want := add[i*ld+row] + got[i][row]; out[i*ld+row] != want {
								t.Fatalf("%s %s: %g with a residual, not %g", s.Name, name, out[i*ld+row], want)
							}
						}
					}
					if want == nil {
						want = &got
					}
					for i := range tokens {
						if got[i] != want[i] {
							t.Fatalf("%s %s: %d values, token %d of %d: %v, elsewhere %v", s.Name, name, n, i, tokens, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

// Products of tiles agree with the definition for numbers of rows and tokens
// that fill nothing evenly, and all sets give the same bits.
func TestGemm(t *testing.T) {
	for typ, name := range names {
		for _, n := range lengths(typ) {
			r := rand.New(rand.NewPCG(uint64(n), uint64(typ)+100))
			rows, tokens := 1+r.IntN(70), 1+r.IntN(20)
			w, stride, values := matrix(typ, rows, n, r)
			x := make([][]float32, tokens)
			for i := range x {
				x[i] = random(n, r)
			}
			add := random(tokens*(rows+3), r)
			var want []float32
			for _, s := range needSets(t) {
				var b Batch
				b.Plan(s, typ, tokens, n)
				for i := range tokens {
					b.Pack(i, x[i])
				}
				ld := rows + 3
				for _, residual := range [][]float32{nil, add} {
					out := make([]float32, tokens*ld)
					mid := min(rows, s.TileRows())
					s.Gemm(new(Worker), typ, w, stride, 0, mid, &b, out, ld, residual)
					if mid < rows {
						s.Gemm(new(Worker), typ, w, stride, mid, rows, &b, out, ld, residual)
					}
					for i := range tokens {
						for row := range rows {
							v := out[i*ld+row]
							if residual != nil {
								v -= add[i*ld+row]
								if math.Abs(float64(v-want[i*ld+row])) > 1e-4*(1+math.Abs(float64(v))+math.Abs(float64(add[i*ld+row]))) {
									t.Fatalf("%s %s: %d values: the residual was not added", s.Name, name, n)
								}
								continue
							}
							check(t, fmt.Sprintf("%s %s: %d values, token %d of %d, row %d of %d", s.Name, name, n, i, tokens, row, rows), typ, v, values[row*n:(row+1)*n], x[i])
						}
						for pad := rows; pad < ld; pad++ {
							if out[i*ld+pad] != 0 {
								t.Fatalf("%s %s: wrote past the rows", s.Name, name)
							}
						}
					}
					if residual == nil {
						if want == nil {
							want = out
						} else if !slices.Equal(out, want) {
							t.Fatalf("%s %s: %d values: other bits than %s", s.Name, name, n, Sets()[0].Name)
						}
					}
				}
			}
		}
	}
}

// Odd activations: zeros, one spike, huge and tiny values.
func TestPackEdges(t *testing.T) {
	const n = 256
	r := rand.New(rand.NewPCG(1, 1))
	w, stride, values := matrix(quant.Q8_0, 1, n, r)
	for what, f := range map[string]func(i int) float32{
		"zeros": func(int) float32 { return 0 },
		"spike": func(i int) float32 {
			if i == 77 {
				return -3
			}
			return 0
		},
		"huge": func(i int) float32 { return 1e30 * float32(i%5-2) },
		"tiny": func(i int) float32 { return 1e-30 * float32(i%5-2) },
	} {
		x := make([]float32, n)
		for i := range x {
			x[i] = f(i)
		}
		for _, s := range needSets(t) {
			var in Input
			in.Plan(s, quant.Q8_0, 1, n)
			in.Pack(0, x)
			var out [1]float32
			s.Dot(new(Worker), quant.Q8_0, w, stride, 1, 0, 1, &in, out[:], 1, nil)
			check(t, s.Name+" "+what, quant.Q8_0, out[0], values, x)
		}
	}
}

// BenchmarkDot streams 64 MB of weights; MB/s is the rate they are read at.
func BenchmarkDot(b *testing.B) {
	for _, s := range needSets(b) {
		for _, typ := range quant.Types() {
			for _, tokens := range []int{1, 2, 5, 9} {
				b.Run(fmt.Sprintf("%s/%s/%d", s.Name, names[typ], tokens), func(b *testing.B) {
					const n = 2048
					spec, _ := typ.Spec()
					stride := spec.RowBytes(n)
					rows := 64 << 20 / stride
					w := make([]byte, rows*stride)
					r := rand.New(rand.NewPCG(1, 1))
					one, _, _ := matrix(typ, 8, n, r)
					for i := 0; i < len(w); i += len(one) {
						copy(w[i:], one)
					}
					var in Input
					in.Plan(s, typ, tokens, n)
					for t := range tokens {
						in.Pack(t, random(n, r))
					}
					wk := new(Worker)
					out := make([]float32, tokens*rows)
					b.SetBytes(int64(len(w)))
					for b.Loop() {
						s.Dot(wk, typ, w, stride, rows, 0, Dots(rows), &in, out, rows, nil)
					}
				})
			}
		}
	}
}

// BenchmarkGemm multiplies 1024 rows of 2048 with 512 tokens; GMAC/s is
// multiply-adds.
func BenchmarkGemm(b *testing.B) {
	for _, s := range needSets(b) {
		for _, typ := range quant.Types() {
			b.Run(fmt.Sprintf("%s/%s", s.Name, names[typ]), func(b *testing.B) {
				const n, rows, tokens = 2048, 1024, 512
				r := rand.New(rand.NewPCG(1, 1))
				w, stride, _ := matrix(typ, rows, n, r)
				var in Batch
				in.Plan(s, typ, tokens, n)
				for t := range tokens {
					in.Pack(t, random(n, r))
				}
				out := make([]float32, rows*tokens)
				wk := new(Worker)
				for b.Loop() {
					s.Gemm(wk, typ, w, stride, 0, rows, &in, out, rows, nil)
				}
				b.ReportMetric(float64(n*rows*tokens)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}
