package metal

import "math"

// The kernels' argument structs, as kernels/*.h and *.metal have them: fields of
// 4 bytes, so that Go and Metal lay them out alike.

type embedArgs struct {
	cols, kind int32
}

type copyArgs struct {
	cols, xStride, outStride int32
	tokens, head             int32
}

// Values of a product's head field.
const (
	headNone    = iota
	headCompact // rows are logits, x begins with them
	headLast    // rows are logits, x is the whole pass's
)

type matVecArgs struct {
	ends                                [4]int32
	cols, xStride, outStride, addStride int32
	tokens, head, add, kind, kind2      int32
	normed                              int32
	eps                                 float32
}

type rankArgs struct {
	vocab, tokens, slices int32
	recent                int32 // where in the parameters they begin
}

type ropeArgs struct {
	stride                                             int32
	heads, kvHeads, dim, pairs, width, positions, kind int32
	halves                                             int32
	window                                             int32
}

type finishArgs struct {
	stride, upStride, channels, dim, activation int32
	biased, normed, weighted, gated             int32 // which of the memories there are
	eps, scale, least                           float32
}

type attendArgs struct {
	qStride, outStride                    int32
	heads, kvHeads, dim, width, positions int32
	split, splits                         int32
	window                                int32
	scale                                 float32
}

type convArgs struct {
	channels, width, taps                       int32
	inStride, outStride, tokens, logged, mapped int32
}

type scan1Args struct {
	xStride, dtStride, bStride, cStride, zStride, outStride int32
	channels, states, xs, bs, cs                            int32
	tokens, logged, lanes                                   int32
}

type scan2Args struct {
	xStride, bStride, cStride, dtStride, zStride, outStride int32
	heads, p, n, xs, bs, cs                                 int32
	tokens, logged                                          int32
}

type after1Args struct {
	scan                    scan1Args
	conv                    convArgs
	logBlocks, windowBlocks int32
}

type after2Args struct {
	scan                    scan2Args
	conv                    convArgs
	groups, size, normed    int32 // of the norm
	logBlocks, windowBlocks int32
	eps                     float32
}

type deltaArgs struct {
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

type reorderArgs struct{ channels, block, inStride, outStride int32 }

// turns are a rotation's frequencies, radians a position, as rope takes them:
// fractions of a turn, 2^64 a whole one. A position times such a frequency wraps
// around where the angle does.
func turns(freqs []float64) []uint64 {
	out := make([]uint64, len(freqs))
	for i, f := range freqs {
		_, t := math.Modf(f / (2 * math.Pi))
		if t < 0 {
			t++
		}
		out[i] = uint64(math.Ldexp(t, 64)) // exact: t is less than 1
	}
	return out
}
