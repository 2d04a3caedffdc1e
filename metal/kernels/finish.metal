// Work on values in place: biases, norms of heads, activations, factors.
#include "common.h"

struct Finish {
	int stride, upStride, channels, dim, activation; // a threadgroup takes dim channels, with a norm of their own
	int biased, normed, weighted, gated; // which of the memories there are
	float eps, scale, least;
};

enum { SILU = 1, RELU2 = 2, FLOOR = 3, SIGMOID = 4 };

// finish is a threadgroup a token and run of channels.
kernel void finish(constant Finish &a [[buffer(0)]], device const int *params [[buffer(1)]], device float *x [[buffer(2)]],
	device const float *bias [[buffer(3)]], device const float *w [[buffer(4)]], device const float *up [[buffer(5)]], PLACE(GIVEN)) {
	SHARED float shared[4];
	int first = int(group.x) * a.dim, n = min(a.dim, a.channels - first), t = group.y;
	x += ulong(t) * a.stride + first;
	if (a.biased) bias += first;
	if (a.gated) up += ulong(t) * a.upStride + first;
	float scale = 1;
	if (a.normed) {
		float s = 0;
		for (int i = tid; i < n; i += 128) {
			float v = x[i] + (a.biased ? bias[i] : 0);
			s = fma(v, v, s);
		}
		s = sumGroup(s, 128, shared, lane, simd);
		scale = 1 / sqrt(s / float(n) + a.eps);
	}
	for (int i = tid; i < n; i += 128) {
		float v = x[i];
		if (a.activation == FLOOR) v = max(v, a.least - bias[i]);
		else if (a.biased) v += bias[i];
		if (a.normed) v *= scale;
		if (a.weighted) v *= w[i];
		if (a.activation == SILU) v = silu(v);
		if (a.activation == RELU2) v = v > 0 ? v * v : 0;
		if (a.activation == SIGMOID) v = 1 / (1 + exp(-v));
		if (a.gated) v *= up[i];
		x[i] = v * a.scale;
	}
}
