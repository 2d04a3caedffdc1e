package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// close64 fails unless got is want but for what rounding terms of the given
// size may cost.
func close64(t *testing.T, what string, got float32, want, size float64) {
	t.Helper()
	if d := math.Abs(float64(got) - want); !(d <= 3e-6*size+1e-30) {
		t.Fatalf("%s: %g, want %g (terms of %g)", what, got, want, size)
	}
}

func silu64(x float64) float64 { return x / (1 + math.Exp(-x)) }

// negative gives values of A.
func negative(n int, r *rand.Rand) []float32 {
	v := random(n, r)
	for i, x := range v {
		v[i] = float32(-math.Exp(float64(x) / 4))
	}
	return v
}

// positive gives values of dt: from 0 through small ones to some.
func positive(n int, r *rand.Rand) []float32 {
	v := random(n, r)
	for i, x := range v {
		v[i] = float32(math.Exp(float64(x)/2 - 3))
	}
	return v
}

// same fails unless every set gives the same bits; want is nil for the first.
func same(t *testing.T, what string, got []float32, want *[]float32) {
	t.Helper()
	if *want == nil {
		*want = slices.Clone(got)
	} else if !slices.Equal(got, *want) {
		t.Fatalf("%s: other bits than %s", what, Sets()[0].Name)
	}
}

func TestConv(t *testing.T) {
	for n := 1; n < 80; n++ {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		tokens, taps := 1+r.IntN(5), 1+r.IntN(5)
		x, w, bias := random((tokens+taps)*(n+3), r), random(taps*(n+1), r), random(n, r)
		var first []float32
		for _, s := range needSets(t) {
			out := make([]float32, tokens*(n+2))
			s.Conv(&Conv{Out: &out[0], X: &x[0], W: &w[0], Bias: &bias[0], N: n, Tokens: tokens, Taps: taps, LdX: n + 3, LdW: n + 1, LdOut: n + 2})
			for i, v := range out {
				at, c := i/(n+2), i%(n+2)
				if c >= n {
					if v != 0 {
						t.Fatalf("%s wrote past %d channels", s.Name, n)
					}
					continue
				}
				sum := float64(bias[c])
				size := math.Abs(sum)
				for k := range taps {
					p := float64(w[k*(n+1)+c]) * float64(x[(at+k)*(n+3)+c])
					sum += p
					size += math.Abs(p)
				}
				close64(t, fmt.Sprintf("%s: %d channels, %d taps", s.Name, n, taps), v, silu64(sum), size)
			}
			same(t, s.Name+" convolution", out, &first)
		}
	}
}

func TestScan1(t *testing.T) {
	for n := 1; n < 40; n++ {
		r := rand.New(rand.NewPCG(uint64(n), 2))
		tokens := 1 + r.IntN(20)
		start, a, d := random(n*16, r), negative(n*16, r), random(16, r)
		dt, x, b, c := positive(tokens*17, r), random(tokens*18, r), random(tokens*(n+1), r), random(tokens*(n+2), r)
		scaled := make([]float32, len(a))
		for i, v := range a {
			scaled[i] = Scan1A(v)
		}
		state, size := make([]float64, len(start)), make([]float64, len(start))
		for i, v := range start {
			state[i], size[i] = float64(v), math.Abs(float64(v))
		}
		y, ySize := make([]float64, tokens*16), make([]float64, tokens*16)
		for k := range tokens {
			for l := range 16 {
				y[k*16+l] = float64(d[l]) * float64(x[k*18+l])
				ySize[k*16+l] = math.Abs(y[k*16+l])
				for j := range n {
					i := j*16 + l
					e, u := math.Exp(float64(dt[k*17+l])*float64(a[i])), float64(dt[k*17+l])*float64(x[k*18+l])*float64(b[k*(n+1)+j])
					state[i] = e*state[i] + u
					size[i] = e*size[i] + math.Abs(u)
					y[k*16+l] += state[i] * float64(c[k*(n+2)+j])
					ySize[k*16+l] += size[i] * math.Abs(float64(c[k*(n+2)+j]))
				}
			}
		}
		var first, firstY []float32
		for _, s := range needSets(t) {
			h, got := slices.Clone(start), make([]float32, tokens*19)
			args := Scan1{H: &h[0], A: &scaled[0], N: n, Tokens: tokens, Dt: &dt[0], LdDt: 17, X: &x[0], LdX: 18, B: &b[0], LdB: n + 1, C: &c[0], LdC: n + 2, Y: &got[0], LdY: 19, D: &d[0]}
			s.Scan1(&args)
			for i, v := range h {
				close64(t, fmt.Sprintf("%s: state of %d", s.Name, n), v, state[i], size[i])
			}
			for k := range tokens {
				for l := range 16 {
					close64(t, fmt.Sprintf("%s: y of %d states", s.Name, n), got[k*19+l], y[k*16+l], ySize[k*16+l])
				}
			}
			same(t, s.Name+" Mamba-1 state", h, &first)
			same(t, s.Name+" Mamba-1 output", got, &firstY)
			again := slices.Clone(start)
			args.H = &again[0]
			s.Replay1(&args)
			same(t, s.Name+" replay", again, &first)
		}
	}
}

// Decays near 1 must be exact near 1, those of nothing left 0 or tiny.
func TestScan1Decay(t *testing.T) {
	for _, s := range needSets(t) {
		for _, v := range []float32{0, -1e-7, -1e-4, -1e-3, -0.01, -0.1, -0.3, -0.34, -0.35, -0.5, -0.69, -0.7, -1, -3, -10, -50, -80, -200, -1e4, -1e30} {
			h, a, one := make([]float32, 16), make([]float32, 16), make([]float32, 16)
			zero := make([]float32, 16)
			for i := range h {
				h[i], a[i], one[i] = 1, Scan1A(v), 1
			}
			s.Replay1(&Scan1{H: &h[0], A: &a[0], N: 1, Tokens: 1, Dt: &one[0], X: &zero[0], B: &zero[0]})
			want := math.Exp(float64(a[0]) / math.Log2E)
			// An argument's own rounding counts besides two units of the result.
			if d := math.Abs(float64(h[0]) - want); !(d <= want*(2.4e-7+1.2e-7*math.Abs(float64(v)))+1e-37) {
				t.Errorf("%s: exp(%g) = %g, want %g", s.Name, v, h[0], want)
			}
		}
	}
}

func TestScan2(t *testing.T) {
	for n := 1; n < 150; n += 1 + n/12 {
		r := rand.New(rand.NewPCG(uint64(n), 3))
		rows, replay, tokens := 1+r.IntN(5), r.IntN(17), 1+r.IntN(16)
		all := replay + tokens
		start, dt, decay := random(rows*n, r), positive(all*2, r), positive(all*2, r)
		for i, v := range decay {
			decay[i] = float32(math.Exp(-float64(v)))
		}
		x, b, c := random(all*rows, r), random(all*n, r), random(tokens*n, r)
		state, size := make([]float64, rows*n), make([]float64, rows*n)
		for i, v := range start {
			state[i], size[i] = float64(v), math.Abs(float64(v))
		}
		const d = 0.7
		y, ySize := make([]float64, tokens*rows), make([]float64, tokens*rows)
		stored, storedSize := slices.Clone(state), slices.Clone(size)
		for k := range all {
			for i := range state {
				u := float64(dt[2*k]) * float64(x[k*rows+i/n]) * float64(b[k*n+i%n])
				state[i] = float64(decay[2*k])*state[i] + u
				size[i] = float64(decay[2*k])*size[i] + math.Abs(u)
				if k >= replay {
					y[(k-replay)*rows+i/n] += state[i] * float64(c[(k-replay)*n+i%n])
					ySize[(k-replay)*rows+i/n] += size[i] * math.Abs(float64(c[(k-replay)*n+i%n]))
				}
			}
			if k < replay {
				copy(stored, state)
				copy(storedSize, size)
			}
			if k >= replay {
				for i := range rows {
					v := d * float64(x[k*rows+i])
					y[(k-replay)*rows+i] += v
					ySize[(k-replay)*rows+i] += math.Abs(v)
				}
			}
		}
		for keep := range 2 {
			var first, firstY []float32
			for _, s := range needSets(t) {
				h, got, sums := slices.Clone(start), make([]float32, tokens*(rows+1)), make([]float32, tokens*16)
				s.Scan2(&Scan2{S: &h[0], Rows: rows, N: n, Replay: replay, Tokens: tokens, Dt: &dt[0], Decay: &decay[0], LdRate: 2, X: &x[0], B: &b[0], C: &c[0],
					Y: &got[0], LdY: rows + 1, Sums: &sums[0], Keep: keep, D: d})
				want, terms := stored, storedSize
				if keep == 1 {
					want, terms = state, size
				}
				for i, v := range h {
					close64(t, fmt.Sprintf("%s: state of %d, keep %d", s.Name, n, keep), v, want[i], terms[i])
				}
				for i, v := range y {
					close64(t, fmt.Sprintf("%s: y of %d states", s.Name, n), got[i/rows*(rows+1)+i%rows], v, ySize[i])
				}
				same(t, s.Name+" Mamba-2 state", h, &first)
				same(t, s.Name+" Mamba-2 output", got, &firstY)
			}
		}
	}
}

func TestRatesAndGateNorm(t *testing.T) {
	for n := 1; n < 140; n++ {
		r := rand.New(rand.NewPCG(uint64(n), 4))
		x, w, z := sweep(n), random(n, r), random(n*2, r)
		for _, s := range needSets(t) {
			out := make([]float32, n+1)
			s.Softplus2(&Vector{X: &x[0], W: &w[0], Out: &out[0], N: n})
			for i := range n {
				v := float64(x[i] + w[i])
				near(t, s.Name+" softplus", x[i], out[i], math.Max(v, 0)+math.Log1p(math.Exp(-math.Abs(v))), 4e-7)
			}
			dt, a := positive(n, r), negative(n, r)
			s.Decay2(&Vector{X: &dt[0], W: &a[0], Out: &out[0], N: n})
			for i := range n {
				near(t, s.Name+" decay", dt[i], out[i], math.Exp(float64(dt[i]*a[i])), 4e-7)
			}
			if out[n] != 0 {
				t.Fatalf("%s wrote past %d", s.Name, n)
			}
			y := random(2*n+2, r)
			got := slices.Clone(y)
			s.GateNorm(&GateNorm{Z: &z[0], W: &w[0], Y: &got[0], N: n, Rows: 2, LdZ: n, LdY: n + 1, Eps: 1e-5})
			for row := range 2 {
				var ss float64
				v := make([]float64, n)
				for i := range n {
					v[i] = float64(y[row*(n+1)+i]) * silu64(float64(z[row*n+i]))
					ss += v[i] * v[i]
				}
				for i := range n {
					near(t, s.Name+" gated norm", y[i], got[row*(n+1)+i], v[i]*float64(w[i])/math.Sqrt(ss/float64(n)+1e-5), 2e-6)
				}
				if got[row*(n+1)+n] != y[row*(n+1)+n] {
					t.Fatalf("%s wrote past a row of %d", s.Name, n)
				}
			}
		}
	}
}

func TestProductAndTranspose(t *testing.T) {
	for n := 1; n < 40; n++ {
		r := rand.New(rand.NewPCG(uint64(n), 5))
		for _, s := range needSets(t) {
			w, tile := s.Panel(), s.ProductTile()
			rows, more := tile*(1+n%3), n%4
			k := n + (rows/tile-1)*more // terms of the last tile
			a, b, before := random(rows*(k+1), r), random(k*w, r), random(rows*(w+1), r)
			columns := make([]float32, k*(rows+2))
			s.Transpose(&Transpose{X: &a[0], Out: &columns[0], Rows: rows, Cols: k, LdX: k + 1, LdOut: rows + 2})
			for i := range rows {
				for j := range k {
					if columns[j*(rows+2)+i] != a[i*(k+1)+j] {
						t.Fatalf("%s: transpose of %dx%d", s.Name, rows, k)
					}
				}
			}
			for _, keep := range []float32{0, 0.5} {
				for _, byColumns := range []bool{false, true} {
					out := slices.Clone(before)
					p := Product{A: &a[0], LdA: k + 1, B: &b[0], Rows: rows, K: n, More: more, Out: &out[0], LdOut: w + 1, Keep: keep}
					if byColumns {
						p.A, p.LdA = &columns[0], rows+2
						s.ProductColumns(&p)
					} else {
						s.ProductRows(&p)
					}
					for i := range rows {
						for c := range w {
							sum := float64(keep) * float64(before[i*(w+1)+c])
							size := math.Abs(sum)
							for j := range n + i/tile*more {
								v := float64(a[i*(k+1)+j]) * float64(b[j*w+c])
								sum += v
								size += math.Abs(v)
							}
							close64(t, fmt.Sprintf("%s: product of %d", s.Name, n), out[i*(w+1)+c], sum, size)
						}
						if out[i*(w+1)+w] != before[i*(w+1)+w] {
							t.Fatalf("%s: wrote past the panel", s.Name)
						}
					}
				}
			}
		}
	}
}

// A step of the gated delta rule is that of its formula, with and without the token
// before it, and every set gives the same bits.
func TestDelta(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {3, 16}, {5, 23}, {4, 128}, {7, 200}} {
		rows, n := shape[0], shape[1]
		for variant := range 4 {
			r := rand.New(rand.NewPCG(uint64(n), uint64(variant)))
			s, old, k, q, u, v := random(rows*n, r), random(n, r), random(n, r), random(n, r), random(rows, r), random(rows, r)
			was, decay, beta, kq := float32(0.7), float32(0.4), float32(0.3), float32(0.2)
			var first []float32
			for _, set := range needSets(t) {
				to, made, y := slices.Clone(s), slices.Clone(u), make([]float32, rows)
				a := &Delta{S: &s[0], To: &to[0], K: &k[0], U: &made[0], V: &v[0], Y: &y[0], Rows: rows, N: n, Was: was, Decay: decay, Beta: beta, KQ: kq}
				if variant&1 > 0 {
					a.Old = &old[0]
				}
				if variant&2 > 0 {
					a.Q = &q[0]
				}
				set.Delta(a)
				for i := range rows {
					var sk, sq, size float64
					for j := range n {
						x := float64(s[i*n+j])
						if a.Old != nil {
							x = float64(was)*x + float64(u[i])*float64(old[j])
						}
						close64(t, set.Name+": state", to[i*n+j], x, math.Abs(x)+math.Abs(float64(u[i]*old[j])))
						sk, sq = sk+x*float64(k[j]), sq+x*float64(q[j])
						size += math.Abs(x) * (math.Abs(float64(k[j])) + math.Abs(float64(q[j])))
					}
					want := float64(beta) * (float64(v[i]) - float64(decay)*sk)
					close64(t, set.Name+": u", made[i], want, size+math.Abs(float64(v[i])))
					if a.Q != nil {
						close64(t, set.Name+": y", y[i], float64(decay)*sq+want*float64(kq), 2*size+math.Abs(float64(v[i])))
					}
				}
				end := make([]float32, rows*n)
				a.S, a.To, a.Old = &to[0], &end[0], &old[0]
				set.DeltaEnd(a)
				for i := range end {
					x := float64(was)*float64(to[i]) + float64(made[i/n])*float64(old[i%n])
					close64(t, set.Name+": end", end[i], x, math.Abs(x)+math.Abs(float64(made[i/n]*old[i%n])))
				}
				same(t, set.Name+" delta", append(append(end, made...), y...), &first)
			}
		}
	}
}
