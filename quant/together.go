package quant

import "math"

// togetherRows is how many rows' blocks of the same columns are fitted together:
// the slopes of their costs are one product of matrices.
const togetherRows = 128

// together packs blocks of a K type whose inputs' products are known: a fit by
// weighted squares, then levels are moved by one where that lessens the squared
// error of whole products.
type together struct {
	in    Inputs
	kinds [togetherRows]kfit
	// Of every row's block, first as Pack makes it and then fitted: values less their
	// originals, and those times the products.
	errs, slopes [2 * togetherRows * CovWidth]float32
}

// pack packs whole rows.
func (t *together) pack(s *Spec, dst []byte, src []float32) {
	cols := len(t.in.Square)
	rowBytes := s.RowBytes(cols)
	for len(src) > 0 {
		n := min(togetherRows, len(src)/cols)
		for at := 0; at < cols; at += CovWidth {
			t.block(s, dst[at/CovWidth*s.Bytes:], rowBytes, src[at:], n, at)
		}
		src, dst = src[n*cols:], dst[n*rowBytes:]
	}
}

// block packs the blocks of n rows that begin at one column.
func (t *together) block(s *Spec, dst []byte, rowBytes int, src []float32, n, at int) {
	cols := len(t.in.Square)
	w := (*[CovWidth]float32)(t.in.Square[at:])
	known := usable(w[:])
	cov := t.in.Cov[at*CovWidth : (at+CovWidth)*CovWidth]
	for r := range n {
		x := (*[CovWidth]float32)(src[r*cols:])
		k := &t.kinds[r]
		k.kind = s.Type
		k.fit(x)
		k.put(dst[r*rowBytes:])
		k.errors(rowOf(&t.errs, r), x)
		if k.fitted = known && peak(x[:]) <= mostQ4_0; k.fitted {
			k.weigh(x, w)
		}
		k.errors(rowOf(&t.errs, n+r), x)
	}
	flat := 2 * n * CovWidth
	t.in.multiply(t.slopes[:flat], t.errs[:flat], cov)
	for r := range n {
		if k := &t.kinds[r]; k.fitted {
			cost := inner(rowOf(&t.errs, n+r), rowOf(&t.slopes, n+r))
			if cost += k.balance(rowOf(&t.slopes, n+r), cov, cost); cost < inner(rowOf(&t.errs, r), rowOf(&t.slopes, r)) {
				k.put(dst[r*rowBytes:])
			}
		}
	}
}

// rowOf is row r.
func rowOf(v *[2 * togetherRows * CovWidth]float32, r int) *[CovWidth]float32 {
	return (*[CovWidth]float32)(v[r*CovWidth:])
}

func inner(a, b *[CovWidth]float32) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// multiply is out = e * cov, rows of CovWidth. Each sum goes in the order of the
// columns with fused products, as the kernels make it.
func (in *Inputs) multiply(out, e, cov []float32) {
	if in.Multiply != nil {
		in.Multiply(out, e, cov)
		return
	}
	for r := 0; r < len(e); r += CovWidth {
		o := (*[CovWidth]float32)(out[r:])
		clear(o[:])
		for i, v := range e[r : r+CovWidth] {
			if v == 0 {
				continue
			}
			c := (*[CovWidth]float32)(cov[i*CovWidth:])
			for j := range o {
				o[j] = float32(math.FMA(float64(c[j]), float64(v), float64(o[j])))
			}
		}
	}
}

// kfit is a block of a K type.
type kfit struct {
	kind   Type
	fitted bool
	a      affine // Q4_K and Q5_K
	s      scaled // Q6_K
	l      low    // Q3_K and Q2_K
}

// kTops are the highest levels of the types that are fitted together: levels of
// others are no neighbouring integers.
var kTops = map[Type]int{Q6_K: 63, Q5_K: 31, Q4_K: 15, Q3_K: 7, Q2_K: 3}

func (k *kfit) top() int { return kTops[k.kind] }

// fit is what Pack does.
func (k *kfit) fit(x *[CovWidth]float32) {
	switch k.kind {
	case Q6_K:
		k.s.fit(x)
	case Q5_K, Q4_K:
		k.a.fit(x, k.top())
	case Q3_K:
		k.l.fitQ3_K(x, nil)
	case Q2_K:
		k.l.fitQ2_K(x, nil)
	}
}

// weigh goes on from fit by weighted squares.
func (k *kfit) weigh(x, w *[CovWidth]float32) {
	switch k.kind {
	case Q6_K:
		k.s.near(x, w)
	case Q5_K, Q4_K:
		k.a.near(x, w, k.top())
	case Q3_K:
		k.l.fitQ3_K(x, w[:])
	case Q2_K:
		k.l.fitQ2_K(x, w[:])
	}
}

func (k *kfit) put(dst []byte) {
	switch k.kind {
	case Q6_K:
		k.s.put((*[210]byte)(dst))
	case Q5_K:
		k.a.putQ5_K((*[176]byte)(dst))
	case Q4_K:
		k.a.putQ4_K((*[144]byte)(dst))
	case Q3_K:
		k.l.putQ3_K((*[110]byte)(dst))
	case Q2_K:
		k.l.putQ2_K((*[84]byte)(dst))
	}
}

// lines are what each 16 values' levels mean: step*q - least.
func (k *kfit) lines() (step, least [16]float32) {
	switch k.kind {
	case Q3_K, Q2_K:
		return k.l.lines()
	case Q6_K:
		d := F16ToF32(k.s.d)
		for g, sc := range k.s.sc {
			step[g] = d * float32(sc)
			least[g] = 32 * step[g]
		}
		return step, least
	}
	d, m := F16ToF32(k.a.d), F16ToF32(k.a.m)
	for g := range k.a.sc {
		s, l := d*float32(k.a.sc[g]), m*float32(k.a.mn[g])
		step[2*g], step[2*g+1], least[2*g], least[2*g+1] = s, s, l, l
	}
	return step, least
}

func (k *kfit) levels() *[CovWidth]uint8 {
	switch k.kind {
	case Q6_K:
		return &k.s.q
	case Q3_K, Q2_K:
		return &k.l.q
	}
	return &k.a.q
}

// errors are the block's values less the originals.
func (k *kfit) errors(e, x *[CovWidth]float32) {
	step, least := k.lines()
	q := k.levels()
	for g := range step {
		s, l := step[g], least[g]
		for i := 16 * g; i < 16*g+16; i++ {
			e[i] = float32(s*float32(int32(q[i]))) - l - x[i]
		}
	}
}

// Large gains are taken before small ones, which they may undo: sweeps over the
// levels with falling shares of the largest gain, then until nothing lessens the
// cost.
var balanceShares = [...]float32{0.25, 0.05}

const balanceSweeps = 8 // at most, after those

// balance moves levels by one where that lessens the cost, whose slope by each
// value is 2*g, and returns by how much it changed.
func (k *kfit) balance(g *[CovWidth]float32, cov []float32, cost float64) (change float64) {
	step, _ := k.lines()
	q, top := k.levels(), uint8(k.top())
	var alone [CovWidth]float32 // half of what moving a level costs where the slope is 0
	var best float32
	for grp, s := range step {
		size := abs(s)
		for i := 16 * grp; i < 16*grp+16; i++ {
			alone[i] = s * s * cov[i*CovWidth+i] / 2
			best = max(best, size*abs(g[i])-alone[i])
		}
	}
	none := float32(cost * 1e-6)
	sweep := func(least float32) (moved bool) {
		least = max(least, none/2)
		for grp, s := range step {
			size := abs(s)
			gs, as := (*[16]float32)(g[16*grp:]), (*[16]float32)(alone[16*grp:])
			for n := range gs {
				// Moving by +1 costs 2*s*g + s*s*c, by -1 -2*s*g + s*s*c.
				gain := size*abs(gs[n]) - as[n]
				if gain <= least {
					continue
				}
				i, d := 16*grp+n, s
				if s*gs[n] > 0 {
					if q[i] == 0 {
						continue
					}
					q[i]--
					d = -s
				} else {
					if q[i] == top {
						continue
					}
					q[i]++
				}
				moved = true
				change -= 2 * float64(gain)
				c := (*[CovWidth]float32)(cov[i*CovWidth:])
				for j := range g {
					g[j] += float32(c[j] * d)
				}
			}
		}
		return moved
	}
	for _, share := range balanceShares {
		sweep(best * share)
	}
	for range balanceSweeps {
		if !sweep(0) {
			break
		}
	}
	return change
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// weighted are the sums that fits by weighted squares need.
type weighted struct{ w, x, q, qq, xq float32 }

// group is 32 values with their weights and the products of both.
type group struct {
	x, w *[32]float32
	wx   [32]float32
	sum  weighted // w and x
}

func (s *group) set(x, w *[32]float32) {
	s.x, s.w, s.sum = x, w, weighted{}
	for i, v := range x {
		s.wx[i] = float32(w[i] * v)
		s.sum.w += w[i]
		s.sum.x += s.wx[i]
	}
}

// sums rounds (x+m)*inv to integers q within 0..top and sums them.
func (s *group) sums(inv, m float32, top int) weighted {
	var q0, q1, qq0, qq1, xq0, xq1 float32
	x, w := s.x, s.w
	for i := 0; i < 32; i += 2 {
		a := number[clamp(round(float32((x[i]+m)*inv)), 0, top)&31]
		b := number[clamp(round(float32((x[i+1]+m)*inv)), 0, top)&31]
		wa, wb := float32(w[i]*a), float32(w[i+1]*b)
		q0 += wa
		q1 += wb
		qq0 += float32(wa * a)
		qq1 += float32(wb * b)
		xq0 += float32(s.wx[i] * a)
		xq1 += float32(s.wx[i+1] * b)
	}
	return weighted{s.sum.w, s.sum.x, q0 + q1, qq0 + qq1, xq0 + xq1}
}

// error is the weighted squares' sum for d and m, less that of x.
func (s *weighted) error(d, m float32) float32 {
	return float32(d*(float32(d*s.qq)-2*s.xq)) + float32(m*(2*(s.x-float32(d*s.q))+float32(m*s.w)))
}

// nearTurns is how often the scales of groups and of the block are fitted in turn.
const nearTurns = 2

// nearScales are what a group's scale is multiplied by for the first turn's tries;
// later ones try those next to it.
var nearScales = [...]float32{0.86, 0.93, 1, 1.06}

// near fits scales, minimums and levels by weighted squares, beginning with those
// of fit.
func (a *affine) near(x, w *[256]float32, top int) {
	var groups [8]group
	for g := range groups {
		groups[g].set((*[32]float32)(x[32*g:]), (*[32]float32)(w[32*g:]))
	}
	for turn := range nearTurns {
		var sums [8]weighted
		d, m := F16ToF32(a.d), F16ToF32(a.m)
		mi := inverse(m)
		for g := range a.sc {
			sums[g] = a.nearGroup(g, turn, d, m, mi, &groups[g], top)
		}
		if !a.refitSums(&sums) {
			break
		}
	}
	d, m := F16ToF32(a.d), F16ToF32(a.m)
	for g := range a.sc {
		v, q := (*[32]float32)(x[32*g:]), (*[32]uint8)(a.q[32*g:])
		inv, least := inverse(d*float32(a.sc[g])), m*float32(a.mn[g])
		for i := range v {
			q[i] = uint8(clamp(round(float32((v[i]+least)*inv)), 0, top))
		}
	}
}

// nearGroup tries scales for one group, each with the minimum that fits its levels.
func (a *affine) nearGroup(g, turn int, d, m, mi float32, of *group, top int) (best weighted) {
	sc, least := a.sc[g], m*float32(a.mn[g])
	if !(of.sum.w > 0) {
		return of.sum
	}
	cost := float32(math.Inf(1))
	perWeight := mi / of.sum.w
	try := func(to int) {
		step := d * float32(int32(to))
		s := of.sums(inverse(step), least, top)
		mn := clamp(round(float32((float32(step*s.q)-s.x)*perWeight)), 0, 63)
		if e := s.error(step, m*float32(int32(mn))); e < cost {
			cost, best = e, s
			a.sc[g], a.mn[g] = uint8(to), uint8(mn)
		}
	}
	if turn > 0 {
		try(int(sc))
		if sc > 0 {
			try(int(sc) - 1)
		}
		if a.sc[g] == sc && sc < 63 {
			try(int(sc) + 1)
		}
		return best
	}
	last := -1
	for _, by := range nearScales {
		if to := clamp(round(float32(sc)*by), 0, 63); to != last {
			try(to)
			last = to
		}
	}
	return best
}

// refitSums fits d and m to all groups' scales, minimums and levels, and says
// whether that changed them.
func (a *affine) refitSums(sums *[8]weighted) bool {
	var A, B, C, P, Q float64
	for g := range sums {
		s := &sums[g]
		sc, mn := float64(a.sc[g]), float64(a.mn[g])
		A += sc * sc * float64(s.qq)
		B += sc * mn * float64(s.q)
		C += mn * mn * float64(s.w)
		P += sc * float64(s.xq)
		Q += mn * float64(s.x)
	}
	det := A*C - B*B
	if det <= 0 {
		return false
	}
	nd, nm := half(float32((P*C-Q*B)/det)), half(float32((P*B-Q*A)/det))
	if nd == 0 || nd&0x8000 != 0 || nm&0x8000 != 0 || nd == a.d && nm == a.m {
		return false
	}
	a.d, a.m = nd, nm
	return true
}

// near fits scales and levels by weighted squares, beginning with those of fit.
func (s *scaled) near(x, w *[256]float32) {
	for turn := range nearTurns {
		d := F16ToF32(s.d)
		var xq, qq float64
		for g := range s.sc {
			a, b := s.nearGroup(g, turn, d, (*[16]float32)(x[16*g:]), (*[16]float32)(w[16*g:]))
			sc := float64(s.sc[g])
			xq += float64(a) * sc
			qq += float64(b) * (sc * sc)
		}
		if !(qq > 0) {
			break
		}
		h := half(float32(xq / qq))
		if h&0x7fff == 0 || h == s.d {
			break
		}
		s.d = h
	}
	d := F16ToF32(s.d)
	for g := range s.sc {
		inv := inverse(d * float32(s.sc[g]))
		v, q := (*[16]float32)(x[16*g:]), (*[16]uint8)(s.q[16*g:])
		for i := range v {
			q[i] = uint8(clamp(round(float32(v[i]*inv)), -32, 31) + 32)
		}
	}
}

// nearGroup tries scales for one group and returns the sums of the best.
func (s *scaled) nearGroup(g, turn int, d float32, x, w *[16]float32) (bestX, bestQ float32) {
	var most float64
	sc := int(s.sc[g])
	try := func(to int) {
		step := d * float32(int32(to))
		a, b := weighFloats(x[:], w[:], inverse(step), -32, 31)
		if gain := float64(step) * (2*float64(a) - float64(step*b)); gain > most {
			most, bestX, bestQ, s.sc[g] = gain, a, b, int8(to)
		}
	}
	if turn > 0 {
		for to := max(sc-1, -128); to <= min(sc+1, 127); to++ {
			try(to)
		}
		return bestX, bestQ
	}
	last := sc + 1000
	for _, by := range nearScales {
		if to := clamp(round(float32(sc)*by), -128, 127); to != last {
			try(to)
			last = to
		}
	}
	return bestX, bestQ
}
