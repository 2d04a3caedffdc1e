package metal

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

const (
	finishThreads = 128
	finishRun     = 512 // channels of a threadgroup where nothing is normalized
)

// Finish implements [gpu.Kernels]: a launch for each part.
func (pl *planner) Finish(n *backend.Finish) error {
	for _, p := range n.Parts {
		a := finishArgs{channels: int32(p.X.N), dim: finishRun, activation: int32(p.F), scale: p.Factor(), least: p.Least}
		var x, bias, weight, up ref
		x, a.stride = pl.Slice(p.X)
		if p.Bias != nil {
			bias, a.biased = gpu.OfTensor(p.Bias), 1
		}
		if h := p.Norm; h != nil {
			a.normed, a.dim, a.eps = 1, int32(h.Dim), h.Eps
			if h.Weight != nil {
				weight, a.weighted = gpu.OfTensor(h.Weight), 1
			}
		}
		if p.Up.N > 0 {
			up, a.upStride = pl.Slice(p.Up)
			a.gated = 1
		}
		pl.Launch("finish", [3]int{gpu.Ceil(p.X.N, int(a.dim)), pl.Tokens, 1}, finishThreads, a, x, bias, weight, up)
	}
	return nil
}
