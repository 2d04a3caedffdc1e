// Arguments of the Mamba-2 recurrence.
#pragma once
#include "conv.h"

struct Scan2 {
	u64 x, b, c, dt, z, a, d, bias, h, log, out, params;
	i32 xStride, bStride, cStride, dtStride, zStride, outStride;
	i32 heads, p, n, xs, bs, cs; // widths of x, b, c
	i32 tokens, logged;
};

// ConvScan2 makes x, b and c first: they are channels of the convolution's
// outputs, from xFirst, bFirst and cFirst on.
struct ConvScan2 {
	Scan2 scan;
	Conv conv;
	i32 xFirst, bFirst, cFirst;
};

struct After2 {
	Scan2 scan;
	Conv conv;    // whose window moves on; width 0: none
	Quantized to; // of the normalized outputs, where the form is not FLOAT
	u64 weight;   // of the norm; 0: none
	i32 groups, size; // of the norm
	i32 parts;        // blocks of a group, which add up the whole group each; of several none keeps its values but as int8
	i32 logBlocks, windowBlocks; // blocks of 256 threads
	float eps;
};
