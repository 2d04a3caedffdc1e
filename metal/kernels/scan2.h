// The Mamba-2 recurrence's arguments.
#include "conv.h"

struct Scan2 {
	int xStride, bStride, cStride, dtStride, zStride, outStride;
	int heads, p, n, xs, bs, cs; // widths of x, b, c
	int tokens, logged;
};

#define SCAN2(AS)                                                                                                          \
	constant Scan2 &a AS(buffer(0)), device const int *params AS(buffer(1)), device const float *x AS(buffer(2)),      \
		device const float *b AS(buffer(3)), device const float *c AS(buffer(4)), device const float *dt AS(buffer(5)), \
		device const float *z AS(buffer(6)), device const float *as AS(buffer(7)), device const float *ds AS(buffer(8)), \
		device const float *biases AS(buffer(9)), device float *h AS(buffer(10)), device const float *log AS(buffer(11)), \
		device float *out AS(buffer(12)), PLACE(AS)
#define WITH a, params, x, b, c, dt, z, as, ds, biases, h, log, out, group, tid, lane, simd
