// Blocks of channels in another order.
#include "common.h"

struct Reorder {
	int channels, block, inStride, outStride;
};

// reorder is a thread a channel, rows of threadgroups for tokens.
kernel void reorder(constant Reorder &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *in [[buffer(2)]],
	device const int *order [[buffer(3)]], device float *out [[buffer(4)]], PLACE(GIVEN)) {
	int c = group.x * 256 + tid;
	ulong t = group.y;
	if (c < a.channels) out[t * a.outStride + c] = in[t * a.inStride + order[c / a.block] * a.block + c % a.block];
}
