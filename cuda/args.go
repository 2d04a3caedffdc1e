package cuda

import "github.com/mil-run/mil/backend/gpu"

// The kernels' argument structs, as kernels/*.cu and *.h have them: addresses
// first, then 4-byte fields. gpu.Pack lays them out.

// ref stands in the place of an address.
type ref = gpu.Ref

// loadArgs are those of the one launch that is not planned: its memory is known
// where it is made.
type loadArgs struct {
	from, to uint64
	words    int32
	_        int32
}

type embedArgs struct {
	table, out, params ref
	cols, kind         int32
}

// Forms a product's input is prepared in.
const (
	formFloat     = iota // float32
	formInt8             // int8, and a scale for 32
	formInt8Q8           // the same, 34 bytes for 32, as Q8_0 lies
	formBF16             // bfloat16
	formTile             // int8, 32 values of each token beside each other
	formBF16Tiles        // bfloat16 tiles
	formBF16x3           // the same, in three parts whose sum is float32
)

// quantizedArgs is where int8 activations go.
type quantizedArgs struct {
	out, scales          ref
	stride, form, blocks int32
}

type prepareArgs struct {
	x, weight, params, squares ref
	to                         quantizedArgs
	cols, xStride              int32
	share                      int32
	tokens, head               int32
	eps                        float32
}

type matVecArgs struct {
	w                                   [4]ref
	x, scales, out, add, params         ref
	ends                                [4]int32
	cols, xStride, outStride, addStride int32
	tokens, head, kind, kind2           int32
}

type spreadArgs struct {
	x, weight, out                ref
	cols, xStride, parts, aligned int32
	eps                           float32
}

type expandArgs struct {
	w                 [4]ref
	out               ref
	ends              [4]int32
	cols, first, gate int32
}

type wgmmaArgs struct {
	x, w, out, add              ref
	tokens, rows, steps         int32
	xParts, wParts              int32
	outStride, addStride, pairs int32
}

type productArgs struct {
	a                   matVecArgs
	to                  quantizedArgs
	next, squares, norm ref
	eps                 float32
}

type rankArgs struct {
	logits, params, recent, keys, sums, out ref
	vocab, tokens, slices                   int32
}

type ropeArgs struct {
	q, k, v, keys, values, freqs, params               ref
	stride                                             int32
	heads, kvHeads, dim, pairs, width, positions, kind int32
	halves                                             int32
	window                                             int32
}

type ropeManyArgs struct {
	rope        ropeArgs
	lanes, span int32
}

type finishPartArgs struct {
	x, bias, weight, up       ref
	stride, upStride          int32
	channels, dim, activation int32
	normed                    int32
	eps, scale, least         float32
}

type finishArgs struct {
	parts [4]finishPartArgs
}

type attendArgs struct {
	q, keys, values, out, parts, params   ref
	to                                    quantizedArgs
	qStride, outStride                    int32
	heads, kvHeads, dim, width, positions int32
	split, splits                         int32
	window                                int32
	scale                                 float32
}

type convArgs struct {
	in, channelMap, w, bias, window, out, params ref
	channels, width, taps                        int32
	inStride, outStride, tokens, logged          int32
}

type scan1Args struct {
	x, dt, b, c, z, a, d, bias, h, log, out, params         ref
	xStride, dtStride, bStride, cStride, zStride, outStride int32
	channels, states, xs, bs, cs                            int32
	tokens, logged, lanes                                   int32
}

type scan2Args struct {
	x, b, c, dt, z, a, d, bias, h, log, out, params         ref
	xStride, bStride, cStride, dtStride, zStride, outStride int32
	heads, p, n, xs, bs, cs                                 int32
	tokens, logged                                          int32
}

type convScan2Args struct {
	scan                   scan2Args
	conv                   convArgs
	xFirst, bFirst, cFirst int32
}

type after1Args struct {
	scan                    scan1Args
	conv                    convArgs
	to                      quantizedArgs
	logBlocks, windowBlocks int32
}

type after2Args struct {
	scan                    scan2Args
	conv                    convArgs
	to                      quantizedArgs
	weight                  ref
	groups, size, parts     int32
	logBlocks, windowBlocks int32
	eps                     float32
}

type deltaArgs struct {
	q, k, v, dt, beta, z, a, bias, weight, h, log, out, params          ref
	qStride, kStride, vStride, dtStride, betaStride, zStride, outStride int32
	heads, p, n, keys, tiled                                            int32
	tokens, logged                                                      int32
}

type afterDeltaArgs struct {
	scan                    deltaArgs
	conv                    convArgs
	logBlocks, windowBlocks int32
	eps                     float32
}

type reorderArgs struct {
	in, order, out                       ref
	channels, block, inStride, outStride int32
}
