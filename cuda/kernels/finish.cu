// Work on values in place: biases, norms of heads, activations, factors.
#include "common.h"

struct FinishPart {
	u64 x, bias, weight, up; // bias, weight and up may be 0
	i32 stride, upStride;
	i32 channels, dim, activation; // a block takes dim channels, with a norm of their own
	i32 normed;
	float eps, scale, least;
};

struct Finish {
	FinishPart parts[4];
};

enum { SILU = 1, RELU2 = 2, FLOOR = 3, SIGMOID = 4 };

DEVICE void finishPart(const FinishPart &a, float *shared) {
	int first = blockX() * a.dim, n = least(a.dim, a.channels - first), t = blockY();
	if (n <= 0) return;
	float *x = (float *)a.x + (u64)t * a.stride + first, scale = 1;
	const float *bias = a.bias ? (const float *)a.bias + first : 0, *w = (const float *)a.weight;
	const float *up = a.up ? (const float *)a.up + (u64)t * a.upStride + first : 0;
	if (a.normed) {
		float s = 0;
		for (int i = thread(); i < n; i += 128) {
			float v = x[i] + (bias ? bias[i] : 0);
			s = fma(v, v, s);
		}
		s = sumBlock(s, shared);
		scale = 1 / __builtin_sqrtf(s / (float)n + a.eps);
	}
	for (int i = thread(); i < n; i += 128) {
		float v = x[i];
		if (a.activation == FLOOR) v = higher(v, a.least - bias[i]);
		else if (bias) v += bias[i];
		if (a.normed) v *= scale;
		if (w) v *= w[i];
		if (a.activation == SILU) v = silu(v);
		if (a.activation == RELU2) v = v > 0 ? v * v : 0;
		if (a.activation == SIGMOID) v = 1 / (1 + exp(-v));
		if (up) v *= up[i];
		x[i] = v * a.scale;
	}
}

// finish is a block a token and run of channels of a part.
KERNEL BLOCK(128) finish(Finish a) {
	SHARED static float shared[32];
	overlap();
	await();
	switch (blockZ()) {
	case 0: return finishPart(a.parts[0], shared);
	case 1: return finishPart(a.parts[1], shared);
	case 2: return finishPart(a.parts[2], shared);
	default: return finishPart(a.parts[3], shared);
	}
}
