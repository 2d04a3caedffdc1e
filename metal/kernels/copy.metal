#include "common.h"

struct Copy {
	int cols, xStride, outStride;
	int tokens, head; // head 1: rows are the pass's last, as many as logits are wanted
};

// copy is Out[t] = x, where products can read it.
kernel void copy(constant Copy &a [[buffer(0)]], device const int *params [[buffer(1)]],
	device const float *x [[buffer(2)]], device float *out [[buffer(3)]], PLACE(GIVEN)) {
	int t = group.x, from = t;
	if (a.head) {
		int rows = params[LOGITS];
		if (t >= rows) return;
		from = a.tokens - rows + t;
	}
	x += ulong(from) * a.xStride;
	out += ulong(t) * a.outStride;
	for (int i = tid; i < a.cols; i += 256) out[i] = x[i];
}
