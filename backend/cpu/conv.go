package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// convolution is backend.Conv, over all threads by channels.
type convolution struct {
	e        *exec
	n        *backend.Conv
	history  int       // tokens before the pass that its first reads
	w, bias  []float32 // w is [taps][channels]
	head     []float32 // history and the first inputs of a prompt, [2*history][In.N]
	runs     []run
	segments []convolved
	now      *convolved    // of a prompt, whose segments go one after another
	args     []kernel.Conv // one a thread
}

// convolved is a segment of a pass and its window.
type convolved struct {
	first, tokens int // of the pass
	replay        int
	window        []float32
}

// run is channels that read adjacent inputs: out+i reads in+i.
type run struct{ out, in, n int }

func (e *exec) conv(n *backend.Conv) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	bias := host.Floats(n.W.Rows)
	if n.Bias != nil {
		bias = vs[1]
	}
	c := &convolution{e: e, n: n, history: n.Taps - 1, w: host.Floats(len(vs[0])), bias: bias, args: make([]kernel.Conv, e.pool.threads)}
	channels := len(c.bias)
	for i, v := range vs[0] {
		c.w[i%n.Taps*channels+i/n.Taps] = v
	}
	if err := host.Holds(n.Window, (c.history+backend.MaxVerify)*n.In.N); err != nil {
		return nil, err
	}
	if !e.p.Logged {
		c.head = host.Floats(2 * c.history * n.In.N)
	}
	for i := range channels {
		from := i
		if n.Map != nil {
			from = int(n.Map[i])
		}
		if last := len(c.runs) - 1; last >= 0 && c.runs[last].in+c.runs[last].n == from {
			c.runs[last].n++
		} else {
			c.runs = append(c.runs, run{i, from, 1})
		}
	}
	logged, prompt := c.logged, c.prompt
	return func(p *backend.Params) {
		c.segments = c.segments[:0]
		for first, s := range p.Each() {
			g := convolved{first, s.N, s.Replay, host.StateFloats(s.Seq, n.Window)}
			if !c.apart() {
				c.move(&g, 0, n.In.N)
			}
			c.segments = append(c.segments, g)
		}
		if e.p.Logged {
			e.pool.each(len(c.segments)*c.units(), 1, logged)
			return
		}
		for i := range c.segments {
			c.now = &c.segments[i]
			c.read(prompt)
		}
	}, nil
}

// apart reports whether a logged pass's channels each read an input of their own:
// then who makes them moves their window, which stays in one core's cache.
func (c *convolution) apart() bool { return c.e.p.Logged && c.n.Map == nil }

// move moves channels [lo, hi) of a segment's window behind the tokens that are
// kept, and appends those of a logged pass.
func (c *convolution) move(g *convolved, lo, hi int) {
	width := c.n.In.N
	for k := range c.history {
		copy(g.window[k*width+lo:k*width+hi], g.window[(g.replay+k)*width+lo:])
	}
	if !c.e.p.Logged {
		return
	}
	for t := range g.tokens {
		copy(g.window[(c.history+t)*width+lo:(c.history+t)*width+hi], c.e.row(c.n.In, g.first+t)[lo:])
	}
}

// unit is how many channels go together.
const unit = 16

// units is how many units the channels have.
func (c *convolution) units() int { return (len(c.bias) + unit - 1) / unit }

// read takes the present segment, of a prompt, through the convolution.
func (c *convolution) read(prompt func(thread, lo, hi int)) {
	e, g, width := c.e, c.now, c.n.In.N
	copy(c.head, g.window[:c.history*width])
	for t := range min(c.history, g.tokens) {
		copy(c.head[(c.history+t)*width:], e.row(c.n.In, g.first+t))
	}
	e.pool.each(len(c.bias), e.step(len(c.bias), unit), prompt)
	// The last rows become history; with fewer tokens than taps some of it stays.
	stay := max(0, c.history-g.tokens)
	copy(g.window[:stay*width], g.window[(c.history-stay)*width:c.history*width])
	for k := stay; k < c.history; k++ {
		copy(g.window[k*width:(k+1)*width], e.row(c.n.In, g.first+g.tokens-c.history+k))
	}
}

// logged makes units [lo, hi) of all segments.
func (c *convolution) logged(thread, lo, hi int) {
	units := c.units()
	for lo < hi {
		i, u := lo/units, lo%units
		end := min(units, u+hi-lo)
		g, first, last := &c.segments[i], u*unit, min(end*unit, len(c.bias))
		if c.apart() {
			c.move(g, first, last)
		}
		c.convolve(thread, g, first, last)
		lo += end - u
	}
}

// prompt makes output channels [lo, hi) of the present segment.
func (c *convolution) prompt(thread, lo, hi int) { c.convolve(thread, c.now, lo, hi) }

// convolve makes output channels [lo, hi) of a segment's tokens.
func (c *convolution) convolve(thread int, g *convolved, lo, hi int) {
	e, a := c.e, &c.args[thread]
	channels := len(c.bias)
	ld := e.p.Widths[c.n.Out]
	for _, r := range c.runs {
		first, end := max(lo, r.out), min(hi, r.out+r.n)
		if first >= end {
			continue
		}
		in := r.in + first - r.out
		*a = kernel.Conv{W: &c.w[first], Bias: &c.bias[first], N: end - first, Taps: c.n.Taps, LdW: channels, LdOut: ld,
			Tokens: g.tokens, Out: &e.out(c.n.Out, g.first)[first], X: &g.window[in], LdX: c.n.In.N}
		if e.p.Logged {
			e.k.Conv(a)
			continue
		}
		a.Tokens = min(c.history, g.tokens) // those that read history
		if a.Tokens > 0 {
			a.X = &c.head[in]
			e.k.Conv(a)
		}
		if g.tokens > c.history {
			a.Tokens = g.tokens - c.history
			a.Out = &e.out(c.n.Out, g.first+c.history)[first]
			a.X, a.LdX = &e.row(c.n.In, g.first)[in], e.p.Widths[c.n.In.V]
			e.k.Conv(a)
		}
	}
}
