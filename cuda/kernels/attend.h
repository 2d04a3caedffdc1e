// Attention's arguments.
#pragma once
#include "common.h"

struct Attend {
	u64 q, keys, values, out, parts, params; // parts: [token][head][split][width+2]
	Quantized to;                            // of merge, where its form is not FLOAT
	i32 qStride, outStride;
	i32 heads, kvHeads, dim, width, positions;
	i32 split, splits; // positions of a part; parts a launch has blocks for, 0: one block does all
	float scale;
};
