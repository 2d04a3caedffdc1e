// Causal attention over a cache (rope.cu says how it lies), split over the
// context at fixed positions: parts are merged in their order, so a token's
// bits depend on its position alone.
#include "attend_few.h"

#define ATTEND(L) \
	KERNEL BLOCK(128) attend_f16_##L(Attend a) { attend<L, HALF_CACHE>(a); }  \
	KERNEL BLOCK(128) attend_f32_##L(Attend a) { attend<L, FLOAT_CACHE>(a); } \
	KERNEL BLOCK(128) attend_q8_0_##L(Attend a) { attend<L, INT8_CACHE>(a); }
ATTEND(4)
ATTEND(8)
ATTEND(16)
ATTEND(32)
