package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// RopeStore implements [gpu.Kernels].
func (pl *planner) RopeStore(n *backend.RopeStore) error {
	if err := gpu.OneValue(n); err != nil {
		return err
	}
	a := ropeArgs{heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), pairs: int32(len(n.Freqs)), kind: int32(n.KVType), halves: gpu.Bit(n.Halves), window: int32(n.Window)}
	a.positions, a.width = gpu.CacheShape(&n.Heads)
	keys, values, err := gpu.Caches(&n.Heads, n.KCache, n.VCache)
	if err != nil {
		return err
	}
	var freqs ref
	if len(n.Freqs) > 0 {
		freqs = gpu.ConstantFrom(pl.Planner, &n.Freqs[0], turns(n.Freqs))
	}
	q, stride := pl.Slice(n.Q)
	k, _ := pl.Slice(n.K)
	v, _ := pl.Slice(n.V)
	a.stride = stride
	pl.Launch("rope", [3]int{n.Heads.Heads + n.KVHeads, pl.Tokens, 1}, 64, a, q, k, v, keys, values, freqs)
	return nil
}

// Attend implements [gpu.Kernels].
func (pl *planner) Attend(n *backend.Attend) error {
	a := attendArgs{heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), window: int32(n.Window), scale: n.Factor()}
	a.positions, a.width = gpu.CacheShape(&n.Heads)
	keys, values, err := gpu.Caches(&n.Heads, n.KCache, n.VCache)
	if err != nil {
		return err
	}
	q, qStride := pl.Slice(n.Q)
	out, outStride := pl.Value(n.Out)
	a.qStride, a.outStride = qStride, outStride
	lanes, err := gpu.HeadLanes(n.Dim)
	if err != nil {
		return err
	}
	long := !pl.P.Logged
	if w := a.width; long && (w == 32 || w == 64 || w == 128) {
		pl.Launch(fmt.Sprintf("prompt_attend_%v_%d", n.KVType, w), [3]int{gpu.Ceil(pl.Tokens, 32), n.Heads.Heads, 1}, 128, a, q, keys, values, out)
		return nil
	}
	kernel := fmt.Sprintf("attend_%v_%d", n.KVType, lanes)
	blocks := pl.Tokens * gpu.Ceil(n.Heads.Heads/n.KVHeads, gpu.Queries)
	if long { // enough tokens to fill the GPU: no parts
		pl.Launch(kernel, [3]int{1, n.KVHeads, blocks}, 128, a, q, keys, values, out, ref{})
		return nil
	}
	split, splits := gpu.Parts(&n.Heads, gpu.PartPositions, gpu.PartsAtMost)
	a.split, a.splits = int32(split), int32(splits)
	parts := pl.Reserve(0, pl.Tokens*n.Heads.Heads*splits*(int(a.width)+2)*4)
	pl.Launch(kernel, [3]int{splits, n.KVHeads, blocks}, 128, a, q, keys, values, out, parts)
	pl.Launch("merge", [3]int{n.Heads.Heads, pl.Tokens, 1}, 256, a, q, keys, values, out, parts)
	return nil
}
