package cuda

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

const (
	finishThreads = 128
	finishParts   = 4   // of one launch
	finishRun     = 512 // channels of a block where nothing is normalized
)

// Finish implements [gpu.Kernels].
func (pl *planner) Finish(n *backend.Finish) error {
	for parts := n.Parts; len(parts) > 0; parts = parts[min(finishParts, len(parts)):] {
		var a finishArgs
		blocks, count := 0, min(finishParts, len(parts))
		for i, p := range parts[:count] {
			a.parts[i] = pl.part(&p)
			blocks = max(blocks, gpu.Ceil(p.X.N, int(a.parts[i].dim)))
		}
		pl.Launch("finish", [3]int{blocks, pl.Tokens, count}, finishThreads, a)
	}
	pl.ready = prepared{in: backend.Slice{V: backend.None}, side: pl.ready.side} // it may have been of a value as it was
	return nil
}

func (pl *planner) part(p *backend.Part) finishPartArgs {
	a := finishPartArgs{channels: int32(p.X.N), dim: finishRun, activation: int32(p.F), scale: p.Factor(), least: p.Least}
	a.x, a.stride = pl.Slice(p.X)
	if p.Bias != nil {
		a.bias = gpu.OfTensor(p.Bias)
	}
	if h := p.Norm; h != nil {
		a.normed, a.dim, a.eps = 1, int32(h.Dim), h.Eps
		if h.Weight != nil {
			a.weight = gpu.OfTensor(h.Weight)
		}
	}
	if p.Up.N > 0 {
		a.up, a.upStride = pl.Slice(p.Up)
	}
	return a
}
