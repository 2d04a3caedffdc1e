// Products of a matrix with 1 to 16 tokens, a simdgroup a few rows.
//
// A lane's share of a row does not depend on the number of tokens or of rows,
// nor does the order in which its parts and then the lanes are added, so a
// token's bits are the same whatever shares its pass.
#include "product.h"

enum { SIMDS = 2 }; // of a threadgroup

// dots gives R rows' products with up to T tokens, normalized where asked for. x
// is read once for the rows, or the rows once for the tokens.
template <class Type, int R, int T> FN void dots(thread float (&acc)[R][T], constant MatVec &a, device const uchar *const thread *w, device const float *x, device const float *norm, int tokens, int lane) {
	const int cols = a.cols;
	float squares[T], weight[16];
	UNROLL for (int t = 0; t < T; t++) {
		squares[t] = 0;
		UNROLL for (int r = 0; r < R; r++) acc[r][t] = 0;
	}
	for (int s = 0; s * 512 < cols; s++) {
		typename Type::Weights v[R];
		UNROLL for (int r = 0; r < R; r++) {
			if (Type::column(s, lane, 0) < cols) Type::load(v[r], w[r], s, lane, cols);
			else Type::clear(v[r]);
		}
		if (a.normed) fetch<Type>(weight, norm, s, lane, cols);
		UNROLL for (int t = 0; t < T; t++) {
			if (t >= tokens) continue;
			Input in;
			fetch<Type>(in.x, x + ulong(t) * a.xStride, s, lane, cols);
			if (a.normed)
				UNROLL for (int i = 0; i < 16; i++) {
					squares[t] = fma(in.x[i], in.x[i], squares[t]);
					in.x[i] *= weight[i];
				}
			halves(in);
			UNROLL for (int r = 0; r < R; r++) acc[r][t] = Type::dot(v[r], in, acc[r][t]);
		}
	}
	UNROLL for (int r = 0; r < R; r++) UNROLL for (int t = 0; t < T; t++) acc[r][t] = simd_sum(acc[r][t]);
	if (!a.normed) return;
	UNROLL for (int t = 0; t < T; t++) {
		float scale = rootOf(a, simd_sum(squares[t]));
		UNROLL for (int r = 0; r < R; r++) acc[r][t] *= scale;
	}
}

// matvec is Out = W·x (+ Add).
template <class Type, int T> FN void matvec(PRODUCT(PASSED)) {
	const int R = T > 1 ? 2 : 4;
	int row0 = (group.x * SIMDS + simd) * R, first = group.y * T, n = rowsOf(a, params, x) - first;
	if (row0 >= a.ends[3] || n <= 0) return;
	device const uchar *w[R];
	UNROLL for (int r = 0; r < R; r++) w[r] = rowAt(a, min(row0 + r, a.ends[3] - 1), Type::rowBytes(a.cols), w0, w1, w2, w3);
	float acc[R][T];
	dots<Type, R, T>(acc, a, w, x + ulong(first) * a.xStride, norm, n, lane);
	UNROLL for (int r = 0; r < R; r++) UNROLL for (int t = 0; t < T; t++) {
		if (int(lane) != r * T + t || row0 + r >= a.ends[3] || t >= n) continue;
		float v = acc[r][t];
		if (a.add) v = add[ulong(first + t) * a.addStride + row0 + r] + v;
		out[ulong(first + t) * a.outStride + row0 + r] = v;
	}
}

// gate is Out = silu(Gate·x) * (Up·x), gate at w0 and up at w1.
template <class Type, int T> FN void gate(PRODUCT(PASSED)) {
	const int P = T > 1 ? 1 : 2; // pairs of rows
	int row0 = (group.x * SIMDS + simd) * P, first = group.y * T, n = rowsOf(a, params, x) - first;
	if (row0 >= a.ends[0] || n <= 0) return;
	device const uchar *w[2 * P];
	UNROLL for (int r = 0; r < P; r++) {
		ulong at = ulong(min(row0 + r, a.ends[0] - 1)) * Type::rowBytes(a.cols);
		w[2 * r] = w0 + at, w[2 * r + 1] = w1 + at;
	}
	float acc[2 * P][T];
	dots<Type, 2 * P, T>(acc, a, w, x + ulong(first) * a.xStride, norm, n, lane);
	UNROLL for (int r = 0; r < P; r++) UNROLL for (int t = 0; t < T; t++) {
		if (int(lane) != r * T + t || row0 + r >= a.ends[0] || t >= n) continue;
		out[ulong(first + t) * a.outStride + row0 + r] = silu(acc[2 * r][t]) * acc[2 * r + 1][t];
	}
}

#define WITH a, params, w0, w1, w2, w3, x, norm, add, out, group, tid, lane, simd
#define SIZE(TYPE, STRUCT, T)                                                     \
	kernel void matvec_##TYPE##_##T(PRODUCT(GIVEN)) { matvec<STRUCT, T>(WITH); }         \
	kernel void matvec_##TYPE##_gate_##T(PRODUCT(GIVEN)) { gate<STRUCT, T>(WITH); }
#define SIZES(TYPE, STRUCT) SIZE(TYPE, STRUCT, 1) SIZE(TYPE, STRUCT, 2) SIZE(TYPE, STRUCT, 4) SIZE(TYPE, STRUCT, 8)
