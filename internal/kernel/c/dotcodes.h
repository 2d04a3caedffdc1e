// Dots of nibbles that choose from 16 levels (see dots.h).
#pragma once
#include "blocks.h"
#include "dots.h"

// lookup gives each nibble's level; the nibbles are the upper ones of x.
INLINE vi lookup(vi x, vb16 table) {
	vi n = AND((vu)x >> 4, 0x0f);
#if VB == 64
	return (vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)n);
#elif VB == 32
	return (vi)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)table), (__m256i)n);
#else
	return (vi)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)n);
#endif
}
#define CODES(W, i, TABLE) turn(lookup(HALVES(W##q, i, 0), TABLE), lookup(HALVES(W##q, i, 1), TABLE), lookup(HALVES(W##q, i, 2), TABLE), lookup(HALVES(W##q, i, 3), TABLE))
#define IQ4(W, i) CODES(W, i, LEVELS4)
