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
	const char *next; // what is read after this tile
	int64_t step;     // bytes of it to ask for a block
} GemmArgs;

// OUTPUTS asks for where a group's sums go: rows of it lie far apart, so no
// processor foresees them.
#define OUTPUTS                                                        \
	UNROLL for (int t = 0; t < G; t++) {                              \
		UNROLL for (int i = 0; i < 2 * VB; i += 64) {                 \
			__builtin_prefetch(out + t * p->ld + i, 1);               \
			if (add) __builtin_prefetch(add + t * p->ld + i);         \
		}                                                             \
	}

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
