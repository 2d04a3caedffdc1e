package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Shapes that kernels for prompts take.
const (
	promptTaps   = 4    // scan2_conv too
	promptRun    = 16   // tokens of a thread of prompt_conv
	promptLanes  = 4    // of a channel of prompt_scan1
	promptStates = 16   // the fewest of prompt_scan2
	promptGroup  = 1024 // channels of a norm's group that a warp takes
	afterColumns = 256  // of a group that a block of after2 makes where several can
)

// long reports whether the program takes kernels made for prompts, of chips that copy
// to shared memory on their own.
func (pl *planner) long() bool { return !pl.P.Logged && pl.Chip.Level >= tensorCores }

// Conv implements [gpu.Kernels].
func (pl *planner) Conv(n *backend.Conv) error {
	a := convArgs{
		channelMap: gpu.Constant(pl.Planner, n.Map), w: gpu.OfTensor(n.W), bias: pl.Bias(n), window: gpu.OfState(n.Window), params: pl.Block(),
		channels: int32(n.W.Rows), width: int32(n.In.N), taps: int32(n.Taps), tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged),
	}
	a.in, a.inStride = pl.Slice(n.In)
	a.out, a.outStride = pl.Value(n.Out)
	switch {
	case pl.scanConvolves(pl.At):
	case pl.long() && n.Taps == promptTaps:
		pl.Launch("prompt_conv", [3]int{gpu.Ceil(n.W.Rows, 256), gpu.Ceil(pl.Tokens, promptRun), 1}, 256, a)
	default:
		pl.Launch("conv", [3]int{gpu.Ceil(n.W.Rows, 256), pl.Tokens, 1}, 256, a)
	}
	if pl.ScanReads(n.In.V) {
		pl.window.Keep(a, n.In.N)
	} else {
		pl.Launch("window", [3]int{gpu.Ceil(n.In.N, gpu.WindowBlock), 1, 1}, gpu.WindowBlock, a)
	}
	return nil
}

// scanConvolves reports whether the node is a convolution that the next node,
// the one reader of its output, takes into its launch.
func (pl *planner) scanConvolves(at int) bool {
	if at < 0 || at+1 == len(pl.P.Nodes) || !pl.P.Logged {
		return false
	}
	c, ok := pl.P.Nodes[at].(*backend.Conv)
	s, next := pl.P.Nodes[at+1].(*backend.Scan2)
	if !ok || !next || c.Taps != promptTaps || pl.Readers(c.Out) > 1 {
		return false
	}
	if s.X.V != c.Out || s.B.V != c.Out || s.C.V != c.Out || s.Dt.V == c.Out || s.Z.V == c.Out {
		return false
	}
	// The convolution's inputs must live as long as the scan. Every channel of x and
	// B must be of some head, which leaves it for the log. The kernel takes 16 bytes
	// of a state or the log at a time.
	return (s.Dt.V == c.In.V || s.Z.V == c.In.V) && s.X.N/s.P <= s.Heads && s.B.N/s.N <= s.Heads &&
		s.N == gpu.Double(scan2Lanes, s.N) && (s.Heads|s.X.N)%4 == 0
}

// Scan1 implements [gpu.Kernels].
func (pl *planner) Scan1(n *backend.Scan1) error {
	lanes, err := gpu.Scan1Lanes(n.N)
	if err != nil {
		return err
	}
	a := scan1Args{
		a: gpu.OfTensor(n.A), d: gpu.OfTensor(n.D), bias: gpu.OfTensor(n.DtBias), h: gpu.OfState(n.H), log: gpu.OfState(n.Log), params: pl.Block(),
		channels: int32(n.Z.N), states: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged), lanes: lanes,
	}
	a.out, a.outStride = pl.Value(n.Out)
	a.x, a.xStride = pl.Slice(n.X)
	a.dt, a.dtStride = pl.Slice(n.Dt)
	a.b, a.bStride = pl.Slice(n.B)
	a.c, a.cStride = pl.Slice(n.C)
	a.z, a.zStride = pl.Slice(n.Z)
	if pl.long() {
		pl.Launch(fmt.Sprintf("prompt_scan1_%d", max(a.lanes, promptLanes)), [3]int{gpu.Ceil(n.Z.N*promptLanes, 128), 1, 1}, 128, a)
	} else {
		pl.Launch("scan1", [3]int{gpu.Ceil(n.Z.N*int(a.lanes), 128), 1, 1}, 128, a)
	}
	after := after1Args{scan: a}
	after.to, _ = pl.quantized(n.Out, false)
	log, window := pl.LogBlocks(backend.Scan1LogWidth(n.Z.N, n.X.N, n.B.N)), 0
	after.conv, window = pl.window.Take()
	after.logBlocks, after.windowBlocks = int32(log), int32(window)
	if blocks := log + window + gpu.Ceil(int(after.to.blocks), 8); blocks > 0 {
		pl.Launch("after1", [3]int{blocks, 1, 1}, 256, after)
	}
	return nil
}

// scan2Lanes is how many threads a row of a head's state has.
const scan2Lanes = 8

// Scan2 implements [gpu.Kernels].
func (pl *planner) Scan2(n *backend.Scan2) error {
	states, err := gpu.Scan2States(scan2Lanes, n.N)
	if err != nil {
		return err
	}
	a := scan2Args{
		a: gpu.OfTensor(n.A), d: gpu.OfTensor(n.D), bias: gpu.OfTensor(n.DtBias), h: gpu.OfState(n.H), log: gpu.OfState(n.Log), params: pl.Block(),
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged),
	}
	a.out, a.outStride = pl.Value(n.Out)
	a.x, a.xStride = pl.Slice(n.X)
	a.b, a.bStride = pl.Slice(n.B)
	a.c, a.cStride = pl.Slice(n.C)
	a.dt, a.dtStride = pl.Slice(n.Dt)
	a.z, a.zStride = pl.Slice(n.Z)
	kernel := "scan2"
	switch {
	case pl.long():
		kernel, states = "prompt_scan2", max(states, promptStates)
	case !pl.P.Logged:
		kernel = "scan2_long"
	}
	grid := [3]int{gpu.Ceil(n.P, gpu.Scan2Rows), n.Heads, 1}
	if pl.scanConvolves(pl.At - 1) {
		l := pl.Launch(fmt.Sprintf("scan2_conv_%d", states), grid, gpu.Scan2Rows*scan2Lanes+32, convScan2Args{a, pl.window.Args(), int32(n.X.Off), int32(n.B.Off), int32(n.C.Off)})
		l.Shared = uint32(4 * pl.Tokens * (2*states + gpu.Scan2Rows + 2))
	} else {
		pl.Launch(fmt.Sprintf("%s_%d", kernel, states), grid, gpu.Scan2Rows*scan2Lanes, a)
	}
	size := n.Heads * n.P / n.NormGroups
	after := after2Args{scan: a, groups: int32(n.NormGroups), size: int32(size), parts: 1, eps: n.NormEps}
	if n.NormWeight != nil {
		after.weight = gpu.OfTensor(n.NormWeight)
	}
	if size%32 == 0 {
		after.to, _ = pl.quantized(n.Out, false)
	}
	if after.to.form != formFloat && pl.Readers(n.Out) == 1 {
		after.parts = int32(gpu.Ceil(size, afterColumns))
	}
	log, window := pl.LogBlocks(backend.Scan2LogWidth(n.Heads, n.X.N, n.B.N)), 0
	after.conv, window = pl.window.Take()
	after.logBlocks, after.windowBlocks = int32(log), int32(window)
	if pl.long() && size <= promptGroup && n.NormWeight != nil {
		pl.Launch("prompt_after2", [3]int{gpu.Ceil(n.NormGroups*pl.Tokens, 8) + window, 1, 1}, 256, after)
	} else {
		pl.Launch("after2", [3]int{n.NormGroups*int(after.parts)*pl.Tokens + log + window, 1, 1}, 256, after)
	}
	return nil
}

// DeltaScan implements [gpu.Kernels].
func (pl *planner) DeltaScan(n *backend.DeltaScan) error {
	states, err := gpu.DeltaStates(n.N)
	if err != nil {
		return err
	}
	a := deltaArgs{
		a: gpu.OfTensor(n.A), bias: gpu.OfTensor(n.DtBias), weight: gpu.OfTensor(n.NormWeight), h: gpu.OfState(n.H), log: gpu.OfState(n.Log), params: pl.Block(),
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), keys: int32(n.K.N / n.N), tiled: gpu.Bit(n.Tiled), tokens: int32(pl.Tokens), logged: gpu.Bit(pl.P.Logged),
	}
	a.q, a.qStride = pl.Slice(n.Q)
	a.k, a.kStride = pl.Slice(n.K)
	a.v, a.vStride = pl.Slice(n.V)
	a.dt, a.dtStride = pl.Slice(n.Dt)
	a.beta, a.betaStride = pl.Slice(n.Beta)
	a.z, a.zStride = pl.Slice(n.Z)
	a.out, a.outStride = pl.Value(n.Out)
	pl.Launch(fmt.Sprintf("delta_%d", states), [3]int{gpu.Ceil(n.P, gpu.Scan2Rows), n.Heads, 1}, gpu.Scan2Rows*scan2Lanes, a)
	after, window := afterDeltaArgs{scan: a, eps: n.NormEps}, 0
	log := pl.LogBlocks(backend.DeltaLogWidth(n.Heads, n.V.N, n.K.N))
	after.conv, window = pl.window.Take()
	after.logBlocks, after.windowBlocks = int32(log), int32(window)
	pl.Launch("after_delta", [3]int{n.Heads*pl.Tokens + log + window, 1, 1}, 256, after)
	return nil
}

// Reorder implements [gpu.Kernels].
func (pl *planner) Reorder(n *backend.Reorder) error {
	a := reorderArgs{order: gpu.Constant(pl.Planner, n.Order), channels: int32(n.In.N), block: int32(n.Block)}
	a.in, a.inStride = pl.Slice(n.In)
	a.out, a.outStride = pl.Value(n.Out)
	pl.Launch("reorder", [3]int{gpu.Ceil(n.In.N, 256), pl.Tokens, 1}, 256, a)
	return nil
}
