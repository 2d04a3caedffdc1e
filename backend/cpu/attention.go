package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/host"
	"github.com/mil-run/mil/quant"
)

// cache reads and writes one layer's keys or values,
// [position][kv_head][dim] of float16 or float32.
type cache struct {
	backend.Heads
	f16 []uint16
	f32 []float32
}

func newCache(h backend.Heads, s *backend.State) (*cache, error) {
	c := &cache{Heads: h}
	b, err := host.State(s)
	if err != nil {
		return nil, err
	}
	n := h.Context * h.KVHeads * h.Dim
	switch {
	case h.KVType == quant.F16 && len(b) >= 2*n:
		c.f16 = unsafe.Slice((*uint16)(unsafe.Pointer(&b[0])), n)
	case h.KVType == quant.F32 && len(b) >= 4*n:
		c.f32 = unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n)
	default:
		return nil, fmt.Errorf("a cache of %d bytes for %d %v values", len(b), n, h.KVType)
	}
	return c, nil
}

func (c *cache) store(pos, head int, x []float32) {
	at := (pos*c.KVHeads + head) * c.Dim
	if c.f32 != nil {
		copy(c.f32[at:at+c.Dim], x)
		return
	}
	dst := c.f16[at : at+c.Dim]
	for i, v := range x {
		dst[i] = quant.F32ToF16(v)
	}
}

// load unpacks positions [pos, pos+n) of one head to dst [n][dim].
func (c *cache) load(dst []float32, pos, n, head int) {
	for p := range n {
		at := ((pos+p)*c.KVHeads + head) * c.Dim
		row := dst[p*c.Dim : (p+1)*c.Dim]
		if c.f32 != nil {
			copy(row, c.f32[at:at+c.Dim])
			continue
		}
		for i, h := range c.f16[at : at+c.Dim] {
			row[i] = quant.F16ToF32(h)
		}
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
		e.pool.each(len(p.Tokens), 1, func(thread, lo, hi int) {
			cs := grow(&e.scratch[thread].acc, 2*len(n.Freqs))
			for t := lo; t < hi; t++ {
				pos := p.Pos + t
				for i, f := range n.Freqs {
					s, c := math.Sincos(float64(pos) * f)
					cs[2*i], cs[2*i+1] = float32(c), float32(s)
				}
				q, k, v := e.row(n.Q, t), e.row(n.K, t), e.row(n.V, t)
				for h := range n.Heads.Heads {
					rotate(q[h*n.Dim:(h+1)*n.Dim], cs)
				}
				for h := range n.KVHeads {
					rotate(k[h*n.Dim:(h+1)*n.Dim], cs)
					kc.store(pos, h, k[h*n.Dim:(h+1)*n.Dim])
					vc.store(pos, h, v[h*n.Dim:(h+1)*n.Dim])
				}
			}
		})
	}, nil
}

// rotate turns adjacent pairs of x by the angles of cs, cosine and sine.
func rotate(x, cs []float32) {
	for i := 0; i+1 < len(cs); i += 2 {
		a, b, c, s := x[i], x[i+1], cs[i], cs[i+1]
		x[i] = float32(a*c) - float32(b*s)
		x[i+1] = float32(b*c) + float32(a*s)
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
	d, group := n.Dim, n.Heads.Heads/n.KVHeads
	scale := float32(1 / math.Sqrt(float64(d)))
	return func(p *backend.Params) {
		tokens := len(p.Tokens)
		blocks := (tokens + queryBlock - 1) / queryBlock
		e.pool.each(blocks*n.KVHeads, 1, func(thread, lo, hi int) {
			s := e.scratch[thread]
			for item := lo; item < hi; item++ {
				head, first := item%n.KVHeads, item/n.KVHeads*queryBlock
				count := min(queryBlock, tokens-first)
				e.attendBlock(n, s, kc, vc, head, group, first, count, p.Pos, scale)
			}
		})
	}, nil
}

// attendBlock is tokens [first, first+count) of one key-value head's group.
func (e *exec) attendBlock(n *backend.Attend, s *scratch, kc, vc *cache, head, group, first, count, pos int, scale float32) {
	d := n.Dim
	k, v := grow(&s.k, keyBlock*d), grow(&s.v, keyBlock*d)
	score := grow(&s.rows, keyBlock)
	run := grow(&s.acc, 2*count*group) // maximum and sum of each query
	for i := range count * group {
		run[2*i], run[2*i+1] = float32(math.Inf(-1)), 0
		clear(e.out(n.Out, first+i/group)[(head*group+i%group)*d:][:d])
	}
	last := pos + first + count - 1
	for at := 0; at <= last; at += keyBlock {
		size := min(keyBlock, last+1-at)
		kc.load(k, at, size, head)
		vc.load(v, at, size, head)
		for i := range count * group {
			t := first + i/group
			seen := min(size, pos+t+1-at)
			if seen <= 0 {
				continue
			}
			h := head*group + i%group
			q := e.row(n.Q, t)[h*d : (h+1)*d]
			out := e.out(n.Out, t)[h*d : (h+1)*d]
			peak := run[2*i]
			for j := range seen {
				score[j] = dot(q, k[j*d:(j+1)*d]) * scale
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
			for j := range seen {
				w := exp(score[j] - peak)
				sum += w
				row := v[j*d : (j+1)*d]
				for c, x := range row[:len(out)] {
					out[c] = float32(w*x) + out[c]
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
