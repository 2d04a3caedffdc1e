// Dot products of quantized rows with int8 activations, for passes of a few
// tokens. Rows of weights lie as the file has them.
//
// A step takes 256 values (rows that end within one come padded): 8 blocks b of 32, each in halves h of 16, each of 4
// dwords d. Lane 8(b%2) + 4h + b/2 of 16 belongs to half h of block b, and
// vector d of four holds its dword d. So a lane adds up one half block in
// integers, and meets its scale once. The activations of T tokens lie together,
// step by step: T times 256 int8 in that order, T times 16 float32 scales, T
// times 16 sums (scale times the lane's sum of int8), T times 16 int32 that are
// -128 times the lane's sum.
#include "rows.h"

// The activations of token t: vector i of dword d, of the scales, ...
#define VALUES(t, d, i) load(vi, q + 256 * (t) + 64 * (d) + (i) * VB)
#define SCALE(T, t, i) load(vf, q + 256 * T + 64 * (t) + (i) * VB)
#define SUM(T, t, i) load(vf, q + 320 * T + 64 * (t) + (i) * VB)
#define BIAS(T, t, i) load(vi, q + 384 * T + 64 * (t) + (i) * VB)
#define STEP 448

// turn transposes 4 rows of 4 dwords in each 128 bits.
typedef struct { vi v[4]; } Four;
INLINE Four turn(vi a, vi b, vi c, vi d) {
#if VB == 64
	__m512i e = _mm512_unpacklo_epi32((__m512i)a, (__m512i)b), f = _mm512_unpackhi_epi32((__m512i)a, (__m512i)b);
	__m512i g = _mm512_unpacklo_epi32((__m512i)c, (__m512i)d), h = _mm512_unpackhi_epi32((__m512i)c, (__m512i)d);
	return (Four){{(vi)_mm512_unpacklo_epi64(e, g), (vi)_mm512_unpackhi_epi64(e, g), (vi)_mm512_unpacklo_epi64(f, h), (vi)_mm512_unpackhi_epi64(f, h)}};
#elif VB == 32
	__m256i e = _mm256_unpacklo_epi32((__m256i)a, (__m256i)b), f = _mm256_unpackhi_epi32((__m256i)a, (__m256i)b);
	__m256i g = _mm256_unpacklo_epi32((__m256i)c, (__m256i)d), h = _mm256_unpackhi_epi32((__m256i)c, (__m256i)d);
	return (Four){{(vi)_mm256_unpacklo_epi64(e, g), (vi)_mm256_unpackhi_epi64(e, g), (vi)_mm256_unpacklo_epi64(f, h), (vi)_mm256_unpackhi_epi64(f, h)}};
#else
	vi e = SHUFFLE(a, b, 0, 4, 1, 5), f = SHUFFLE(a, b, 2, 6, 3, 7), g = SHUFFLE(c, d, 0, 4, 1, 5), h = SHUFFLE(c, d, 2, 6, 3, 7);
	return (Four){{SHUFFLE(e, g, 0, 1, 4, 5), SHUFFLE(e, g, 2, 3, 6, 7), SHUFFLE(f, h, 0, 1, 4, 5), SHUFFLE(f, h, 2, 3, 6, 7)}};
#endif
}

// Vector i holds of 512 bits all, of 256 bits the blocks with b%2 = i, of 128
// bits half i%2 of the blocks with b%2 = i/2.
#if VB == 64
typedef uint8_t vhalf __attribute__((vector_size(32)));
INLINE vi join(const uint8_t *a, const uint8_t *b) { return (vi)SHUFFLE((vq4)load(vhalf, a), (vq4)load(vhalf, b), 0, 1, 2, 3, 4, 5, 6, 7); }
#define BLOCKS(P, i, k) join(P(2 * k), P(2 * k + 1))
#elif VB == 32
#define BLOCKS(P, i, k) load(vi, P(2 * k + i))
#else
#define BLOCKS(P, i, k) load(vi, P(2 * k + i / 2) + 16 * (i % 2))
#endif

// Eight float16 are put together as integers and converted at once.
typedef uint16_t vs8 __attribute__((vector_size(16)));
typedef _Float16 vh8 __attribute__((vector_size(16)));
#define HALF(w) load(uint16_t, w)

// Where registers are few, what one vector was made from is read again for the
// next.
#if VB < 64
#define FORGET __asm__ volatile("" : : : "memory");
#else
#define FORGET
#endif

// Q8_0 and Q4_0: signed weights, a scale for each block. W(b) is block b of the
// row at u.
#define SIGNED(T, W, SIZE, FACTOR, UNPACKED)                               \
	const uint8_t *u = w;                                                  \
	UNROLL for (int r = 0; r < R; r++, u += far) {                         \
		HERE(T)                                                            \
		UNROLL for (int l = 0; l < 8 * SIZE; l += 64) __builtin_prefetch(u + p->ahead + l); \
		vs8 h8 = {HALF(W(0)), HALF(W(1)), HALF(W(2)), HALF(W(3)), HALF(W(4)), HALF(W(5)), HALF(W(6)), HALF(W(7))}; \
		vf8 d8 = __builtin_convertvector((vh8)h8, vf8) * FACTOR;           \
		UNROLL for (int i = 0; i < N16; i++) {                             \
			vf s = lanes(d8, i);                                           \
			Four v = UNPACKED(W, i);                                       \
			FORGET                                                         \
			UNROLL for (int t = 0; t < T; t++) {                           \
				vi n = FIX ? BIAS(T, t, i) : (vi){0};                      \
				UNROLL for (int d = 0; d < 4; d++) n = dotS(n, biased((vq)v.v[d]), VALUES(t, d, i)); \
				acc[r][t].v[i] = fma_(tofloat(n), s * SCALE(T, t, i), acc[r][t].v[i]); \
			}                                                              \
		}                                                                  \
	}
// lanes gives each lane its block's element: vector i of 16.
INLINE vf lanes(vf8 s, int i) { return part(SHUFFLE(s, s, 0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7), i); }

#define Q8(W, i) turn(BLOCKS(W##q, i, 0), BLOCKS(W##q, i, 1), BLOCKS(W##q, i, 2), BLOCKS(W##q, i, 3))
#define ALL(b) (u + (b) * SIZE)
#define ALLq(b) (ALL(b) + 2)
#define SIGNED_BODY(T, FACTOR, UNPACKED)                                   \
	for (; k > 0; k -= 8) {                                                \
		SIGNED(T, ALL, SIZE, FACTOR, UNPACKED)                             \
		q += STEP * T;                                                     \
		w += 8 * SIZE;                                                     \
	}
// Q4_0's block: values 0 to 15 are the low nibbles of 16 bytes, 16 to 31 the
// high ones. A weight comes out 16 times too large: that needs no subtraction.
#define NIBBLES(P, b) load(vu4, P(b))
#if VB == 64
INLINE vi wide(vu4 a, vu4 b) {
	vu8 x = SHUFFLE(a << 4, a, 0, 1, 2, 3, 4, 5, 6, 7), y = SHUFFLE(b << 4, b, 0, 1, 2, 3, 4, 5, 6, 7);
	return (vi)SHUFFLE(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#define HALVES(P, i, k) wide(NIBBLES(P, 2 * k), NIBBLES(P, 2 * k + 1))
#elif VB == 32
INLINE vi wide(vu4 a) { return (vi)SHUFFLE(a << 4, a, 0, 1, 2, 3, 4, 5, 6, 7); }
#define HALVES(P, i, k) wide(NIBBLES(P, 2 * k + i))
#else
#define HALVES(P, i, k) (vi)(i % 2 ? NIBBLES(P, 2 * k + i / 2) : NIBBLES(P, 2 * k + i / 2) << 4)
#endif
INLINE vi high(vi x) { return (vi)(((vq)x & BYTES_OF(0xf0)) ^ BYTES_OF(0x80)); }
#define Q4(W, i) turn(high(HALVES(W##q, i, 0)), high(HALVES(W##q, i, 1)), high(HALVES(W##q, i, 2)), high(HALVES(W##q, i, 3)))

#define AND(x, m) (vi)((vq)(x) & BYTES_OF(m))

// Super-blocks of 256 weights 0 to 63: sc and mn are 16 lanes of scales and of
// what meets the activations' sums.
#define SUPER(T, BYTES, HEADERS, PROLOGUE, UNPACKED)                       \
	do {                                                                   \
		const uint8_t *u = w;                                              \
		HEADERS                                                            \
		UNROLL for (int r = 0; r < R; r++, u += far) {                     \
			HERE(T)                                                        \
			UNROLL for (int l = 0; l < BYTES; l += 64) __builtin_prefetch(u + p->ahead + l); \
			PROLOGUE                                                       \
			UNROLL for (int i = 0; i < N16; i++) {                         \
				Four v = UNPACKED;                                         \
				vf s = SC(i), m = MN(i);                                   \
				FORGET                                                     \
				UNROLL for (int t = 0; t < T; t++) {                       \
					vi n = {0};                                            \
					UNROLL for (int d = 0; d < 4; d++) n = dotU(n, (vq)v.v[d], VALUES(t, d, i)); \
					acc[r][t].v[i] = fma_(m, SUM(T, t, i), acc[r][t].v[i]); \
					acc[r][t].v[i] = fma_(tofloat(n), s * SCALE(T, t, i), acc[r][t].v[i]); \
				}                                                          \
			}                                                              \
		}                                                                  \
		q += STEP * T;                                                     \
		w += BYTES;                                                        \
	} while (--k > 0);

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
#define SCALES45(u, r) (R == 1 ? scales45(u) : r == 0 ? ROW45(hs, 0) : r == 1 ? ROW45(hs, 1) : r == 2 ? ROW45(hs, 2) : ROW45(hs, 3))
#else
#define HEADERS45
#define SCALES45(u, r) scales45(u)
#endif
#define PROLOGUE45                                                         \
	vf16 sm = SCALES45(u, r);                                              \
	vf8 s8 = SHUFFLE(sm, sm, 0, 1, 2, 3, 4, 5, 6, 7), m8 = SHUFFLE(sm, sm, 8, 9, 10, 11, 12, 13, 14, 15);
#define SC(i) lanes(s8, i)
#define MN(i) lanes(m8, i)

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

// pick gives each lane the dword 4h+d of the 8 at w.
#if VB == 64
#define PICK(x, d) SHUFFLE(x, x, d, d, d, d, 4 + d, 4 + d, 4 + d, 4 + d, d, d, d, d, 4 + d, 4 + d, 4 + d, 4 + d)
#define EIGHT(w, i) load(vi8, w)
#elif VB == 32
#define PICK(x, d) SHUFFLE(x, x, d, d, d, d, 4 + d, 4 + d, 4 + d, 4 + d)
#define EIGHT(w, i) load(vi8, w)
#else
#define PICK(x, d) SHUFFLE(x, x, d, d, d, d)
#define EIGHT(w, i) load(vi, (w) + i % 2 * 16)
#endif
// shifts gives each lane the number for its block: n[b].
INLINE vi shifts(vi8 n, int i) {
	vi16 all = SHUFFLE(n, n, 0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7);
#if N16 == 1
	return all;
#elif N16 == 2
	return i ? SHUFFLE(all, all, 8, 9, 10, 11, 12, 13, 14, 15) : SHUFFLE(all, all, 0, 1, 2, 3, 4, 5, 6, 7);
#else
	return i / 2 ? SHUFFLE(all, all, 8, 9, 10, 11) : SHUFFLE(all, all, 0, 1, 2, 3);
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
// first and the second 32 bytes of ql, 2 and 3 the high ones; bits 2(b%4) of
// qh's 32 bytes are the upper two, which go to bit 4.
INLINE Four q6_k(const uint8_t *w, int i) {
	Four v;
	vu left = (vu)shifts((vi8){4, 2, 0, 0, 4, 2, 0, 0}, i), right = (vu)shifts((vi8){0, 0, 0, 2, 0, 0, 0, 2}, i);
#if VB == 64
	vi a = load(vi, w), b = load(vi, w + 64), h = load(vi, w + 128);
	const vu up = {0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4};
#define LOWS(d) SHUFFLE(a, b, d, d, 16 + d, 16 + d, 4 + d, 4 + d, 20 + d, 20 + d, 8 + d, 8 + d, 24 + d, 24 + d, 12 + d, 12 + d, 28 + d, 28 + d)
#define HIGHS(d) SHUFFLE(h, h, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#else
#if VB == 32
	const vu up = {0, 4, 0, 4, 0, 4, 0, 4};
	vi a = load(vi, w + 32 * i), b = load(vi, w + 64 + 32 * i), g = load(vi, w + 128), h = load(vi, w + 160);
#define LOWS(d) SHUFFLE(a, b, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#define HIGHS(d) SHUFFLE(g, h, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#else
	const vu up = {0, 4, 0, 4};
	const uint8_t *x = w + 32 * (i / 2) + 16 * (i % 2), *y = w + 128 + 16 * (i % 2);
	vi a = load(vi, x), b = load(vi, x + 64), g = load(vi, y), h = load(vi, y + 32);
#define LOWS(d) SHUFFLE(a, b, d, d, 4 + d, 4 + d)
#define HIGHS(d) SHUFFLE(g, h, d, d, 4 + d, 4 + d)
#endif
#endif
#define SIX(d) v.v[d] = AND((vu)LOWS(d) >> (vu)up, 0x0f) | AND((vu)HIGHS(d) << left >> right, 0x30)
	SIX(0);
	SIX(1);
	SIX(2);
	SIX(3);
	return v;
}
#define PROLOGUE6                                                          \
	vf16 n16 = __builtin_convertvector(load(vc16, u + 192), vf16) * f16(u + 208); \
	n16 = SHUFFLE(n16, n16, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

// What is compiled: the numbers of tokens that few registers hold.
#if VB == 64
#define EACH(K) K(1) K(2) K(3) K(4) K(5) K(6) K(8)
#elif VB == 32
#define EACH(K) K(1) K(2)
#else
#define EACH(K) K(1) K(2)
#endif
#define SIZE 34
#define Q8_0(T) ROWS(VB == 64 && T == 5 ? 4 : PLAIN_ROWS(T), dotQ8_0, T, SIGNED_BODY(T, 1.0f, Q8))
EACH(Q8_0)
#if VB == 16
Q8_0(4)
#endif
#undef SIZE
#define SIZE 18
#define Q4_0(T) ROWS(PLAIN_ROWS(T), dotQ4_0, T, SIGNED_BODY(T, 0.0625f, Q4))
EACH(Q4_0)
#if VB == 16
Q4_0(4)
#endif
#define Q4_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ4_K, T, SUPER(T, 144, HEADERS45, PROLOGUE45, q4_k(u + 16, i)))
#define Q5_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ5_K, T, SUPER(T, 176, HEADERS45, PROLOGUE45, q5_k(u, i)))
EACH(Q4_K)
EACH(Q5_K)
#undef SC
#undef MN
#define SC(i) part(n16, i)
#define MN(i) (part(n16, i) * -32)
#define Q6_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ6_K, T, SUPER(T, 210, , PROLOGUE6, q6_k(u, i)))
EACH(Q6_K)
