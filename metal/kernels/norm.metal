#include "common.h"

struct Norm {
	int cols, xStride, outStride;
	int tokens, head, weighted; // head 1: rows are the pass's last, as many as logits are wanted
	float eps;
};

// norm is Out[t] = x * Weight / sqrt(mean(x²) + Eps), or x as it is.
kernel void norm(constant Norm &a [[buffer(0)]], device const int *params [[buffer(1)]],
	device const float *x [[buffer(2)]], device const float *w [[buffer(3)]], device float *out [[buffer(4)]], PLACE(GIVEN)) {
	SHARED float shared[8];
	int t = group.x, from = t;
	if (a.head) {
		int rows = params[LOGITS];
		if (t >= rows) return;
		from = a.tokens - rows + t;
	}
	x += ulong(from) * a.xStride;
	out += ulong(t) * a.outStride;
	if (!a.weighted) {
		for (int i = tid; i < a.cols; i += 256) out[i] = x[i];
		return;
	}
	float s = 0;
	for (int i = tid; i < a.cols; i += 256) s = fma(x[i], x[i], s);
	s = sumGroup(s, 256, shared, lane, simd);
	float scale = 1 / sqrt(s / float(a.cols) + a.eps);
	for (int i = tid; i < a.cols; i += 256) out[i] = x[i] * scale * w[i];
}
