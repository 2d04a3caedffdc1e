package metal

import (
	"fmt"
	"slices"

	"github.com/mil-run/mil/backend"
)

// movedWindow is a convolution whose window has yet to move on.
type movedWindow struct {
	args       convArgs
	in, window ref
}

func (pl *planner) conv(n *backend.Conv) error {
	a := convArgs{
		channels: int32(n.W.Rows), width: int32(n.In.N), taps: int32(n.Taps),
		tokens: int32(pl.tokens), logged: bit(pl.p.Logged), mapped: bit(n.Map != nil),
	}
	in, inStride := pl.slice(n.In)
	out, outStride := pl.value(n.Out)
	a.inStride, a.outStride = inStride, outStride
	channels := unused
	if n.Map != nil {
		channels = constant(pl, &n.Map[0], n.Map)
	}
	window := state(n.Window)
	refs := []ref{in, channels, tensor(n.W), tensor(n.Bias), window, out}
	add(pl, "conv", [3]int{ceil(n.W.Rows, 256), pl.tokens, 1}, 256, a, refs...)
	if pl.scanReads(n.In.V) {
		pl.window = &movedWindow{a, in, window}
	} else {
		add(pl, "conv_window", [3]int{ceil(n.In.N, 256), 1, 1}, 256, a, refs...)
	}
	return nil
}

// scanReads reports whether a scan comes before the next convolution and reads
// v, so that v is still there when it runs and the window can move on then.
func (pl *planner) scanReads(v backend.Value) bool {
	for _, n := range pl.p.Nodes[pl.at+1:] {
		switch n.(type) {
		case *backend.Conv:
			return false
		case *backend.Scan1, *backend.Scan2:
			return slices.Contains(n.Reads(), v)
		}
	}
	return false
}

// takeWindow gives the window to move on, and the threadgroups that takes.
func (pl *planner) takeWindow() (w movedWindow, blocks int) {
	w.in, w.window = unused, unused
	if pl.window != nil {
		w, pl.window = *pl.window, nil
	}
	return w, ceil(int(w.args.width), 256)
}

func (pl *planner) scan1(n *backend.Scan1) error {
	a := scan1Args{
		channels: int32(n.Z.N), states: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: bit(pl.p.Logged), lanes: 1,
	}
	for int(a.lanes) < n.N {
		a.lanes *= 2
	}
	if a.lanes > 32 {
		return fmt.Errorf("a Mamba scan with %d states a channel (at most 32)", n.N)
	}
	var x, dt, b, c, z, out ref
	x, a.xStride = pl.slice(n.X)
	dt, a.dtStride = pl.slice(n.Dt)
	b, a.bStride = pl.slice(n.B)
	c, a.cStride = pl.slice(n.C)
	z, a.zStride = pl.slice(n.Z)
	out, a.outStride = pl.value(n.Out)
	bias, log := tensor(n.DtBias), state(n.Log)
	add(pl, "scan1", [3]int{ceil(n.Z.N*int(a.lanes), 128), 1, 1}, 128, a, x, dt, b, c, z, tensor(n.A), tensor(n.D), bias, state(n.H), log, out)
	logBlocks := 0
	if pl.p.Logged {
		logBlocks = ceil(backend.Scan1LogWidth(n.Z.N, n.X.N, n.B.N), 256)
	}
	w, windowBlocks := pl.takeWindow()
	if logBlocks+windowBlocks > 0 {
		add(pl, "scan1_after", [3]int{logBlocks + windowBlocks, 1, 1}, 256,
			after1Args{scan: a, conv: w.args, logBlocks: int32(logBlocks), windowBlocks: int32(windowBlocks)}, x, dt, b, bias, log, w.in, w.window)
	}
	return nil
}

// Rows of a head's state that a threadgroup of a Mamba-2 scan holds, token by
// token and in chunks.
const scan2Rows, chunkRows = 16, 32

func (pl *planner) scan2(n *backend.Scan2) error {
	a := scan2Args{
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: bit(pl.p.Logged),
	}
	states, kernel, rows := 8, "scan2", scan2Rows
	if !pl.p.Logged && n.N <= 128 {
		states, kernel, rows = 32, "scan2_chunk", chunkRows
	}
	for states < n.N {
		states *= 2
	}
	if states > 256 {
		return fmt.Errorf("a Mamba-2 scan with %d states a row (at most 256)", n.N)
	}
	var x, b, c, dt, z, out ref
	x, a.xStride = pl.slice(n.X)
	b, a.bStride = pl.slice(n.B)
	c, a.cStride = pl.slice(n.C)
	dt, a.dtStride = pl.slice(n.Dt)
	z, a.zStride = pl.slice(n.Z)
	out, a.outStride = pl.value(n.Out)
	bias, log := tensor(n.DtBias), state(n.Log)
	add(pl, fmt.Sprintf("%s_%d", kernel, states), [3]int{ceil(n.P, rows), n.Heads, 1}, 128, a,
		x, b, c, dt, z, tensor(n.A), tensor(n.D), bias, state(n.H), log, out)
	logBlocks := 0
	if pl.p.Logged {
		logBlocks = ceil(backend.Scan2LogWidth(n.Heads, n.X.N, n.B.N), 256)
	}
	w, windowBlocks := pl.takeWindow()
	after := after2Args{scan: a, conv: w.args, groups: int32(n.NormGroups), size: int32(n.Heads * n.P / n.NormGroups),
		logBlocks: int32(logBlocks), windowBlocks: int32(windowBlocks), eps: n.NormEps}
	add(pl, "scan2_after", [3]int{n.NormGroups*pl.tokens + logBlocks + windowBlocks, 1, 1}, 256, after,
		x, b, dt, bias, log, w.in, w.window, out, tensor(n.NormWeight))
	return nil
}
