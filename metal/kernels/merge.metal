#include "attend.h"

enum { PARTS = 512, SIDES = 2 };

// merge adds a head's parts, at most PARTS: every second in order, then the two
// sums; a threadgroup a head and token, 128 threads a sum.
kernel void merge(ATTENTION(GIVEN), device const float *parts [[buffer(6)]], PLACE(GIVEN)) {
	SHARED float factor[PARTS], side[SIDES * 128], shared[8];
	int head = group.x, t = group.y, last = positionOf(a, params) + t, n = last / a.split + 1 - partOf(a, last), stride = a.width + 2;
	device const float *p = parts + (ulong(t) * a.heads + head) * a.splits * stride;
	float peak = -1e30f, s = 0;
	for (int i = lane; i < n; i += 32) peak = max(peak, p[ulong(i) * stride + a.width]);
	peak = simd_max(peak);
	for (int i = tid; i < n; i += 128 * SIDES) {
		float f = exp(p[ulong(i) * stride + a.width] - peak);
		factor[i] = f;
		s = fma(p[ulong(i) * stride + a.width + 1], f, s);
	}
	s = sumGroup(s, 128 * SIDES, shared, lane, simd);
	for (int d0 = 0; d0 < a.dim; d0 += 128) {
		int d = d0 + tid % 128;
		float v = 0;
		if (d < a.dim)
			for (int i = tid / 128; i < n; i += SIDES) v = fma(p[ulong(i) * stride + d], factor[i], v);
		side[tid] = v;
		sync();
		if (tid < 128 && d < a.dim) {
			v = 0;
			UNROLL for (int i = 0; i < SIDES; i++) v += side[i * 128 + tid];
			out[ulong(t) * a.outStride + head * a.dim + d] = v / s;
		}
		sync();
	}
}
