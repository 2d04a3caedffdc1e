// Attention of a few tokens over a cache of float16 that comes through shared
// memory.
#include "attend_few.h"

#define DEEP(L)                                                                \
	KERNEL BLOCK(128) deep_attend_##L(Attend a) {                              \
		extern __attribute__((shared)) __attribute__((aligned(16))) u8 part[]; \
		attend<L, STAGED>(a, part);                                            \
	}
DEEP(4)
DEEP(8)
DEEP(16)
DEEP(32)
