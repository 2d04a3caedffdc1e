// Unpacks LANES rows of weights into half of a tile (see gemm.c).
#pragma once
#include "vec.h"

typedef struct {
	const uint8_t *const *row; // LANES rows
	int64_t blocks;            // of a row, as the type has them
	char *tile;                // where the first block's first quad of these rows goes
} Args;

typedef float vfh __attribute__((vector_size(VB / 2)));

// transpose turns LANES rows of LANES dwords.
#if VB == 64
INLINE void transpose(vi *v) {
	__m512i t[16], u[16];
	UNROLL for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32((__m512i)v[i], (__m512i)v[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32((__m512i)v[i], (__m512i)v[i + 1]);
	}
	UNROLL for (int i = 0; i < 16; i += 4) {
		u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL for (int k = 0; k < 4; k++) {
		__m512i x = _mm512_shuffle_i32x4(u[k], u[k + 4], 0x88), y = _mm512_shuffle_i32x4(u[k], u[k + 4], 0xdd);
		__m512i z = _mm512_shuffle_i32x4(u[k + 8], u[k + 12], 0x88), w = _mm512_shuffle_i32x4(u[k + 8], u[k + 12], 0xdd);
		v[k] = (vi)_mm512_shuffle_i32x4(x, z, 0x88);
		v[k + 4] = (vi)_mm512_shuffle_i32x4(y, w, 0x88);
		v[k + 8] = (vi)_mm512_shuffle_i32x4(x, z, 0xdd);
		v[k + 12] = (vi)_mm512_shuffle_i32x4(y, w, 0xdd);
	}
}
#elif VB == 32
INLINE void transpose(vi *v) {
	__m256i t[8], u[8];
	UNROLL for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32((__m256i)v[i], (__m256i)v[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32((__m256i)v[i], (__m256i)v[i + 1]);
	}
	UNROLL for (int i = 0; i < 8; i += 4) {
		u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL for (int k = 0; k < 4; k++) {
		v[k] = (vi)_mm256_permute2x128_si256(u[k], u[k + 4], 0x20);
		v[k + 4] = (vi)_mm256_permute2x128_si256(u[k], u[k + 4], 0x31);
	}
}
#else
INLINE void transpose(vi *v) {
	vi a = SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = SHUFFLE(v[0], v[1], 2, 6, 3, 7);
	vi c = SHUFFLE(v[2], v[3], 0, 4, 1, 5), d = SHUFFLE(v[2], v[3], 2, 6, 3, 7);
	v[0] = SHUFFLE(a, c, 0, 1, 4, 5);
	v[1] = SHUFFLE(a, c, 2, 3, 6, 7);
	v[2] = SHUFFLE(b, d, 0, 1, 4, 5);
	v[3] = SHUFFLE(b, d, 2, 3, 6, 7);
}
#endif

// A step unpacks LANES dwords of each row: VB columns. half joins two vectors.
#if VB == 64
typedef uint8_t vbh __attribute__((vector_size(32)));
INLINE vi join(vbh a, vbh b) { return (vi)SHUFFLE((vq4)a, (vq4)b, 0, 1, 2, 3, 4, 5, 6, 7); }
#endif

// ROWS does DO for each row r, whose bytes are w.
#define ROWS(DO) UNROLL for (int r = 0; r < LANES; r++) { const uint8_t *w = p->row[r] + at; DO; }

// QUADS writes the transposed v from quad c of the block at tile on; BYTES is a
// block's size in the tile.
#define QUADS(BYTES)                                                                        \
	transpose(v);                                                                           \
	UNROLL for (int d = 0; d < LANES; d++) store(tile + d / 8 * (BYTES) + (c + d % 8) * 2 * VB, v[d]);

// Steps to a block of 32 (0 where a step is two blocks), and quads a step.
#define STEPS (32 / VB)

// Blocks of 32 with one scale, and a constant where CONSTANT stores one: weights as
// PASSED through.
#define SIGNED(NAME, SIZE, SCALE, WEIGHTS) BLOCKS(NAME, SIZE, 18 * VB, biased, SCALE, NOTHING, WEIGHTS)
#define NOTHING(w, to)
#define PLAIN(x) (x)
#define BLOCKS(NAME, SIZE, BYTES, PASSED, SCALE, CONSTANT, WEIGHTS)                         \
	KERNEL NAME(const Args *p) {                                                            \
		char *tile = p->tile;                                                               \
		int64_t at = 0, k = p->blocks;                                                      \
		do {                                                                                \
			const int64_t next = STEPS || k > 1 ? SIZE : 0; /* the last has no pair */      \
			UNROLL for (int s = 0; s < (STEPS ? STEPS : 1); s++) {                          \
				const int c = s * LANES;                                                    \
				vi v[LANES];                                                                \
				ROWS(v[r] = (vi)PASSED((vq)(WEIGHTS)))                                      \
				QUADS(BYTES)                                                                \
			}                                                                               \
			ROWS(*(float *)(tile + 16 * VB + 4 * r) = SCALE(w); CONSTANT(w, tile + 18 * VB + 4 * r)) \
			if (!STEPS) ROWS(*(float *)(tile + (BYTES) + 16 * VB + 4 * r) = SCALE(w + next); CONSTANT(w + next, tile + (BYTES) + 18 * VB + 4 * r)) \
			tile += (STEPS ? 1 : 2) * (BYTES);                                              \
			at += (STEPS ? 1 : 2) * SIZE;                                                   \
			k -= STEPS ? 1 : 2;                                                             \
		} while (k > 0);                                                                    \
	}

// Super-blocks: j is the block of 32 a step begins in, s the step within it.
#if VB == 64
#define PER 2 // blocks a step
#else
#define PER 1
#endif
#define SUPER(NAME, SIZE, BYTES, WEIGHTS, CONSTANTS)                                        \
	KERNEL NAME(const Args *p) {                                                            \
		char *tile = p->tile;                                                               \
		int64_t at = 0, k = p->blocks;                                                      \
		do {                                                                                \
			UNROLL for (int j = 0; j < 8; j += PER) {                                       \
				UNROLL for (int s = 0; s < (STEPS ? STEPS : 1); s++) {                      \
					const int c = s * LANES;                                                \
					vi v[LANES];                                                            \
					ROWS(v[r] = (vi)(WEIGHTS))                                              \
					QUADS(BYTES)                                                            \
				}                                                                           \
				tile += PER * (BYTES);                                                      \
			}                                                                               \
			ROWS(CONSTANTS)                                                                 \
			at += SIZE;                                                                     \
		} while (--k > 0);                                                                  \
	}
// PUT writes row r's value for block b of the super-block just unpacked.
#define PUT(BYTES, b, PLACE, x) *(float *)(tile + (b - 8) * (BYTES) + (PLACE) * VB + 4 * r) = (x)
