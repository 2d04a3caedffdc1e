// The merge behind attention in parts; a module of its own, since it is used with both
// kinds of them.
#include "attend.h"

enum { PARTS = 512, SIDES = 4, AHEAD = 16 }; // AHEAD: parts of a thread that are on their way at once

// valueIf loads where there is something.
DEVICE float valueIf(const float *p, bool there) {
	float r;
	asm volatile("{ .reg .pred p; setp.ne.u32 p, %2, 0; mov.f32 %0, 0f00000000; @p ld.global.f32 %0, [%1]; }"
		: "=&f"(r) : "l"(p), "r"((u32)there) : "memory");
	return r;
}

// merge adds a head's parts, at most PARTS: every fourth in order, then the four
// sums; a block a head and token, 128 threads a sum. The first parts are on
// their way before their weights are known.
KERNEL BLOCK(128 * SIDES) merge(Attend a) {
	SHARED static float factor[PARTS], side[SIDES][128], shared[32];
	overlap();
	int head = blockX(), t = blockY(), last = positionOf(a) + t, n = last / partSize(a, last) + 1 - partOf(a, last), stride = a.width + 2;
	int i = thread(), mine = i / 128;
	const float *p = (const float *)a.parts + ((u64)t * a.heads + head) * a.splits * stride;
	float s = 0;
	await();
	Pair own = {-1e30f, 0}; // part i's peak and sum
	if (i < n) own = pair(p + (u64)i * stride + a.width);
	for (int d0 = 0; d0 < a.dim; d0 += 128) {
		int d = d0 + i % 128;
		float v = 0, early[AHEAD];
		UNROLL for (int k = 0; k < AHEAD; k++) {
			int part = mine + k * SIDES;
			early[k] = valueIf(p + (u64)part * stride + d, part < n && d < a.dim);
		}
		if (d0 == 0) {
			float peak = most<32>(own.x);
			if (i % 32 == 0) shared[i / 32] = peak;
			sync();
			peak = most<32>(shared[i % (4 * SIDES)]);
			float f = exp(own.x - peak);
			factor[i] = f;
			s = sumBlock(own.y * f, shared);
		}
		UNROLL for (int k = 0; k < AHEAD; k++)
			if (mine + k * SIDES < n) v = fma(early[k], factor[mine + k * SIDES], v);
		if (d < a.dim) {
			_Pragma("unroll 8") for (int k = mine + AHEAD * SIDES; k < n; k += SIDES) v = fma(p[(u64)k * stride + d], factor[k], v);
		}
		side[mine][i % 128] = v;
		sync();
		if (mine == 0 && d < a.dim) {
			v = 0;
			UNROLL for (int k = 0; k < SIDES; k++) v += side[k][i];
			v /= s;
			((float *)a.out)[(u64)t * a.outStride + head * a.dim + d] = v;
			if (a.to.form != FLOAT) quantize(a.to, t, (head * a.dim + d) / 32, v);
		}
		sync();
	}
}
