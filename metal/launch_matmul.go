package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

const (
	mostMatrices = 4 // of one launch
	mostTokens   = 8 // of one threadgroup of a matrix-vector product
)

// product is a node's inputs, weights and output.
type product struct {
	in   backend.Slice
	norm *backend.Norm
	rows int // of in that are multiplied, at most
	few  bool
	head int32
	out  ref
	args matVecArgs
	add  ref
}

// refs are a launch's memories: the matrices, the input, a norm's weight, a
// residual, the output.
func (x *product) refs(in ref, w [mostMatrices]ref) []ref {
	var weight ref
	if x.norm != nil {
		weight, x.args.normed, x.args.eps = gpu.OfTensor(x.norm.Weight), 1, x.norm.Eps
	}
	return append(w[:], in, weight, x.add, x.out)
}

// MatMul implements [gpu.Kernels].
func (pl *planner) MatMul(n *backend.MatMul) error {
	x := product{in: n.In, norm: n.Norm, rows: pl.Tokens, few: pl.Few(false)}
	x.out, x.args.outStride = pl.Value(n.Out)
	if n.Add != backend.None {
		x.add, x.args.addStride = pl.Value(n.Add)
		x.args.add = 1
	}
	pl.products(x, n.W)
	return nil
}

// Logits implements [gpu.Kernels].
func (pl *planner) Logits(n *backend.Logits) error {
	x := product{in: n.In, norm: n.Norm, rows: min(pl.Tokens, pl.P.LogitRows), few: pl.Few(true), head: headLast}
	x.out, x.args.outStride = pl.Rows(x.rows)
	pl.products(x, []*backend.Tensor{n.W})
	return nil
}

// GateUp implements [gpu.Kernels].
func (pl *planner) GateUp(n *backend.GateUp) error {
	x := product{in: n.In, norm: n.Norm, rows: pl.Tokens, few: pl.Few(false)}
	x.out, x.args.outStride = pl.Value(n.Out)
	in := pl.input(&x)
	rows := int32(n.Gate.Rows)
	x.args.ends, x.args.kind, x.args.kind2 = [4]int32{rows, rows, rows, rows}, int32(n.Gate.Type), int32(n.Up.Type)
	gate, up := gpu.OfTensor(n.Gate), gpu.OfTensor(n.Up)
	pl.product("_gate", n.Gate, n.Gate.Type == n.Up.Type, &x, x.refs(in, [mostMatrices]ref{gate, up, gate, up}))
	return nil
}

// input is where a product's activations lie: as the node before left them, or
// brought to where kernels can read them by a launch of its own.
func (pl *planner) input(x *product) ref {
	a := &x.args
	a.cols, a.tokens = int32(x.in.N), int32(pl.Tokens)
	in, stride := pl.Slice(x.in)
	if in.Off%16 == 0 && stride%4 == 0 {
		a.xStride, a.head = stride, x.head
		return in
	}
	a.xStride = int32(x.in.N+3) &^ 3
	c := copyArgs{cols: int32(x.in.N), xStride: stride, outStride: a.xStride, tokens: int32(pl.Tokens)}
	if x.head != headNone {
		c.head, a.head = 1, headCompact
	}
	out := pl.Reserve(0, 4*int(a.xStride)*x.rows)
	pl.Launch("copy", [3]int{x.rows, 1, 1}, 256, c, in, out)
	return out
}

// products multiplies by matrices whose rows follow each other: those of one
// type in one launch.
func (pl *planner) products(x product, w []*backend.Tensor) {
	in := pl.input(&x)
	for len(w) > 0 {
		n := 1
		for fast(w[0], &x) && n < min(len(w), mostMatrices) && w[n].Type == w[0].Type {
			n++
		}
		rows := 0
		var matrices [mostMatrices]ref
		for i := range matrices {
			matrices[i] = gpu.OfTensor(w[0])
			if i < n {
				matrices[i] = gpu.OfTensor(w[i])
				rows += w[i].Rows
			}
			x.args.ends[i] = int32(rows)
		}
		x.args.kind = int32(w[0].Type)
		pl.product("", w[0], true, &x, x.refs(in, matrices))
		x.out, x.add = x.out.Skip(4*rows), x.add.Skip(4*rows)
		w = w[n:]
	}
}

// fast reports whether there is a kernel for w's type that takes several
// matrices: products of vectors read floats four at a time.
func fast(w *backend.Tensor, x *product) bool {
	spec, _ := w.Type.Spec()
	return !x.few || spec.Block > 1 || w.Cols%4 == 0
}

// product launches the kernel for w's type over the rows that ends has.
func (pl *planner) product(kind string, w *backend.Tensor, oneType bool, x *product, refs []ref) {
	gates, rows := 1, int(x.args.ends[mostMatrices-1])
	if kind != "" {
		gates = 2
	}
	switch {
	case !oneType || !fast(w, x):
		pl.Launch("matvec_any"+kind, [3]int{gpu.Ceil(rows, 2), x.rows, 1}, 64, x.args, refs...)
	case !x.few:
		pl.Launch(fmt.Sprintf("gemm_%v%s", w.Type, kind), [3]int{gpu.Ceil(rows, 64/gates), gpu.Ceil(x.rows, 32), 1}, 128, x.args, refs...)
	default:
		each, perGroup := 1, 8
		for each < min(x.rows, mostTokens) {
			each, perGroup = 2*each, 4
		}
		pl.Launch(fmt.Sprintf("matvec_%v%s_%d", w.Type, kind, each), [3]int{gpu.Ceil(rows, perGroup/gates), gpu.Ceil(x.rows, each), 1}, 64, x.args, refs...)
	}
}
