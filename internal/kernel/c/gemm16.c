// Products of tiles for the class Offset16 (see gemm.h).
#include "gemm.h"

// HALF adds the products of N quads from FROM on, one half block, with the rows'
// scales at S, and their constants at C times the sums of the half at A.
#define HALF(FROM, S, C, A)                                                    \
	{                                                                          \
		vi n[G][2] = {0};                                                      \
		PRODUCTS(dotU, FROM, 4)                                                \
		SCALED(S)                                                              \
		vf c[2] = {load(vf, w + C), load(vf, w + C + VB)};                     \
		UNROLL for (int t = 0; t < G; t++) {                                   \
			vf b = splat(load(float, q + 32 * G + 4 * t)) * tofloat(SPLAT(q + (A) * G + 4 * t)); \
			UNROLL for (int g = 0; g < 2; g++) acc[t][g] = fma_(c[g], b, acc[t][g]); \
		}                                                                      \
	}

// Weights 0 to 63 with a scale and a constant for each half block; the constants
// are divided by -32, which the sums of halves are times.
HEAD(gemmN)
HALF(0, 16 * VB, 20 * VB, 44)
HALF(4, 18 * VB, 22 * VB, 48)
TAIL(24 * VB)
