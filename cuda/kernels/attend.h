// Attention's arguments.
#pragma once
#include "shift.h"

struct Attend {
	u64 q, keys, values, out, parts, params; // parts: [token][head][split][width+2]
	Quantized to;                            // of merge, where its form is not FLOAT
	i32 qStride, outStride;
	i32 heads, kvHeads, dim, width, positions;
	i32 split, splits; // positions of a part at least; parts a launch has blocks for, 0: one block does all
	i32 window; // positions a token sees, 0: all; the cache is then a ring of the text's positions, a multiple of 512
	float scale;
};

// positionOf is that of the pass's first token.
DEVICE int positionOf(const Attend &a) { return param(a.params, POS) + (a.window ? param(a.params, SHIFT) : 0); }

// lowest is the first position that a token sees which sees them up to last.
DEVICE int lowest(const Attend &a, int last) { return a.window && last >= a.window ? last - a.window + 1 : 0; }

// placed brings a row back into a ring, behind whose end it may lie once.
DEVICE int placed(const Attend &a, int row) { return row < a.positions ? row : row - a.positions; }

// partSize is the positions of a part for a token that sees them up to last: as
// many as make splits parts enough. It depends on nothing else of a pass. A
// window's parts have one size, and partOf is the first of them.
DEVICE int partSize(const Attend &a, int last) {
	if (a.window) return a.split;
	int n = (last / a.splits + 32) / 32 * 32;
	return n < a.split ? a.split : n;
}
DEVICE int partOf(const Attend &a, int last) { return a.window ? lowest(a, last) / a.split : 0; }
