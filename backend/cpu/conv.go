package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// convolution is backend.Conv, over all threads by channels.
type convolution struct {
	e       *exec
	n       *backend.Conv
	history int       // tokens before the pass that its first reads
	w, bias []float32 // w is [taps][channels]
	window  []float32
	head    []float32 // history and the first inputs of a prompt, [2*history][In.N]
	runs    []run
	tokens  int
	args    []kernel.Conv // one a thread
}

// run is channels that read adjacent inputs: out+i reads in+i.
type run struct{ out, in, n int }

func (e *exec) conv(n *backend.Conv) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.W, n.Bias)
	if err != nil {
		return nil, err
	}
	c := &convolution{e: e, n: n, history: n.Taps - 1, w: host.Floats(len(vs[0])), bias: vs[1], args: make([]kernel.Conv, e.pool.threads)}
	channels := len(c.bias)
	for i, v := range vs[0] {
		c.w[i%n.Taps*channels+i/n.Taps] = v
	}
	if c.window, err = host.StateFloats(n.Window, (c.history+backend.MaxVerify)*n.In.N); err != nil {
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
	convolve := c.convolve
	return func(p *backend.Params) {
		c.tokens = len(p.Tokens)
		width := n.In.N
		copy(c.window[:c.history*width], c.window[p.Replay*width:(p.Replay+c.history)*width])
		if e.p.Logged {
			for t := range c.tokens {
				copy(c.window[(c.history+t)*width:], e.row(n.In, t))
			}
			e.pool.each(channels, 16, convolve)
			return
		}
		copy(c.head, c.window[:c.history*width])
		for t := range min(c.history, c.tokens) {
			copy(c.head[(c.history+t)*width:], e.row(n.In, t))
		}
		e.pool.each(channels, e.step(channels, 16, c.tokens), convolve)
		// The last rows become history; with fewer tokens than taps some of it stays.
		stay := max(0, c.history-c.tokens)
		copy(c.window[:stay*width], c.window[(c.history-stay)*width:c.history*width])
		for k := stay; k < c.history; k++ {
			copy(c.window[k*width:(k+1)*width], e.row(n.In, c.tokens-c.history+k))
		}
	}, nil
}

// convolve makes output channels [lo, hi) of all tokens.
func (c *convolution) convolve(thread, lo, hi int) {
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
			Tokens: c.tokens, Out: &e.out(c.n.Out, 0)[first], X: &c.window[in], LdX: c.n.In.N}
		if e.p.Logged {
			e.k.Conv(a)
			continue
		}
		a.Tokens = min(c.history, c.tokens) // those that read history
		if a.Tokens > 0 {
			a.X = &c.head[in]
			e.k.Conv(a)
		}
		if c.tokens > c.history {
			a.Tokens = c.tokens - c.history
			a.Out = &e.out(c.n.Out, c.history)[first]
			a.X, a.LdX = &e.row(c.n.In, 0)[in], e.p.Widths[c.n.In.V]
			e.k.Conv(a)
		}
	}
}
