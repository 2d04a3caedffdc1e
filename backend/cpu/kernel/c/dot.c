// Dot products of quantized rows with int8 activations, for passes of a few
// tokens. Rows of weights lie as the file has them.
//
// Lane 2d+b of 16 holds dword d of block b of a pair of blocks. Activations of
// T tokens lie together, pair by pair: T times 64 int8 in that order, T times
// the two blocks' float32 scales, T times fix, which is -16 times each block's
// sum, int32. sums holds, for each 256 values, T times 16 float32: scale times
// the sum of 16 values.
#include "vec.h"

typedef struct {
	const uint8_t *w;
	int64_t stride, rows; // bytes from row to row
	int64_t blocks;       // of a row
	const char *a, *sums;
	float *out;    // [row][T]
	int64_t ahead; // bytes from the weights in use to those prefetched
} Args;

// STEP multiplies vector i of a pair for every token; n is the integer sums.
#define STEP(T, n, ws)                                                                \
	UNROLL for (int t = 0; t < T; t++) {                                              \
		vi a = load(vi, q + 64 * t + i * VB);                                         \
		acc[t].v[i] = fma_(tofloat(n), (ws) * (vf)splat2(q + 64 * T + 8 * t), acc[t].v[i]); \
	}

// Blocks of 32 signed weights with one scale, two blocks a step: a and b.
#define SIMPLE(NAME, T, BYTES, SCALE, WEIGHTS)                                        \
	KERNEL NAME##x##T(const Args *p) {                                                \
		const uint8_t *row = p->w;                                                    \
		float *out = p->out;                                                          \
		int64_t rows = p->rows;                                                       \
		do {                                                                          \
			const uint8_t *a_ = row;                                                  \
			const char *q = p->a;                                                     \
			Acc acc[T] = {0};                                                         \
			int64_t k = p->blocks;                                                    \
			do {                                                                      \
				/* what the last block has no pair for meets zeros */                 \
				const uint8_t *b_ = k > 1 ? a_ + BYTES : a_;                          \
				__builtin_prefetch(a_ + p->ahead);                                    \
				vf ws = splat2f(f16(a_) * SCALE, f16(b_) * SCALE);                    \
				UNROLL for (int i = 0; i < N16; i++) {                                \
					vq v = biased(WEIGHTS(a_ + 2, b_ + 2, i));                        \
					STEP(T, dotS(FIX ? splat2(q + 72 * T + 8 * t) : (vi){0}, v, a), ws) \
				}                                                                     \
				q += 80 * T;                                                          \
				a_ += 2 * BYTES;                                                      \
				k -= 2;                                                               \
			} while (k > 0);                                                          \
			UNROLL for (int t = 0; t < T; t++) out[t] = total(acc[t]);                \
			out += T;                                                                 \
			row += p->stride;                                                         \
		} while (--rows > 0);                                                         \
	}

INLINE vq q8_0(const uint8_t *a, const uint8_t *b, int i) { return interleave(a + i * VB / 2, b + i * VB / 2); }

// Values 0 to 15 are the low nibbles of the 16 bytes, 16 to 31 the high ones.
// A weight comes out 16 times too large, since that needs no subtraction.
INLINE vq q4_0(const uint8_t *a, const uint8_t *b, int i) {
#if N16 == 1
	vq4 z = __builtin_convertvector(load(vu4, a), vq4) | __builtin_convertvector(load(vu4, b), vq4) << 32;
	vq v = __builtin_shufflevector(z << 4, z, 0, 1, 2, 3, 4, 5, 6, 7);
#else
	int part = i % (N16 / 2) * VB / 2;
	vq z = interleave(a + part, b + part), v = i < N16 / 2 ? z << 4 : z;
#endif
	return (v & BYTES_OF(0xf0)) ^ BYTES_OF(0x80);
}

// Super-blocks of 256 weights 0 to 63, four pairs of blocks with a scale for
// each block or half block, and a constant (SUMS) that meets the sums of a.
#define SUPER(NAME, T, BYTES, PROLOGUE, WEIGHTS, SCALES)                              \
	KERNEL NAME##x##T(const Args *p) {                                                \
		const uint8_t *row = p->w;                                                    \
		float *out = p->out;                                                          \
		int64_t rows = p->rows;                                                       \
		do {                                                                          \
			const uint8_t *w = row;                                                   \
			const char *q = p->a, *m = p->sums;                                       \
			Acc acc[T] = {0};                                                         \
			int64_t k = p->blocks;                                                    \
			do {                                                                      \
				__builtin_prefetch(w + p->ahead);                                     \
				__builtin_prefetch(w + p->ahead + 64);                                \
				if (BYTES > 144) __builtin_prefetch(w + p->ahead + 128);              \
				PROLOGUE                                                              \
				UNROLL for (int t = 0; t < T; t++) {                                  \
					UNROLL for (int i = 0; i < N16; i++)                              \
						acc[t].v[i] = fma_(SUMS(i), load(vf, m + 64 * t + i * VB), acc[t].v[i]); \
				}                                                                     \
				UNROLL for (int j = 0; j < 4; j++, q += 80 * T) {                     \
					UNROLL for (int i = 0; i < N16; i++) {                            \
						vq v = WEIGHTS;                                               \
						vf ws = SCALES;                                               \
						STEP(T, dotU((vi){0}, v, a), ws)                              \
					}                                                                 \
				}                                                                     \
				w += BYTES;                                                           \
				m += 64 * T;                                                          \
			} while (--k > 0);                                                        \
			UNROLL for (int t = 0; t < T; t++) out[t] = total(acc[t]);                \
			out += T;                                                                 \
			row += p->stride;                                                         \
		} while (--rows > 0);                                                         \
	}

#define PROLOGUE45 \
	vf16 sm = scales45(w); \
	vf8 sc = SHUFFLE(sm, sm, 0, 1, 2, 3, 4, 5, 6, 7), mn = SHUFFLE(sm, sm, 8, 9, 10, 11, 12, 13, 14, 15);
#define SUMS(i) doubled(mn, i)

// Each 32 bytes hold a pair of blocks, in low and high nibbles.
INLINE vq q4_k(const uint8_t *qs, int j, int i) {
	vq x = widen(qs + 32 * j + i * VB / 2);
	return (x | x << 28) & BYTES_OF(0x0f);
}
#define Q4_K(T) SUPER(dotQ4_K, T, 144, PROLOGUE45, q4_k(w + 16, j, i), pair(sc, j))

// Bit j of qh's 32 bytes is the fifth bit of block j.
INLINE vq q5_k(const uint8_t *w, int j, int i) {
	vq h = widen(w + 16 + i * VB / 2);
	h |= h << 31;
	h = j == 0 ? h << 4 : j == 1 ? h << 2 : j == 2 ? h : h >> 2;
	return q4_k(w + 48, j, i) | (h & BYTES_OF(0x10));
}
#define Q5_K(T) SUPER(dotQ5_K, T, 176, PROLOGUE45, q5_k(w, j, i), pair(sc, j))

// Each half of 128 weights: low 4 bits in 64 bytes, high 2 bits in 32.
INLINE vq q6_k(const uint8_t *w, int j, int i) {
	const uint8_t *ql = w + j / 2 * 64 + i * VB / 2, *qh = w + 128 + j / 2 * 32 + i * VB / 2;
	vq x = interleave(ql, ql + 32), h = widen(qh);
	h |= h << 30;
	return j % 2 ? (x >> 4 & BYTES_OF(0x0f)) | (h & BYTES_OF(0x30)) : (x & BYTES_OF(0x0f)) | (h << 4 & BYTES_OF(0x30));
}
#define PROLOGUE6 vf16 sc = __builtin_convertvector(load(vc16, w + 192), vf16) * f16(w + 208);
#define Q6_K(T) SUPER(dotQ6_K, T, 210, PROLOGUE6, q6_k(w, j, i), halves(sc, j, i))

// As many tokens at a time as the registers hold sums for.
#define SIMPLE_(T) SIMPLE(dotQ8_0, T, 34, 1.0f, q8_0) SIMPLE(dotQ4_0, T, 18, 0.0625f, q4_0) Q4_K(T)
SIMPLE_(1) Q5_K(1)
SIMPLE_(2) Q5_K(2)
SIMPLE_(4)
#if VB == 64
Q5_K(4)
SIMPLE_(8) Q5_K(8)
#endif

#undef SUMS
#define SUMS(i) (part(sc, i) * -32)
Q6_K(1)
#if VB >= 32
Q6_K(2)
#endif
#if VB == 64
Q6_K(4)
Q6_K(8)
#endif
