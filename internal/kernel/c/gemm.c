// Products of tiles for the classes Signed32, Offset32 and Signed16 (see gemm.h).
#include "gemm.h"

// Signed weights, one scale a block, passed through biased.
HEAD(gemmS)
vi n[G][2];
EACH n[t][g] = FIX ? SPLAT(q + 36 * G + 4 * t) : (vi){0};
PRODUCTS(dotS, 0, 8)
SCALED(16 * VB)
TAIL(18 * VB)

// Weights 0 to 63 with a constant a block.
HEAD(gemmM)
vi n[G][2] = {0};
PRODUCTS(dotU, 0, 8)
SCALED(16 * VB)
CONSTANT(18 * VB)
TAIL(20 * VB)

// Weights 0 to 63 that are 32 too large, with a scale for each half block.
HEAD(gemmH)
{
	vi n[G][2];
	EACH n[t][g] = SPLAT(q + 44 * G + 4 * t);
	PRODUCTS(dotU, 0, 4)
	SCALED(16 * VB)
}
vi n[G][2];
EACH n[t][g] = SPLAT(q + 48 * G + 4 * t);
PRODUCTS(dotU, 4, 4)
SCALED(18 * VB)
TAIL(20 * VB)
