// Arguments of the Mamba-1 recurrence.
#pragma once
#include "conv.h"

struct Scan1 {
	u64 x, dt, b, c, z, a, d, bias, h, log, out, params;
	i32 xStride, dtStride, bStride, cStride, zStride, outStride;
	i32 channels, states, xs, bs, cs; // widths of x, b, c
	i32 tokens, logged, lanes;        // lanes of a channel: a power of two, at least states
};
