// Every type at every number of columns, element by element: the slow way beside
// the fast ones.
#include "product.h"

FN float slow(constant MatVec &a, device const uchar *w, int kind, int r, device const float *x, device const float *norm, int lane) {
	device const uchar *row = w + ulong(r) * rowBytes(kind, a.cols);
	float acc = 0, squares = 0;
	for (int i = lane; i < a.cols; i += 32) {
		float v = x[i];
		squares = fma(v, v, squares);
		if (a.normed) v *= norm[i];
		acc = fma(weight(kind, row, i), v, acc);
	}
	acc = simd_sum(acc);
	return a.normed ? acc * rootOf(a, simd_sum(squares)) : acc;
}

kernel void matvec_any(PRODUCT(GIVEN)) {
	int r = group.x * 2 + simd, t = group.y, n = rowsOf(a, params, x);
	if (r >= a.ends[0] || t >= n) return;
	float v = slow(a, w0, a.kind, r, x + ulong(t) * a.xStride, norm, lane);
	if (lane) return;
	if (a.add) v = add[ulong(t) * a.addStride + r] + v;
	out[ulong(t) * a.outStride + r] = v;
}

kernel void matvec_any_gate(PRODUCT(GIVEN)) {
	int r = group.x * 2 + simd, t = group.y, n = rowsOf(a, params, x);
	if (r >= a.ends[0] || t >= n) return;
	x += ulong(t) * a.xStride;
	float gate = slow(a, w0, a.kind, r, x, norm, lane), up = slow(a, w1, a.kind2, r, x, norm, lane);
	if (lane == 0) out[ulong(t) * a.outStride + r] = silu(gate) * up;
}
