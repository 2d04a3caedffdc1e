// Dot products of blocks of 32: Q5_0, Q5_1, Q4_1, IQ4_NL and MXFP4 (see dots.h).
#include "dotcodes.h"

#define MX4(W, i) CODES(W, i, LEVELSMX)

// The scales of 8 blocks of MXFP4: 2^(e-128).
INLINE vf8 powers(vi8 e) {
	vi8 least = e < 2;
	return (vf8)((least & (e + 1) << 21) | (~least & (e - 1) << 23));
}
#define E8(W) powers((vi8){*W(0), *W(1), *W(2), *W(3), *W(4), *W(5), *W(6), *W(7)})

// A lane's half, times 16.
#if VB == 64
#define HALF_OF_LANE {0, 0, 0, 0, 16, 16, 16, 16, 0, 0, 0, 0, 16, 16, 16, 16}
#elif VB == 32
#define HALF_OF_LANE {0, 0, 0, 0, 16, 16, 16, 16}
#else
#define HALF_OF_LANE ((vi){0} + i % 2 * 16)
#endif
// Blocks of 32 with a fifth bit for each value, 32 of them together: a lane takes
// the four of its dword d and puts one into each byte.
INLINE vi fifth(vi bits, int d, int i) {
	const vi half = HALF_OF_LANE;
	vu x = (vu)bits >> (vu)half >> 4 * d & 15;
	return (vi)((x | x << 7 | x << 14 | x << 21) & 0x01010101);
}
#define FIFTHS(AT) shifts((vi8){load(int32_t, AT(0)), load(int32_t, AT(1)), load(int32_t, AT(2)), load(int32_t, AT(3)), \
	load(int32_t, AT(4)), load(int32_t, AT(5)), load(int32_t, AT(6)), load(int32_t, AT(7))}, i)
#define FIFTH_AT(b) (ALLq(b) - 4)
// Q5_0: a weight comes out 8 times too large, so that it needs no subtraction.
#define D8_8TH(W) (HALVES8(W) * 0.125f)
#define Q50(W, i) q5_0(turn(HALVES(W##q, i, 0), HALVES(W##q, i, 1), HALVES(W##q, i, 2), HALVES(W##q, i, 3)), FIFTHS(FIFTH_AT), i)
INLINE Four q5_0(Four v, vi bits, int i) {
	UNROLL for (int d = 0; d < 4; d++) v.v[d] = (vi)((vq)(AND((vu)v.v[d] >> 1, 0x78) | fifth(bits, d, i) << 7) ^ BYTES_OF(0x80));
	return v;
}
#define Q41(W, i) q4_1(turn(HALVES(W##q, i, 0), HALVES(W##q, i, 1), HALVES(W##q, i, 2), HALVES(W##q, i, 3)))
INLINE Four q4_1(Four v) {
	UNROLL for (int d = 0; d < 4; d++) v.v[d] = AND((vu)v.v[d] >> 4, 0x0f);
	return v;
}
#define Q51(W, i) q5_1(Q41(W, i), FIFTHS(FIFTH_AT), i)
INLINE Four q5_1(Four v, vi bits, int i) {
	UNROLL for (int d = 0; d < 4; d++) v.v[d] |= fifth(bits, d, i) << 4;
	return v;
}
#define ALLm(b) (ALL(b) + 2)
#define PROLOGUE1 ((Scales8){HALVES8(ALL), HALVES8(ALLm)})
#define SCALES Scales8
#define SC(x, i) lanes(x.s, i)
#define MN(x, i) lanes(x.m, i)

#define QUANTS 16
#define SIZE 18
#define IQ4_NL(T) ROWS(ROWS_WITH_CONSTANTS(T), dotIQ4_NL, T, SIGNED_BODY(T, 8, 8 * SIZE, D8, IQ4))
FEW(IQ4_NL)
#undef SIZE
#define SIZE 17
#define MXFP4(T) ROWS(ROWS_WITH_CONSTANTS(T), dotMXFP4, T, SIGNED_BODY(T, 8, 8 * SIZE, E8, MX4))
FEW(MXFP4)
#undef SIZE
#define SIZE 22
#define Q5_0(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ5_0, T, SIGNED_BODY(T, 8, 8 * SIZE, D8_8TH, Q50))
FEW(Q5_0)
#undef SIZE
#define SIZE 20
#define Q4_1(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ4_1, T, SUPER(T, 4, 8, 8 * SIZE, , PROLOGUE1, Q41(ALL, i)))
FEW(Q4_1)
#undef SIZE
#define SIZE 24
#define Q5_1(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ5_1, T, SUPER(T, 4, 8, 8 * SIZE, , PROLOGUE1, Q51(ALL, i)))
FEW(Q5_1)
