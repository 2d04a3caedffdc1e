// What products of tiles share (gemm.c, float.c).
#pragma once
#include "vec.h"

// G tokens go through a tile together: as many as the registers hold sums for.
#if VB == 64
#define G 6
#elif VB == 32
#define G 3
#else
#define G 4
#endif

typedef struct {
	const char *tile;
	int64_t blocks;   // of 32 columns, or columns
	const char *a;    // groups of G tokens
	int64_t groups;
	int64_t groupA;   // bytes from group to group
	float *out;       // [token][rows], the tile's first row
	int64_t ld;       // bytes from token to token
	const float *add; // added to the result, in the same layout, or null
} GemmArgs;

// FINISH writes the sums acc[token][group of rows].
#define FINISH                                        \
	UNROLL for (int t = 0; t < G; t++) {              \
		UNROLL for (int g = 0; g < 2; g++) {          \
			vf v = acc[t][g];                         \
			if (add) v += load(vf, add + g * VB);     \
			store(out + g * VB, v);                   \
		}                                             \
		out += p->ld;                                 \
		if (add) add += p->ld;                        \
	}
