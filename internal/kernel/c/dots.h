// Dot products of quantized rows with int8 activations, for passes of a few
// tokens. Rows of weights lie as the file has them.
//
// A step takes 256 values (rows that end within one come padded): 8 blocks b of
// 32, each in halves h of 16, each of 4 dwords d. Lane 8(b%2) + 4h + b/2 of 16 belongs to half h of block b, and
// vector d of four holds its dword d. So a lane adds up one half block in
// integers, and meets its scale once. The activations of T tokens lie together,
// step by step: T times 256 int8 in that order, T times 16 float32 scales, T
// times 16 sums (scale times the lane's sum of int8), T times 16 int32 that are
// -128 times the lane's sum.
#pragma once
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

// PAIR rows are unpacked together, so that what is loaded of a token's activations
// serves them all: a core loads no faster than it multiplies, and it must also
// take up the weights that come from memory. KEEP is a value that the compiler
// must hold, not load or compute again.
#define PAIR (VB == 64 && R > 1 ? 2 : 1)
#if VB == 64
#define KEEP(x) __asm__ volatile("" : "+v"(x));
#define KEEP4(x) KEEP(x.v[0]) KEEP(x.v[1]) KEEP(x.v[2]) KEEP(x.v[3])
#else
#define KEEP(x) (void)(x);
#define KEEP4(x) (void)(x);
#endif
#define PREFETCH(BYTES) UNROLL for (int l = 0; l < BYTES; l += 64) __builtin_prefetch(u + p->ahead + l);

// PRODUCTS adds to n[e] the products of row e of a pair with token t.
#define PRODUCTS(DOT, WEIGHTS)                                             \
	UNROLL for (int d = 0; d < 4; d++) {                                   \
		vi a = VALUES(t, d, i);                                            \
		if (P > 1) KEEP(a)                                                 \
		UNROLL for (int e = 0; e < P; e++) n[e] = DOT(n[e], WEIGHTS((vq)v[e].v[d]), a); \
	}
// FEW_PRODUCTS is PRODUCTS for weights so small that 16 bits hold the sum of so MANY
// products of pairs: 15 and 31 times 127 eight times, 63 times 127 four times.
#if VB == 32 && !FIX
#define FEW_PRODUCTS(MANY)                                                 \
	UNROLL for (int d = 0; d < 4; d += MANY) {                             \
		__m256i x = _mm256_maddubs_epi16((__m256i)v[0].v[d], (__m256i)VALUES(t, d, i)); \
		UNROLL for (int f = d + 1; f < d + MANY; f++) x = _mm256_add_epi16(x, _mm256_maddubs_epi16((__m256i)v[0].v[f], (__m256i)VALUES(t, f, i))); \
		n[0] += (vi)_mm256_madd_epi16(x, _mm256_set1_epi16(1));            \
	}
#else
#define FEW_PRODUCTS(MANY) PRODUCTS(dotU, AS_IT_IS)
#endif
#define SCALED(T)                                                          \
	vf scale = SCALE(T, t, i);                                             \
	UNROLL for (int e = 0; e < P; e++) acc[r + e][t].v[i] = fma_(tofloat(n[e]), s[e] * scale, acc[r + e][t].v[i]);
#define AS_IT_IS(x) (x)

// Signed weights with a scale for each block of 32. W(b) is block b of the row at
// u, and D8OF makes the scales of 8.
#define SIGNED(T, W, BYTES, D8OF, UNPACKED)                              \
	const uint8_t *u = w;                                                  \
	UNROLL for (int r = 0; r < R; r += PAIR) {                             \
		enum { P = PAIR };                                                 \
		HERE(T)                                                            \
		vf8 d8[P];                                                         \
		Four v[P];                                                         \
		vf s[P];                                                           \
		UNROLL for (int i = 0; i < N16; i++) {                             \
			UNROLL for (int e = 0; e < P; e++) {                           \
				if (i == 0) { PREFETCH(BYTES) d8[e] = D8OF(W); }           \
				s[e] = lanes(d8[e], i);                                    \
				v[e] = UNPACKED(W, i);                                     \
				KEEP4(v[e])                                                \
				if (i == N16 - 1) u += far;                                \
			}                                                              \
			FORGET                                                         \
			UNROLL for (int t = 0; t < T; t++) {                           \
				vi bias = FIX ? BIAS(T, t, i) : (vi){0}, n[P];             \
				UNROLL for (int e = 0; e < P; e++) n[e] = bias;            \
				PRODUCTS(dotS, biased)                                     \
				SCALED(T)                                                  \
			}                                                              \
		}                                                                  \
	}
// HALVES8 makes floats of the float16 at AT(0), AT(1), ...
#define HALVES8(AT) ({ vs8 h_ = {HALF(AT(0)), HALF(AT(1)), HALF(AT(2)), HALF(AT(3)), HALF(AT(4)), HALF(AT(5)), HALF(AT(6)), HALF(AT(7))}; \
	__builtin_convertvector((vh8)h_, vf8); })
// lanes gives each lane its block's element: vector i of 16.
INLINE vf lanes(vf8 s, int i) { return part(SHUFFLE(s, s, 0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7), i); }

// What stands before blocks of 32, SIZE bytes of which the last QUANTS are levels.
#define ALL(b) (u + (b) * SIZE)
#define ALLq(b) (ALL(b) + SIZE - QUANTS)
// A step of k blocks in BYTES.
#define SIGNED_BODY(T, BLOCKS_, BYTES, D8OF, UNPACKED)                     \
	for (; k > 0; k -= BLOCKS_) {                                          \
		SIGNED(T, ALL, BYTES, D8OF, UNPACKED)                            \
		q += STEP * T;                                                     \
		w += BYTES;                                                        \
	}
#define D8(W) HALVES8(W)

// 16 bytes of nibbles: values 0 to 15 of a block are the low ones, 16 to 31 the
// high ones; they come out as upper nibbles.
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

#define AND(x, m) (vi)((vq)(x) & BYTES_OF(m))

// Weights 0 to 63, with MANY for FEW_PRODUCTS, 256 of them in BLOCKS_ blocks: SC and MN are 16 lanes of scales
// and of what meets the activations' sums, from the SCALES that PROLOGUE makes of
// the row at u, number r + e.
#define SUPER(T, MANY, BLOCKS_, BYTES, HEADERS, PROLOGUE, UNPACKED)        \
	do {                                                                   \
		const uint8_t *u = w;                                              \
		HEADERS                                                            \
		UNROLL for (int r = 0; r < R; r += PAIR) {                         \
			enum { P = PAIR };                                             \
			HERE(T)                                                        \
			Four v[P];                                                     \
			vf s[P], m[P];                                                 \
			SCALES of[P];                                                  \
			UNROLL for (int i = 0; i < N16; i++) {                         \
				UNROLL for (int e = 0; e < P; e++) {                       \
					if (i == 0) { PREFETCH(BYTES) of[e] = PROLOGUE; }      \
					v[e] = UNPACKED;                                       \
					s[e] = SC(of[e], i), m[e] = MN(of[e], i);              \
					KEEP4(v[e])                                            \
					if (i == N16 - 1) u += far;                            \
				}                                                          \
				FORGET                                                     \
				UNROLL for (int t = 0; t < T; t++) {                       \
					vi n[P] = {0};                                         \
					FEW_PRODUCTS(MANY)                                     \
					vf sum = SUM(T, t, i);                                 \
					if (P > 1) KEEP(sum)                                   \
					UNROLL for (int e = 0; e < P; e++) acc[r + e][t].v[i] = fma_(m[e], sum, acc[r + e][t].v[i]); \
					SCALED(T)                                              \
				}                                                          \
			}                                                              \
		}                                                                  \
		q += STEP * T;                                                     \
		w += BYTES;                                                        \
	} while ((k -= BLOCKS_) > 0);

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

// Two bits of a block in each of 64 bytes: of a half of 128, block b's are bits
// 2b of 32 bytes. TWOS(d) is dword d's bytes, not yet shifted.
#if VB == 64
#define LOAD_TWOS(w, i) vi twos = load(vi, w);
#define TWOS(d) SHUFFLE(twos, twos, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#elif VB == 32
#define LOAD_TWOS(w, i) vi twos = load(vi, w), more = load(vi, (w) + 32);
#define TWOS(d) SHUFFLE(twos, more, d, d, 8 + d, 8 + d, 4 + d, 4 + d, 12 + d, 12 + d)
#else
#define LOAD_TWOS(w, i) vi twos = load(vi, (w) + 16 * (i % 2)), more = load(vi, (w) + 16 * (i % 2) + 32);
#define TWOS(d) SHUFFLE(twos, more, d, d, 4 + d, 4 + d)
#endif

// Scales and minima of 8 blocks, and of 16 halves.
typedef struct { vf8 s, m; } Scales8;
typedef struct { vf16 s, m; } Scales16;

// Halves in the order of the row, as their lanes are.
#define LANES_OF_HALVES(n) SHUFFLE(n, n, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)

// What is compiled: the numbers of tokens that few registers hold.
#if VB == 64
#define EACH(K) K(1) K(2) K(3) K(4) K(5) K(6) K(7) K(8)
#elif VB == 32
#define EACH(K) K(1) K(2) K(3) K(4) K(5) K(6) K(8)
#else
#define EACH(K) K(1) K(2) K(4)
#endif
// The same for types whose unpacking takes more registers.
#if VB == 16
#define EACH_WIDE(K) K(1) K(2)
#else
#define EACH_WIDE(K) EACH(K)
#endif

// FEW is EACH for the types that are met less often: every size is code to carry.
#if VB == 64
#define FEW(K) K(1) K(4)
#else
#define FEW(K) K(1) K(2)
#endif
