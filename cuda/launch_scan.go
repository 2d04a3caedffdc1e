package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
)

func (pl *planner) conv(n *backend.Conv) error {
	ws, err := pl.tensors(n.W, n.Bias)
	if err != nil {
		return err
	}
	a := convArgs{
		channelMap: constantOf(pl, n.Map), w: ws[0], bias: ws[1], out: pl.value(n.Out), params: pl.params(),
		channels: int32(n.W.Rows), width: int32(n.In.N), taps: int32(n.Taps),
		outStride: int32(pl.p.Widths[n.Out]), tokens: int32(pl.tokens), logged: flag(pl.p.Logged),
	}
	a.in, a.inStride = pl.slice(n.In)
	if a.window, err = pl.state(n.Window); err != nil {
		return err
	}
	add(pl, "conv", [3]int{ceil(n.W.Rows, 256), pl.tokens, 1}, 256, a)
	add(pl, "window", [3]int{ceil(n.In.N, 256), 1, 1}, 256, a)
	return nil
}

func (pl *planner) scan1(n *backend.Scan1) error {
	ws, err := pl.tensors(n.A, n.D, n.DtBias)
	if err != nil {
		return err
	}
	a := scan1Args{
		a: ws[0], d: ws[1], bias: ws[2], out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out]), params: pl.params(),
		channels: int32(n.Z.N), states: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: flag(pl.p.Logged), lanes: 1,
	}
	for int(a.lanes) < n.N {
		a.lanes *= 2
	}
	if a.lanes > 32 {
		return fmt.Errorf("Mamba with %d states a channel (at most 32)", n.N)
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
	add(pl, "scan1", [3]int{ceil(n.Z.N*int(a.lanes), 128), 1, 1}, 128, a)
	if pl.p.Logged {
		add(pl, "keep1", [3]int{ceil(backend.Scan1LogWidth(n.Z.N, n.X.N, n.B.N), 256), pl.tokens, 1}, 256, a)
	}
	return nil
}

// scan2Rows is how many rows of a head's state a block holds, scan2Lanes how
// many threads one row has.
const scan2Rows, scan2Lanes = 16, 8

func (pl *planner) scan2(n *backend.Scan2) error {
	ws, err := pl.tensors(n.A, n.D, n.DtBias, n.NormWeight)
	if err != nil {
		return err
	}
	a := scan2Args{
		a: ws[0], d: ws[1], bias: ws[2], out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out]), params: pl.params(),
		heads: int32(n.Heads), p: int32(n.P), n: int32(n.N), xs: int32(n.X.N), bs: int32(n.B.N), cs: int32(n.C.N),
		tokens: int32(pl.tokens), logged: flag(pl.p.Logged),
	}
	states := scan2Lanes
	for states < n.N {
		states *= 2
	}
	if states > 256 {
		return fmt.Errorf("Mamba-2 with %d states a row (at most 256)", n.N)
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
	add(pl, fmt.Sprintf("scan2_%d", states), [3]int{ceil(n.P, scan2Rows), n.Heads, 1}, scan2Rows*scan2Lanes, a)
	if pl.p.Logged {
		add(pl, "keep2", [3]int{ceil(backend.Scan2LogWidth(n.Heads, n.X.N, n.B.N), 256), pl.tokens, 1}, 256, a)
	}
	add(pl, "groupnorm", [3]int{n.NormGroups, pl.tokens, 1}, 256, groupNormArgs{a.out, ws[3], a.outStride, int32(n.Heads * n.P / n.NormGroups), n.NormEps})
	return nil
}
