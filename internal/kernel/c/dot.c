// Dot products of Q8_0, Q4_0, Q4_K, Q5_K and Q6_K (see dots.h).
#include "dots.h"

#define Q8(W, i) turn(BLOCKS(W##q, i, 0), BLOCKS(W##q, i, 1), BLOCKS(W##q, i, 2), BLOCKS(W##q, i, 3))
// Q4_0: a weight comes out 16 times too large: that needs no subtraction.
#define D8_16TH(W) (HALVES8(W) * 0.0625f)
INLINE vi high(vi x) { return (vi)(((vq)x & BYTES_OF(0xf0)) ^ BYTES_OF(0x80)); }
#define Q4(W, i) turn(high(HALVES(W##q, i, 0)), high(HALVES(W##q, i, 1)), high(HALVES(W##q, i, 2)), high(HALVES(W##q, i, 3)))

// Where vectors hold the headers of 4 rows, those are unpacked together.
#if VB == 64
typedef uint64_t vq2 __attribute__((vector_size(16)));
typedef struct {
	vu n;  // of each row 8 scales and 8 minima, in bytes
	vf8 d; // what they are times: of row after row one for the scales, one for the minima
} Headers;
INLINE Headers headers45(const uint8_t *w, int64_t far, int rows) {
	const uint8_t *x = rows == 4 ? w + 2 * far : w;
	vq4 a = SHUFFLE(load(vq2, w), load(vq2, w + far), 0, 1, 2, 3), b = rows == 4 ? SHUFFLE(load(vq2, x), load(vq2, x + far), 0, 1, 2, 3) : a;
	vu v = (vu)SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
	vu ab = SHUFFLE(v, v, 1, 2, 1, 2, 5, 6, 5, 6, 9, 10, 9, 10, 13, 14, 13, 14), c = SHUFFLE(v, v, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15);
	vu lo = (vu)AND(ab, 0x3f), hi = (vu)AND(ab >> 2, 0x30) | (vu)AND((c >> (vu){0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4}), 0x0f);
	vu4 d = SHUFFLE(v, v, 0, 4, 8, 12);
	vi8 f = (vi8)__builtin_convertvector((vh8)d, vf8), minus = {0, INT32_MIN, 0, INT32_MIN, 0, INT32_MIN, 0, INT32_MIN};
	return (Headers){SHUFFLE(lo, hi, 0, 18, 1, 19, 4, 22, 5, 23, 8, 26, 9, 27, 12, 30, 13, 31), (vf8)(f ^ minus)};
}
#define ROW45(h, r) (__builtin_convertvector((vb16)SHUFFLE(h.n, h.n, 4 * r, 4 * r + 1, 4 * r + 2, 4 * r + 3), vf16) * \
	SHUFFLE(h.d, h.d, 2 * r, 2 * r, 2 * r, 2 * r, 2 * r, 2 * r, 2 * r, 2 * r, 2 * r + 1, 2 * r + 1, 2 * r + 1, 2 * r + 1, 2 * r + 1, 2 * r + 1, 2 * r + 1, 2 * r + 1))
#define HEADERS45 Headers hs = R > 1 ? headers45(w, far, R) : (Headers){0};
#define SCALES45(u, row) (R == 1 ? scales45(u) : (row) == 0 ? ROW45(hs, 0) : (row) == 1 ? ROW45(hs, 1) : (row) == 2 ? ROW45(hs, 2) : ROW45(hs, 3))
#else
#define HEADERS45
#define SCALES45(u, row) scales45(u)
#endif
INLINE Scales8 halves(vf16 x) { return (Scales8){SHUFFLE(x, x, 0, 1, 2, 3, 4, 5, 6, 7), SHUFFLE(x, x, 8, 9, 10, 11, 12, 13, 14, 15)}; }
#define PROLOGUE45 halves(SCALES45(u, r + e))
#define SCALES Scales8
#define SC(x, i) lanes(x.s, i)
#define MN(x, i) lanes(x.m, i)

// chunk k of 32 bytes holds block 2k in the low nibbles and 2k+1 in the high.
INLINE Four q4_k(const uint8_t *w, int i) {
#if VB == 64
	vi a = load(vi, w), b = load(vi, w + 64);
	const vu up = {0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4};
#define DWORDS(s) AND(SHUFFLE(a, b, s, 8 + s, 16 + s, 24 + s, 4 + s, 12 + s, 20 + s, 28 + s, s, 8 + s, 16 + s, 24 + s, 4 + s, 12 + s, 20 + s, 28 + s) >> (vi)up, 0x0f)
	return (Four){{DWORDS(0), DWORDS(1), DWORDS(2), DWORDS(3)}};
#else
	const uint8_t *x = w + (VB == 16 ? i % 2 * 16 : 0);
	int up = VB == 16 ? i / 2 : i;
	Four v = turn(load(vi, x), load(vi, x + 32), load(vi, x + 64), load(vi, x + 96));
	UNROLL for (int d = 0; d < 4; d++) v.v[d] = AND(up ? v.v[d] >> 4 : v.v[d], 0x0f);
	return v;
#endif
}

// Bit b of qh's 32 bytes is the fifth bit of block b; it goes to bit 4.
INLINE Four q5_k(const uint8_t *w, int i) {
	Four v = q4_k(w + 48, i);
	vu left = (vu)shifts((vi8){4, 3, 2, 1, 0, 0, 0, 0}, i), right = (vu)shifts((vi8){0, 0, 0, 0, 0, 1, 2, 3}, i);
#define FIFTH(d) v.v[d] |= AND((vu)PICK(EIGHT(w + 16, i), d) << left >> right, 0x10)
	FIFTH(0);
	FIFTH(1);
	FIFTH(2);
	FIFTH(3);
	return v;
}

// Q6_K: halves of 128; blocks 0 and 1 of a half are the low nibbles of the
// first and the second 32 bytes of ql, 2 and 3 the high ones; qh's two bits go
// to bit 4.
INLINE Four q6_k(const uint8_t *w, int i) {
	Four v;
	vu left = (vu)shifts((vi8){4, 2, 0, 0, 4, 2, 0, 0}, i), right = (vu)shifts((vi8){0, 0, 0, 2, 0, 0, 0, 2}, i);
#if VB == 64
	vi a = load(vi, w), b = load(vi, w + 64);
	const vu up = {0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4};
#define LOWS(d) SHUFFLE(a, b, d, d, 16 + d, 16 + d, 4 + d, 4 + d, 20 + d, 20 + d, 8 + d, 8 + d, 24 + d, 24 + d, 12 + d, 12 + d, 28 + d, 28 + d)
#elif VB == 32
	const vu up = {0, 4, 0, 4, 0, 4, 0, 4};
	vi a = load(vi, w + 32 * i), b = load(vi, w + 64 + 32 * i);
#define LOWS(d) SHUFFLE(a, b, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#else
	const vu up = {0, 4, 0, 4};
	const uint8_t *x = w + 32 * (i / 2) + 16 * (i % 2);
	vi a = load(vi, x), b = load(vi, x + 64);
#define LOWS(d) SHUFFLE(a, b, d, d, 4 + d, 4 + d)
#endif
	LOAD_TWOS(w + 128, i)
#define SIX(d) v.v[d] = AND((vu)LOWS(d) >> (vu)up, 0x0f) | AND((vu)TWOS(d) << left >> right, 0x30)
	SIX(0);
	SIX(1);
	SIX(2);
	SIX(3);
	return v;
}

INLINE Scales16 scales6(const uint8_t *w) {
	vf16 n = __builtin_convertvector(load(vc16, w + 192), vf16) * f16(w + 208);
	return (Scales16){LANES_OF_HALVES(n), {0}};
}

#define SIZE 34
#define QUANTS 32
#define Q8_0(T) ROWS(VB == 64 && T == 5 ? 4 : PLAIN_ROWS(T), dotQ8_0, T, SIGNED_BODY(T, 8, 8 * SIZE, D8, Q8))
EACH(Q8_0)
#undef SIZE
#undef QUANTS
#define SIZE 18
#define QUANTS 16
#define Q4_0(T) ROWS(PLAIN_ROWS(T), dotQ4_0, T, SIGNED_BODY(T, 8, 8 * SIZE, D8_16TH, Q4))
EACH(Q4_0)
#define Q4_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ4_K, T, SUPER(T, 4, 1, 144, HEADERS45, PROLOGUE45, q4_k(u + 16, i)))
#define Q5_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ5_K, T, SUPER(T, 4, 1, 176, HEADERS45, PROLOGUE45, q5_k(u, i)))
EACH(Q4_K)
EACH_WIDE(Q5_K)
#undef SCALES
#undef SC
#undef MN
#define SCALES Scales16
#define SC(x, i) part(x.s, i)
#define MN(x, i) (part(x.s, i) * -32)
#define Q6_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ6_K, T, SUPER(T, 2, 1, 210, , scales6(u), q6_k(u, i)))
EACH_WIDE(Q6_K)
