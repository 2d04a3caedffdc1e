package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/quant"
)

// strips packs a matrix [rows][columns] as strips, and gives the values they
// hold.
func strips(layout Layout, rows, columns int, r *rand.Rand) (*Strips, []float32) {
	values := random(rows*columns, r)
	b := &Strips{Layout: layout, Size: layout.StripBytes(rows)}
	b.Data = make([]byte, (columns+Strip-1)/Strip*b.Size)
	for i := range rows {
		for j := range columns {
			v := &values[i*columns+j]
			strip := b.Data[j/Strip*b.Size:]
			switch layout {
			case Float32, Float16:
				*v = put(layout, strip, i*Strip+j%Strip, *v)
			default:
				tile := strip[i/Strip*Tile:]
				of := i % Strip
				if layout == Int8Keys {
					of = j % Strip
				}
				// The scale is the same for all that it counts for.
				d := quant.F32ToF16(float32(1+(i/Strip*7+j/Strip*3+of)%5) / 100)
				binary.LittleEndian.PutUint16(tile[2*of:], d)
				q := int8(*v * 40)
				tile[scaleBytes+i%Strip*Strip+j%Strip] = byte(q)
				*v = float32(q) * quant.F16ToF32(d)
			}
		}
	}
	return b, values
}

// Mul agrees with plain sums by rising k for every number of rows, alone and on
// top of what was there; the bits depend neither on the set nor on the rows.
func TestMul(t *testing.T) {
	for layout := range layouts {
		for k := 1; k <= 70; k++ {
			r := rand.New(rand.NewPCG(uint64(k), 3))
			const rows = 29
			columns := (3 + k%2*5) * Strip // 8 strips go in fours
			b, values := strips(layout, k+3, columns, r)
			a := random(rows*Stride, r)
			state := make([]Query, rows)
			for i := range state {
				state[i].Factor = r.Float32()
			}
			before := random(rows*columns, r)
			for _, top := range [][]Query{nil, state} {
				if layout == Int8Keys && top != nil {
					continue // scores are never added to
				}
				var first []float32
				for _, s := range needSets(t) {
					for n := rows; n > 0; n-- {
						c := slices.Clone(before)
						s.Mul(new(Worker), n, a, k, b, columns/Strip, c, columns, top)
						if first == nil {
							first = c
						}
						if !slices.Equal(c[:n*columns], first[:n*columns]) {
							t.Fatalf("%s: layout %d, %d of k, %d rows: other bits than %s with %d", s.Name, layout, k, n, Sets()[0].Name, rows)
						}
						if !slices.Equal(c[n*columns:], before[n*columns:]) {
							t.Fatalf("%s: layout %d, %d rows: wrote past them", s.Name, layout, n)
						}
					}
				}
				for i := range rows {
					for j := range columns {
						var want, terms float64
						if top != nil {
							want = float64(before[i*columns+j]) * float64(state[i].Factor)
							terms = math.Abs(want)
						}
						for x := range k {
							p := float64(a[i*Stride+x]) * float64(values[x*columns+j])
							want += p
							terms += math.Abs(p)
						}
						if got := float64(first[i*columns+j]); !(math.Abs(got-want) <= 2e-6*terms+1e-30) {
							t.Fatalf("layout %d, %d of k, row %d, column %d: %g, want %g", layout, k, i, j, got, want)
						}
					}
				}
			}
		}
	}
}

// Softmax agrees with its definition for every number of columns seen, from
// nothing and from an earlier state.
func TestSoftmax(t *testing.T) {
	for seen := 1; seen <= 80; seen++ {
		r := rand.New(rand.NewPCG(uint64(seen), 4))
		const rows, scale = 3, 0.125
		fill := seen + r.IntN(40)
		scores := random(rows*Stride, r)
		state := []Query{{Max: float32(math.Inf(-1))}, {Max: -1.5, Sum: 7}, {Max: 100, Sum: 2}}
		var first []float32
		for _, s := range needSets(t) {
			got, rs := slices.Clone(scores), slices.Clone(state)
			for i := range rs {
				rs[i].Seen = int32(seen)
			}
			s.Softmax(new(Worker), got, rs, fill, scale)
			for i, before := range state {
				x := scores[i*Stride:]
				top := float64(before.Max)
				for _, v := range x[:seen] {
					top = max(top, float64(v)*scale)
				}
				sum := float64(before.Sum) * math.Exp(float64(before.Max)-top)
				for j, v := range x[:seen] {
					w := math.Exp(float64(v)*scale - top)
					sum += w
					near(t, s.Name+" weight", v, got[i*Stride+j], w, 3e-6)
				}
				for j := seen; j < fill; j++ {
					if got[i*Stride+j] != 0 {
						t.Fatalf("%s: %d seen: column %d is %g", s.Name, seen, j, got[i*Stride+j])
					}
				}
				near(t, s.Name+" maximum", 0, rs[i].Max, top, 1e-7)
				near(t, s.Name+" sum", 0, rs[i].Sum, sum, 3e-6)
				near(t, s.Name+" factor", 0, rs[i].Factor, math.Exp(float64(before.Max)-top), 3e-6)
			}
			if first == nil {
				first = got
			} else if !slices.Equal(got, first) {
				t.Fatalf("%s: %d seen: other bits than %s", s.Name, seen, Sets()[0].Name)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	for parts := 1; parts <= 20; parts++ {
		r := rand.New(rand.NewPCG(uint64(parts), 5))
		const dim, stride = 64, 3
		o := random(parts*dim, r)
		rows := make([]Query, parts*stride)
		top, sum := math.Inf(-1), 0.0
		for i := range parts {
			rows[i*stride] = Query{Max: r.Float32()*8 - 4, Sum: 1 + r.Float32()}
			top = max(top, float64(rows[i*stride].Max))
		}
		want, terms := make([]float64, dim), make([]float64, dim)
		for i := range parts {
			w := math.Exp(float64(rows[i*stride].Max) - top)
			sum += w * float64(rows[i*stride].Sum)
			for d := range dim {
				want[d] += w * float64(o[i*dim+d])
				terms[d] += w * math.Abs(float64(o[i*dim+d]))
			}
		}
		var first []float32
		for _, s := range needSets(t) {
			got := slices.Clone(o)
			s.Merge(new(Worker), slices.Clone(rows), stride, got, dim, parts)
			for d := range dim {
				if diff := math.Abs(float64(got[d]) - want[d]/sum); !(diff <= 1e-6*terms[d]/sum) {
					t.Fatalf("%s: %d parts, dimension %d: %g, want %g", s.Name, parts, d, got[d], want[d]/sum)
				}
			}
			if first == nil {
				first = got
			} else if !slices.Equal(got[:dim], first[:dim]) {
				t.Fatalf("%s: %d parts: other bits than %s", s.Name, parts, Sets()[0].Name)
			}
		}
	}
}

// Rotation has the very bits of its definition, for every number of turned
// dimensions.
func TestRotate(t *testing.T) {
	for n := 0; n <= 130; n += 2 {
		r := rand.New(rand.NewPCG(uint64(n), 6))
		const heads = 3
		dim := n + 2
		x := random(heads*dim, r)
		cos, sin := make([]float32, n), make([]float32, n)
		want := slices.Clone(x)
		for i := 0; i < n; i += 2 {
			s, c := math.Sincos(r.Float64() * 100)
			cos[i], cos[i+1], sin[i], sin[i+1] = float32(c), float32(c), -float32(s), float32(s)
			for h := range heads {
				a, b := x[h*dim+i], x[h*dim+i+1]
				want[h*dim+i] = float32(a*cos[i]) - float32(b*sin[i+1])
				want[h*dim+i+1] = float32(b*cos[i]) + float32(a*sin[i+1])
			}
		}
		for _, s := range needSets(t) {
			got := slices.Clone(x)
			s.Rotate(new(Worker), got, dim, cos, sin)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %d dimensions: %v, want %v", s.Name, n, got, want)
			}
		}
	}
}

// A stored position has the bits of quant's conversion, and nothing else of the
// block changes.
func TestStore(t *testing.T) {
	for layout := range layouts {
		if layout == Int8Keys {
			continue // with their values
		}
		for dim := 1; dim <= 130; dim++ {
			r := rand.New(rand.NewPCG(uint64(dim), 7))
			const positions = 64
			k, v := random(dim, r), random(dim, r)
			pos := r.IntN(positions)
			for _, s := range needSets(t) {
				inKeys := min(layout, Int8Keys)
				keys, _ := strips(inKeys, dim, positions, r)
				values, _ := strips(layout, positions, dim, r)
				wantK, wantV := slices.Clone(keys.Data), slices.Clone(values.Data)
				if layout == Int8Values {
					putInt8(wantK, wantV, keys.Size, values.Size, pos, k, v)
				} else {
					for d := range dim {
						put(layout, wantK[pos/Strip*keys.Size:], d*Strip+pos%Strip, k[d])
						put(layout, wantV[d/Strip*values.Size:], pos*Strip+d%Strip, v[d])
					}
				}
				s.Store(new(Worker), k, v, keys, values, pos)
				if !slices.Equal(keys.Data, wantK) || !slices.Equal(values.Data, wantV) {
					t.Fatalf("%s: %d dimensions, layout %d, position %d", s.Name, dim, layout, pos)
				}
			}
		}
	}
}

// put writes a float and says what it became.
func put(layout Layout, b []byte, i int, v float32) float32 {
	if layout == Float16 {
		h := quant.F32ToF16(v)
		*(*uint16)(unsafe.Pointer(&b[2*i])) = h
		return quant.F16ToF32(h)
	}
	*(*float32)(unsafe.Pointer(&b[4*i])) = v
	return v
}

// putInt8 writes a position's key and value in blocks of 32 dimensions, filled up
// with zeros.
func putInt8(keys, values []byte, keySize, valueSize, pos int, k, v []float32) {
	for d := 0; d < len(k); d += Strip {
		block := func(x []float32) []byte {
			b := make([]byte, 34)
			q8.Pack(b, append(slices.Clone(x[d:min(d+Strip, len(x))]), make([]float32, Strip)...)[:Strip])
			return b
		}
		bk, bv := block(k), block(v)
		tk := keys[pos/Strip*keySize+d/Strip*Tile:]
		tv := values[d/Strip*valueSize+pos/Strip*Tile:]
		copy(tk[pos%Strip*2:], bk[:2])
		copy(tv[pos%Strip*2:], bv[:2])
		for i := range Strip {
			tk[scaleBytes+i*Strip+pos%Strip] = bk[2+i]
			tv[scaleBytes+pos%Strip*Strip+i] = bv[2+i]
		}
	}
}

// BenchmarkMul is the product of a prompt's tile with a block in the cache;
// GFLOP/s count a multiplication and an addition each.
func BenchmarkMul(b *testing.B) {
	for _, s := range needSets(b) {
		for _, rows := range []int{48, 12, 4, 3, 1} {
			b.Run(fmt.Sprintf("%s/%d", s.Name, rows), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				const dim = 128
				keys, _ := strips(Float16, dim, Block, r)
				a, c := random(rows*Stride, r), make([]float32, rows*Stride)
				wk := new(Worker)
				for b.Loop() {
					s.Mul(wk, rows, a, dim, keys, Block/Strip, c, Stride, nil)
				}
				b.ReportMetric(2*float64(rows*dim*Block)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
