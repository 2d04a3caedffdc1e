// Attention's arguments.
#pragma once
#include "common.h"

struct Attend {
	u64 q, keys, values, out, parts, params; // parts: [token][head][split][width+2]
	Quantized to;                            // of merge, where its form is not FLOAT
	i32 qStride, outStride;
	i32 heads, kvHeads, dim, width, positions;
	i32 split, splits; // positions of a part at least; parts a launch has blocks for, 0: one block does all
	float scale;
};

// partSize is the positions of a part for a token that sees them up to last: as
// many as make splits parts enough. It depends on nothing else of a pass.
DEVICE int partSize(const Attend &a, int last) {
	int n = (last / a.splits + 32) / 32 * 32;
	return n < a.split ? a.split : n;
}
