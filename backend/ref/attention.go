package ref

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// cache reads and writes one layer's keys or values,
// [position][kv_head][width] of the cache's type.
type cache struct {
	backend.Heads
	spec  *quant.Spec
	width int // Dim, rounded up to whole blocks
	state *backend.State
}

// memory is a cache of one sequence.
type memory struct {
	*cache
	data []byte
}

// of is the cache's memory in a sequence.
func (c *cache) of(q *backend.Sequence) memory { return memory{c, host.State(q, c.state)} }

func newCache(h backend.Heads, s *backend.State) (*cache, error) {
	spec, ok := h.KVType.Spec()
	if !ok || h.KVType != quant.F32 && h.KVType != quant.F16 && h.KVType != quant.Q8_0 {
		return nil, fmt.Errorf("%w: as %v", backend.ErrKVType, h.KVType)
	}
	c := &cache{Heads: h, spec: spec, width: (h.Dim + spec.Block - 1) / spec.Block * spec.Block, state: s}
	if n := h.Context * h.KVHeads * spec.RowBytes(c.width); s.Bytes < n {
		return nil, fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, s.Bytes, n)
	}
	s.Layout, s.Rows = "ref, "+h.KVType.String(), h.Ring(c.rows)
	return c, nil
}

// rows is [backend.State.Rows].
func (c *cache) rows(from, to int) []backend.Span {
	size := c.KVHeads * c.spec.RowBytes(c.width)
	return []backend.Span{{Off: from * size, N: (to - from) * size}}
}

// row is a head at a position.
func (c memory) row(pos, head int) []byte {
	if c.Window > 0 {
		pos %= c.Context
	}
	size := c.spec.RowBytes(c.width)
	return c.data[(pos*c.KVHeads+head)*size:][:size]
}

// store packs x; row [width] is scratch.
func (c memory) store(pos, head int, x, row []float32) {
	clear(row[copy(row, x):])
	c.spec.Pack(c.row(pos, head), row)
}

// load unpacks positions [pos, pos+n) of one head to dst [n][width].
func (c memory) load(dst []float32, pos, n, head int) {
	for p := range n {
		c.spec.Unpack(dst[p*c.width:(p+1)*c.width], c.row(pos+p, head))
	}
}

// ropeStore is backend.RopeStore. Angles are computed in float64: a position
// of 100,000 leaves float32 no digits for the angle.
func (e *exec) ropeStore(n *backend.RopeStore) (func(*backend.Params), error) {
	kc, err := newCache(n.Heads, n.KCache)
	if err != nil {
		return nil, err
	}
	vc, err := newCache(n.Heads, n.VCache)
	if err != nil {
		return nil, err
	}
	return func(p *backend.Params) {
		for first, g := range p.Each() {
			keys, values := kc.of(g.Seq), vc.of(g.Seq)
			e.pool.each(g.N, 1, func(thread, lo, hi int) {
				cs := grow(&e.scratch[thread].acc, 2*len(n.Freqs))
				row := grow(&e.scratch[thread].rows, kc.width)
				for t := lo; t < hi; t++ {
					pos := n.At(g) + t
					for i, f := range n.Freqs {
						s, c := math.Sincos(float64(g.Pos+g.Shift+t) * f)
						cs[2*i], cs[2*i+1] = float32(c), float32(s)
					}
					q, k, v := e.row(n.Q, first+t), e.row(n.K, first+t), e.row(n.V, first+t)
					for h := range n.Heads.Heads {
						rotate(q[h*n.Dim:(h+1)*n.Dim], cs, n.Halves)
					}
					for h := range n.KVHeads {
						rotate(k[h*n.Dim:(h+1)*n.Dim], cs, n.Halves)
						keys.store(pos, h, k[h*n.Dim:(h+1)*n.Dim], row)
						values.store(pos, h, v[h*n.Dim:(h+1)*n.Dim], row)
					}
				}
			})
		}
	}, nil
}

// rotate turns pairs of x by the angles of cs, cosine and sine: adjacent ones,
// or those of two halves.
func rotate(x, cs []float32, halves bool) {
	for i := 0; i+1 < len(cs); i += 2 {
		j, k := i, i+1
		if halves {
			j, k = i/2, (len(cs)+i)/2
		}
		a, b, c, s := x[j], x[k], cs[i], cs[i+1]
		x[j] = float32(a*c) - float32(b*s)
		x[k] = float32(b*c) + float32(a*s)
	}
}

const (
	// keyBlock is how many positions are scored before the running softmax is
	// adjusted. Blocks start at multiples of it whatever the pass, so a token's
	// additions have one order.
	keyBlock = 128
	// queryBlock is how many tokens share an unpacked block of keys.
	queryBlock = 32
)

// attend is backend.Attend: blockwise, with a running maximum and sum.
func (e *exec) attend(n *backend.Attend) (func(*backend.Params), error) {
	kc, err := newCache(n.Heads, n.KCache)
	if err != nil {
		return nil, err
	}
	vc, err := newCache(n.Heads, n.VCache)
	if err != nil {
		return nil, err
	}
	group := n.Heads.Heads / n.KVHeads
	scale := n.Factor()
	return func(p *backend.Params) {
		for at, g := range p.Each() {
			keys, values := kc.of(g.Seq), vc.of(g.Seq)
			blocks := (g.N + queryBlock - 1) / queryBlock
			e.pool.each(blocks*n.KVHeads, 1, func(thread, lo, hi int) {
				s := e.scratch[thread]
				for item := lo; item < hi; item++ {
					head, first := item%n.KVHeads, item/n.KVHeads*queryBlock
					count := min(queryBlock, g.N-first)
					e.attendBlock(n, s, keys, values, head, group, at+first, count, n.At(g)-at, scale)
				}
			})
		}
	}, nil
}

// attendBlock is tokens [first, first+count) of the pass for one key-value head's
// group. The token t of the pass has the position pos+t.
func (e *exec) attendBlock(n *backend.Attend, s *scratch, kc, vc memory, head, group, first, count, pos int, scale float32) {
	d, w := n.Dim, kc.width
	k, v := grow(&s.k, keyBlock*w), grow(&s.v, keyBlock*w)
	score := grow(&s.rows, keyBlock)
	run := grow(&s.acc, 2*count*group) // maximum and sum of each query
	for i := range count * group {
		run[2*i], run[2*i+1] = float32(math.Inf(-1)), 0
		clear(e.out(n.Out, first+i/group)[(head*group+i%group)*d:][:d])
	}
	last := pos + first + count - 1
	for at := n.First(pos+first) / keyBlock * keyBlock; at <= last; at += keyBlock {
		size := min(keyBlock, last+1-at)
		kc.load(k, at, size, head)
		vc.load(v, at, size, head)
		for i := range count * group {
			t := first + i/group
			seen := min(size, pos+t+1-at)
			from := max(0, n.First(pos+t)-at)
			if seen <= from {
				continue
			}
			h := head*group + i%group
			q := e.row(n.Q, t)[h*d : (h+1)*d]
			out := e.out(n.Out, t)[h*d : (h+1)*d]
			peak := run[2*i]
			for j := from; j < seen; j++ {
				score[j] = dot(q, k[j*w:j*w+d]) * scale
				peak = max(peak, score[j])
			}
			if run[2*i] != peak {
				f := exp(run[2*i] - peak)
				run[2*i], run[2*i+1] = peak, run[2*i+1]*f
				for c := range out {
					out[c] *= f
				}
			}
			sum := run[2*i+1]
			for j := from; j < seen; j++ {
				e := exp(score[j] - peak)
				sum += e
				row := v[j*w : j*w+d]
				for c, x := range row[:len(out)] {
					out[c] = float32(e*x) + out[c]
				}
			}
			run[2*i+1] = sum
		}
	}
	for i := range count * group {
		h, inv := head*group+i%group, 1/run[2*i+1]
		out := e.out(n.Out, first+i/group)[h*d : (h+1)*d]
		for c := range out {
			out[c] *= inv
		}
	}
}
