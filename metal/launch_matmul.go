package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
)

const (
	mostMatrices = 4 // of one launch
	mostTokens   = 8 // of one threadgroup of a matrix-vector product
)

// product is what a node multiplies and where to.
type product struct {
	in   backend.Slice
	norm *backend.Norm
	rows int // of in that are multiplied, at most
	head int32
	out  ref
	args matVecArgs
	add  ref
}

// refs are a launch's memories: the matrices, the input, a norm's weight, a
// residual, the output.
func (x *product) refs(in ref, w [mostMatrices]ref) []ref {
	weight := unused
	if x.norm != nil {
		weight, x.args.normed, x.args.eps = tensor(x.norm.Weight), 1, x.norm.Eps
	}
	return append(w[:], in, weight, x.add, x.out)
}

func (pl *planner) matMul(n *backend.MatMul) error {
	x := product{in: n.In, norm: n.Norm, rows: pl.tokens, add: unused}
	x.out, x.args.outStride = pl.value(n.Out)
	if n.Add != backend.None {
		x.add, x.args.addStride = pl.value(n.Add)
		x.args.add = 1
	}
	return pl.products(x, n.W)
}

func (pl *planner) head(n *backend.Logits) error {
	x := product{in: n.In, norm: n.Norm, rows: min(pl.tokens, pl.p.LogitRows), head: headLast, add: unused}
	x.out = ref{area: areaLogits, bytes: 4 * x.rows * pl.p.Vocab}
	x.args.outStride = int32(pl.p.Vocab)
	return pl.products(x, []*backend.Tensor{n.W})
}

func (pl *planner) gateUp(n *backend.GateUp) error {
	x := product{in: n.In, norm: n.Norm, rows: pl.tokens, add: unused}
	x.out, x.args.outStride = pl.value(n.Out)
	in := pl.input(&x)
	rows := int32(n.Gate.Rows)
	x.args.ends, x.args.kind, x.args.kind2 = [4]int32{rows, rows, rows, rows}, int32(n.Gate.Type), int32(n.Up.Type)
	gate, up := tensor(n.Gate), tensor(n.Up)
	pl.product("_gate", n.Gate, n.Gate.Type == n.Up.Type, &x, x.refs(in, [mostMatrices]ref{gate, up, gate, up}))
	return nil
}

// input is where a product's activations lie: as the node before left them, or
// brought to where kernels can read them by a launch of its own.
func (pl *planner) input(x *product) ref {
	a := &x.args
	a.cols, a.tokens = int32(x.in.N), int32(pl.tokens)
	in, stride := pl.slice(x.in)
	if in.off%16 == 0 && stride%4 == 0 {
		a.xStride, a.head = stride, x.head
		return in
	}
	a.xStride = int32(x.in.N+3) &^ 3
	c := copyArgs{cols: int32(x.in.N), xStride: stride, outStride: a.xStride, tokens: int32(pl.tokens)}
	if x.head != headNone {
		c.head, a.head = 1, headCompact
	}
	out := pl.scratch(4 * int(a.xStride) * x.rows)
	add(pl, "copy", [3]int{x.rows, 1, 1}, 256, c, in, out)
	return out
}

// products multiplies by matrices whose rows follow each other: those of one
// type in one launch.
func (pl *planner) products(x product, w []*backend.Tensor) error {
	in := pl.input(&x)
	for len(w) > 0 {
		n := 1
		for fast(w[0], &x) && n < min(len(w), mostMatrices) && w[n].Type == w[0].Type {
			n++
		}
		rows := 0
		var matrices [mostMatrices]ref
		for i := range matrices {
			matrices[i] = tensor(w[0])
			if i < n {
				matrices[i] = tensor(w[i])
				rows += w[i].Rows
			}
			x.args.ends[i] = int32(rows)
		}
		x.args.kind = int32(w[0].Type)
		pl.product("", w[0], true, &x, x.refs(in, matrices))
		x.out = skip(x.out, 4*rows)
		if x.args.add != 0 {
			x.add = skip(x.add, 4*rows)
		}
		w = w[n:]
	}
	return nil
}

func skip(r ref, bytes int) ref {
	r.off += bytes
	r.bytes -= bytes
	return r
}

// fast reports whether there is a kernel for w's type that takes several
// matrices: products of vectors read floats four at a time.
func fast(w *backend.Tensor, x *product) bool {
	spec, _ := w.Type.Spec()
	return x.rows > backend.Verify || spec.Block > 1 || w.Cols%4 == 0
}

// product launches the kernel for w's type over the rows that ends has.
func (pl *planner) product(kind string, w *backend.Tensor, oneType bool, x *product, refs []ref) {
	gates, rows := 1, int(x.args.ends[mostMatrices-1])
	if kind != "" {
		gates = 2
	}
	switch {
	case !oneType || !fast(w, x):
		add(pl, "matvec_any"+kind, [3]int{ceil(rows, 2), x.rows, 1}, 64, x.args, refs...)
	case x.rows > backend.Verify:
		add(pl, fmt.Sprintf("gemm_%v%s", w.Type, kind), [3]int{ceil(rows, 64/gates), ceil(x.rows, 32), 1}, 128, x.args, refs...)
	default:
		each, perGroup := 1, 8
		for each < min(x.rows, mostTokens) {
			each, perGroup = 2*each, 4
		}
		add(pl, fmt.Sprintf("matvec_%v%s_%d", w.Type, kind, each), [3]int{ceil(rows, perGroup/gates), ceil(x.rows, each), 1}, 64, x.args, refs...)
	}
}
