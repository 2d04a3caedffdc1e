package cuda

import (
	"fmt"
	"slices"

	"github.com/mil-run/mil/backend"
)

// What kernels for prompts take.
const (
	promptTaps   = 4    // scan2_conv too
	promptRun    = 16   // tokens of a thread of prompt_conv
	promptLanes  = 4    // of a channel of prompt_scan1
	promptStates = 16   // the fewest of prompt_scan2
	promptGroup  = 1024 // channels of a norm's group that a warp takes
	afterColumns = 256  // of a group that a block of after2 makes where several can
)

// long reports whether a pass takes kernels made for prompts, of chips that copy
// to shared memory on their own.
func (pl *planner) long() bool { return pl.tokens > backend.Verify && pl.capability() >= tensorCores }

func (pl *planner) conv(n *backend.Conv) error {
	ws, err := pl.tensors(n.W, n.Bias)
	if err != nil {
		return err
	}
	a := convArgs{
		channelMap: constantOf(pl, n.Map), w: ws[0], bias: ws[1], out: pl.value(n.Out), params: pl.params(),
		channels: int32(n.W.Rows), width: int32(n.In.N), taps: int32(n.Taps),
		outStride: int32(pl.p.Widths[n.Out]), tokens: int32(pl.tokens), logged: bit(pl.p.Logged),
	}
	a.in, a.inStride = pl.slice(n.In)
	if a.window, err = pl.state(n.Window); err != nil {
		return err
	}
	switch {
	case pl.scanConvolves(pl.at):
	case pl.long() && n.Taps == promptTaps:
		add(pl, "prompt_conv", [3]int{ceil(n.W.Rows, 256), ceil(pl.tokens, promptRun), 1}, 256, a)
	default:
		add(pl, "conv", [3]int{ceil(n.W.Rows, 256), pl.tokens, 1}, 256, a)
	}
	if pl.scanReads(n.In.V) {
		pl.window = &a
	} else {
		add(pl, "window", [3]int{ceil(n.In.N, 256), 1, 1}, 256, a)
	}
	return nil
}

// scanConvolves reports whether the node is a convolution that the next node,
// the one reader of what it makes, takes into its launch.
func (pl *planner) scanConvolves(at int) bool {
	if at < 0 || at+1 == len(pl.p.Nodes) || !pl.p.Logged || pl.tokens > backend.Verify {
		return false
	}
	c, ok := pl.p.Nodes[at].(*backend.Conv)
	s, next := pl.p.Nodes[at+1].(*backend.Scan2)
	if !ok || !next || c.Taps != promptTaps || pl.readers(c.Out) > 1 {
		return false
	}
	if s.X.V != c.Out || s.B.V != c.Out || s.C.V != c.Out || s.Dt.V == c.Out || s.Z.V == c.Out {
		return false
	}
	// The convolution's inputs must live as long as the scan. Every channel of x and
	// B must be of some head, which leaves it for the log. The kernel takes 16 bytes
	// of a state or the log at a time.
	return (s.Dt.V == c.In.V || s.Z.V == c.In.V) && s.X.N/s.P <= s.Heads && s.B.N/s.N <= s.Heads &&
		s.N == scan2States(s.N) && (s.Heads|s.X.N)%4 == 0
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

// takeWindow gives the window to move on, and the blocks that takes.
func (pl *planner) takeWindow() (a convArgs, blocks int) {
	if pl.window != nil {
		a, pl.window = *pl.window, nil
	}
	return a, ceil(int(a.width), 256)
}

func (pl *planner) scan1(n *backend.Scan1) error {
	ws, err := pl.tensors(n.A, n.D, n.DtBias)
	if err != nil {
		return err
	}
	a := scan1Args{
		a: ws[0], d: ws[1], bias: ws[2], out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out]), params: pl.params(),
		channels: int32(n.Z.N), states: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: bit(pl.p.Logged), lanes: 1,
	}
	for int(a.lanes) < n.N {
		a.lanes *= 2
	}
	if a.lanes > 32 {
		return fmt.Errorf("a Mamba scan with %d states a channel (at most 32)", n.N)
	}
	a.x, a.xStride = pl.slice(n.X)
	a.dt, a.dtStride = pl.slice(n.Dt)
	a.b, a.bStride = pl.slice(n.B)
	a.c, a.cStride = pl.slice(n.C)
	a.z, a.zStride = pl.slice(n.Z)
	if a.h, err = pl.state(n.H); err != nil {
		return err
	}
	if a.log, err = pl.state(n.Log); err != nil {
		return err
	}
	if pl.long() {
		add(pl, fmt.Sprintf("prompt_scan1_%d", max(a.lanes, promptLanes)), [3]int{ceil(n.Z.N*promptLanes, 128), 1, 1}, 128, a)
	} else {
		add(pl, "scan1", [3]int{ceil(n.Z.N*int(a.lanes), 128), 1, 1}, 128, a)
	}
	after := after1Args{scan: a}
	after.to, _ = pl.quantized(n.Out, false)
	log, window := 0, 0
	if pl.p.Logged {
		log = ceil(backend.Scan1LogWidth(n.Z.N, n.X.N, n.B.N), 256)
	}
	after.conv, window = pl.takeWindow()
	after.logBlocks, after.windowBlocks = int32(log), int32(window)
	if blocks := log + window + ceil(int(after.to.blocks), 8); blocks > 0 {
		add(pl, "after1", [3]int{blocks, 1, 1}, 256, after)
	}
	return nil
}

// scan2Rows is how many rows of a head's state a block holds, scan2Lanes how
// many threads one row has.
const scan2Rows, scan2Lanes = 16, 8

// scan2States is how many states a row has room for in a block.
func scan2States(n int) int {
	states := scan2Lanes
	for states < n {
		states *= 2
	}
	return states
}

func (pl *planner) scan2(n *backend.Scan2) error {
	ws, err := pl.tensors(n.A, n.D, n.DtBias, n.NormWeight)
	if err != nil {
		return err
	}
	a := scan2Args{
		a: ws[0], d: ws[1], bias: ws[2], out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out]), params: pl.params(),
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: bit(pl.p.Logged),
	}
	states := scan2States(n.N)
	if states > 256 {
		return fmt.Errorf("a Mamba-2 scan with %d states a row (at most 256)", n.N)
	}
	a.x, a.xStride = pl.slice(n.X)
	a.b, a.bStride = pl.slice(n.B)
	a.c, a.cStride = pl.slice(n.C)
	a.dt, a.dtStride = pl.slice(n.Dt)
	a.z, a.zStride = pl.slice(n.Z)
	if a.h, err = pl.state(n.H); err != nil {
		return err
	}
	if a.log, err = pl.state(n.Log); err != nil {
		return err
	}
	kernel := "scan2"
	switch {
	case pl.long():
		kernel, states = "prompt_scan2", max(states, promptStates)
	case !pl.p.Logged:
		kernel = "scan2_long"
	}
	grid := [3]int{ceil(n.P, scan2Rows), n.Heads, 1}
	if pl.scanConvolves(pl.at - 1) {
		add(pl, fmt.Sprintf("scan2_conv_%d", states), grid, scan2Rows*scan2Lanes+32, convScan2Args{a, *pl.window, int32(n.X.Off), int32(n.B.Off), int32(n.C.Off)})
		pl.launches[len(pl.launches)-1].shared = uint32(4 * pl.tokens * (2*states + scan2Rows + 2))
	} else {
		add(pl, fmt.Sprintf("%s_%d", kernel, states), grid, scan2Rows*scan2Lanes, a)
	}
	size := n.Heads * n.P / n.NormGroups
	after := after2Args{scan: a, weight: ws[3], groups: int32(n.NormGroups), size: int32(size), parts: 1, eps: n.NormEps}
	if size%32 == 0 {
		after.to, _ = pl.quantized(n.Out, false)
	}
	if after.to.form != formFloat && pl.readers(n.Out) == 1 {
		after.parts = int32(ceil(size, afterColumns))
	}
	log, window := 0, 0
	if pl.p.Logged {
		log = ceil(backend.Scan2LogWidth(n.Heads, n.X.N, n.B.N), 256)
	}
	after.conv, window = pl.takeWindow()
	after.logBlocks, after.windowBlocks = int32(log), int32(window)
	if pl.long() && size <= promptGroup {
		add(pl, "prompt_after2", [3]int{ceil(n.NormGroups*pl.tokens, 8) + window, 1, 1}, 256, after)
	} else {
		add(pl, "after2", [3]int{n.NormGroups*int(after.parts)*pl.tokens + log + window, 1, 1}, 256, after)
	}
	return nil
}

// readers is how many nodes, or callers, read a value.
func (pl *planner) readers(v backend.Value) (n int) {
	for _, node := range pl.p.Nodes {
		if slices.Contains(node.Reads(), v) {
			n++
		}
	}
	if slices.Contains(pl.p.Outputs, v) {
		n++
	}
	return n
}
