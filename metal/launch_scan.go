package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// movedWindow is a convolution whose window has yet to move on.
type movedWindow struct {
	args       convArgs
	in, window ref
}

// Conv implements [gpu.Kernels].
func (pl *planner) Conv(n *backend.Conv) error {
	a := convArgs{
		channels: int32(n.W.Rows), width: int32(n.In.N), taps: int32(n.Taps),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged), mapped: gpu.Bit(n.Map != nil),
	}
	in, inStride := pl.Slice(n.In)
	out, outStride := pl.Value(n.Out)
	a.inStride, a.outStride = inStride, outStride
	window := gpu.OfState(n.Window)
	refs := []ref{in, gpu.Constant(pl.Planner, n.Map), gpu.OfTensor(n.W), pl.Bias(n), window, out}
	pl.Launch("conv", [3]int{gpu.Ceil(n.W.Rows, 256), pl.Tokens, 1}, 256, a, refs...)
	if pl.ScanReads(n.In.V) {
		pl.window.Keep(movedWindow{a, in, window}, n.In.N)
	} else {
		pl.Launch("conv_window", [3]int{gpu.Ceil(n.In.N, gpu.WindowBlock), 1, 1}, gpu.WindowBlock, a, refs...)
	}
	return nil
}

// Scan1 implements [gpu.Kernels].
func (pl *planner) Scan1(n *backend.Scan1) error {
	lanes, err := gpu.Scan1Lanes(n.N)
	if err != nil {
		return err
	}
	a := scan1Args{
		channels: int32(n.Z.N), states: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged), lanes: lanes,
	}
	var x, dt, b, c, z, out ref
	x, a.xStride = pl.Slice(n.X)
	dt, a.dtStride = pl.Slice(n.Dt)
	b, a.bStride = pl.Slice(n.B)
	c, a.cStride = pl.Slice(n.C)
	z, a.zStride = pl.Slice(n.Z)
	out, a.outStride = pl.Value(n.Out)
	bias, log := gpu.OfTensor(n.DtBias), gpu.OfState(n.Log)
	pl.Launch("scan1", [3]int{gpu.Ceil(n.Z.N*int(a.lanes), 128), 1, 1}, 128, a, x, dt, b, c, z, gpu.OfTensor(n.A), gpu.OfTensor(n.D), bias, gpu.OfState(n.H), log, out)
	logBlocks := pl.LogBlocks(backend.Scan1LogWidth(n.Z.N, n.X.N, n.B.N))
	w, windowBlocks := pl.window.Take()
	if logBlocks+windowBlocks > 0 {
		pl.Launch("scan1_after", [3]int{logBlocks + windowBlocks, 1, 1}, 256,
			after1Args{scan: a, conv: w.args, logBlocks: int32(logBlocks), windowBlocks: int32(windowBlocks)}, x, dt, b, bias, log, w.in, w.window)
	}
	return nil
}

// chunkRows is how many rows of a head's state a threadgroup of a Mamba-2 scan in
// chunks holds.
const chunkRows = 32

// Scan2 implements [gpu.Kernels].
func (pl *planner) Scan2(n *backend.Scan2) error {
	a := scan2Args{
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged),
	}
	least, kernel, rows := 8, "scan2", gpu.Scan2Rows
	if !pl.P.Logged && n.N <= 128 {
		least, kernel, rows = 32, "scan2_chunk", chunkRows
	}
	states, err := gpu.Scan2States(least, n.N)
	if err != nil {
		return err
	}
	var x, b, c, dt, z, out ref
	x, a.xStride = pl.Slice(n.X)
	b, a.bStride = pl.Slice(n.B)
	c, a.cStride = pl.Slice(n.C)
	dt, a.dtStride = pl.Slice(n.Dt)
	z, a.zStride = pl.Slice(n.Z)
	out, a.outStride = pl.Value(n.Out)
	bias, log := gpu.OfTensor(n.DtBias), gpu.OfState(n.Log)
	pl.Launch(fmt.Sprintf("%s_%d", kernel, states), [3]int{gpu.Ceil(n.P, rows), n.Heads, 1}, 128, a,
		x, b, c, dt, z, gpu.OfTensor(n.A), gpu.OfTensor(n.D), bias, gpu.OfState(n.H), log, out)
	logBlocks := pl.LogBlocks(backend.Scan2LogWidth(n.Heads, n.X.N, n.B.N))
	w, windowBlocks := pl.window.Take()
	after := after2Args{scan: a, conv: w.args, groups: int32(n.NormGroups), size: int32(n.Heads * n.P / n.NormGroups),
		logBlocks: int32(logBlocks), windowBlocks: int32(windowBlocks), eps: n.NormEps}
	var weight ref
	if n.NormWeight != nil {
		weight = gpu.OfTensor(n.NormWeight)
		after.normed = 1
	}
	pl.Launch("scan2_after", [3]int{n.NormGroups*pl.Tokens + logBlocks + windowBlocks, 1, 1}, 256, after,
		x, b, dt, bias, log, w.in, w.window, out, weight)
	return nil
}

// DeltaScan implements [gpu.Kernels].
func (pl *planner) DeltaScan(n *backend.DeltaScan) error {
	states, err := gpu.DeltaStates(n.N)
	if err != nil {
		return err
	}
	a := deltaArgs{heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), keys: int32(n.K.N / n.N), tiled: gpu.Bit(n.Tiled),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged)}
	var q, k, v, dt, beta, z, out ref
	q, a.qStride = pl.Slice(n.Q)
	k, a.kStride = pl.Slice(n.K)
	v, a.vStride = pl.Slice(n.V)
	dt, a.dtStride = pl.Slice(n.Dt)
	beta, a.betaStride = pl.Slice(n.Beta)
	z, a.zStride = pl.Slice(n.Z)
	out, a.outStride = pl.Value(n.Out)
	decay, bias, log := gpu.OfTensor(n.A), gpu.OfTensor(n.DtBias), gpu.OfState(n.Log)
	pl.Launch(fmt.Sprintf("delta_%d", states), [3]int{gpu.Ceil(n.P, gpu.Scan2Rows), n.Heads, 1}, 128, a,
		q, k, v, dt, beta, decay, bias, gpu.OfState(n.H), log, out)
	logBlocks := pl.LogBlocks(backend.DeltaLogWidth(n.Heads, n.V.N, n.K.N))
	w, windowBlocks := pl.window.Take()
	after := afterDeltaArgs{scan: a, conv: w.args, logBlocks: int32(logBlocks), windowBlocks: int32(windowBlocks), eps: n.NormEps}
	pl.Launch("delta_after", [3]int{n.Heads*pl.Tokens + logBlocks + windowBlocks, 1, 1}, 256, after,
		k, v, dt, beta, decay, bias, log, w.in, w.window, z, gpu.OfTensor(n.NormWeight), out)
	return nil
}

// Reorder implements [gpu.Kernels].
func (pl *planner) Reorder(n *backend.Reorder) error {
	a := reorderArgs{channels: int32(n.In.N), block: int32(n.Block)}
	var in, out ref
	in, a.inStride = pl.Slice(n.In)
	out, a.outStride = pl.Value(n.Out)
	pl.Launch("reorder", [3]int{gpu.Ceil(n.In.N, 256), pl.Tokens, 1}, 256, a, in, gpu.Constant(pl.Planner, n.Order), out)
	return nil
}
