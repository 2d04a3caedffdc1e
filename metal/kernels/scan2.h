// The Mamba-2 recurrence's arguments.
#include "conv.h"

struct Scan2 {
	int xStride, bStride, cStride, dtStride, zStride, outStride;
	int heads, p, n, xs, bs, cs; // widths of x, b, c
	int tokens, logged;
};

#define SCAN2                                                                                                          \
	constant Scan2 &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *x [[buffer(2)]],      \
		device const float *b [[buffer(3)]], device const float *c [[buffer(4)]], device const float *dt [[buffer(5)]], \
		device const float *z [[buffer(6)]], device const float *as [[buffer(7)]], device const float *ds [[buffer(8)]], \
		device const float *biases [[buffer(9)]], device float *h [[buffer(10)]], device const float *log [[buffer(11)]], \
		device float *out [[buffer(12)]], PLACE
#define WITH a, params, x, b, c, dt, z, as, ds, biases, h, log, out, group, tid, lane, simd
