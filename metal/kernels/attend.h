// Attention's arguments, and how a cache lies: [kv_head][position][width] of
// float32, float16 or Q8_0, width the head's dimension rounded up to 32,
// positions to 32. With a window it is a ring: the text's position p lies at
// p % positions.
#include "types.h"

struct Attend {
	int qStride, outStride;
	int heads, kvHeads, dim, width, positions;
	int split, splits; // positions of a part; parts a launch has threadgroups for, 0: one does all
	int window; // positions a token sees, 0: all; the cache is then a ring of the text's positions, a multiple of 512
	float scale;
};

// positionOf is that of the pass's first token.
FN int positionOf(constant Attend &a, device const int *params) { return params[POS] + (a.window ? params[SHIFT] : 0); }

// lowest is the first position that a token sees which sees them up to last; partOf
// is the first part of attention in parts.
FN int lowest(constant Attend &a, int last) { return a.window && last >= a.window ? last - a.window + 1 : 0; }
FN int partOf(constant Attend &a, int last) { return lowest(a, last) / a.split; }

// placed brings a row back into a ring, behind whose end it may lie once.
FN int placed(constant Attend &a, int row) { return row < a.positions ? row : row - a.positions; }

#define ATTENTION(AS)                                                                                            \
	constant Attend &a AS(buffer(0)), device const int *params AS(buffer(1)), device const float *q AS(buffer(2)), \
		device const uchar *keys AS(buffer(3)), device const uchar *values AS(buffer(4)), device float *out AS(buffer(5))
