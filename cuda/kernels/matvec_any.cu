// Every type at every number of columns, element by element with float32
// activations: the slow way beside the fast ones, and the only one where rows
// are no multiple of their steps.
#include "matvec.h"
#include "types.h"

DEVICE float slow(const MatVec &a, u64 w, int type, int r, int t) {
	const u8 *p = (const u8 *)w + (u64)r * rowBytes(type, a.cols);
	const float *x = (const float *)a.x + (u64)t * a.xStride;
	float acc = 0;
	for (int i = thread() % 32; i < a.cols; i += 32) acc = fma(weight(type, p, i), x[i], acc);
	return sum<32>(acc);
}

KERNEL BLOCK(WARPS * 32) matvec_any(MatVec a) {
	int r = blockX() * WARPS + thread() / 32, t = blockY();
	overlap();
	await();
	if (r >= a.ends[0] || liveTokens<1>(a, t) <= 0) return;
	float v = slow(a, a.w[0], a.type, r, t);
	if (thread() % 32) return;
	if (a.add) v = ((const float *)a.add)[(u64)t * a.addStride + r] + v;
	((float *)a.out)[(u64)t * a.outStride + r] = v;
}

KERNEL BLOCK(WARPS * 32) gateup_any(MatVec a) {
	int r = blockX() * WARPS + thread() / 32, t = blockY();
	overlap();
	await();
	if (r >= a.ends[0] || liveTokens<1>(a, t) <= 0) return;
	float gate = slow(a, a.w[0], a.type, r, t), up = slow(a, a.w[1], a.type2, r, t);
	if (thread() % 32 == 0) ((float *)a.out)[(u64)t * a.outStride + r] = silu(gate) * up;
}
