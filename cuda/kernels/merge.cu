// What follows attention in parts; a module of its own, since it is used with both
// kinds of them.
#include "attend.h"

enum { PARTS = 512, SIDES = 4 };

// merge adds a head's parts, at most PARTS: every fourth in order, then the four
// sums; a block a head and token, 128 threads a sum.
KERNEL BLOCK(128 * SIDES) merge(Attend a) {
	SHARED static float factor[PARTS], side[SIDES][128], shared[32];
	overlap();
	await();
	int head = blockX(), t = blockY(), n = (param(a.params, POS) + t) / a.split + 1, stride = a.width + 2;
	const float *p = (const float *)a.parts + ((u64)t * a.heads + head) * a.splits * stride;
	float peak = -1e30f, s = 0;
	for (int i = thread() % 32; i < n; i += 32) peak = higher(peak, p[(u64)i * stride + a.width]);
	peak = most<32>(peak);
	for (int i = thread(); i < n; i += 128 * SIDES) {
		float f = exp(p[(u64)i * stride + a.width] - peak);
		factor[i] = f;
		s = fma(p[(u64)i * stride + a.width + 1], f, s);
	}
	s = sumBlock(s, shared);
	for (int d0 = 0; d0 < a.dim; d0 += 128) {
		int d = d0 + thread() % 128, mine = thread() / 128;
		float v = 0;
		if (d < a.dim) {
			_Pragma("unroll 8") for (int i = mine; i < n; i += SIDES) v = fma(p[(u64)i * stride + d], factor[i], v);
		}
		side[mine][thread() % 128] = v;
		sync();
		if (mine == 0 && d < a.dim) {
			v = 0;
			UNROLL for (int i = 0; i < SIDES; i++) v += side[i][thread()];
			v /= s;
			((float *)a.out)[(u64)t * a.outStride + head * a.dim + d] = v;
			if (a.to.form != FLOAT) quantize(a.to, t, (head * a.dim + d) / 32, v);
		}
		sync();
	}
}
