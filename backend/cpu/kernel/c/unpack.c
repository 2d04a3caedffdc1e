// Unpacks LANES rows of weights into half of a tile (see gemm.c).
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

// Signed weights with one scale for 32.
#define SIGNED(NAME, SIZE, SCALE, WEIGHTS)                                                  \
	KERNEL NAME(const Args *p) {                                                            \
		char *tile = p->tile;                                                               \
		int64_t at = 0, k = p->blocks;                                                      \
		do {                                                                                \
			const int64_t next = STEPS || k > 1 ? SIZE : 0; /* the last has no pair */      \
			UNROLL for (int s = 0; s < (STEPS ? STEPS : 1); s++) {                          \
				const int c = s * LANES;                                                    \
				vi v[LANES];                                                                \
				ROWS(v[r] = (vi)biased((vq)(WEIGHTS)))                                      \
				QUADS(18 * VB)                                                              \
			}                                                                               \
			ROWS(*(float *)(tile + 16 * VB + 4 * r) = f16(w) * SCALE)                       \
			if (!STEPS) ROWS(*(float *)(tile + 34 * VB + 4 * r) = f16(w + next) * SCALE)    \
			tile += (STEPS ? 1 : 2) * 18 * VB;                                              \
			at += (STEPS ? 1 : 2) * SIZE;                                                   \
			k -= STEPS ? 1 : 2;                                                             \
		} while (k > 0);                                                                    \
	}

#if VB == 64
INLINE vi q8_0(const uint8_t *w, int64_t next, int s) { return join(load(vbh, w + 2), load(vbh, w + 2 + next)); }
INLINE vbh q4(const uint8_t *w) {
	vu4 x = load(vu4, w + 2);
	return (vbh)SHUFFLE(x << 4, x, 0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE vi q4_0(const uint8_t *w, int64_t next, int s) {
	return (vi)(((vq)join(q4(w), q4(w + next)) & BYTES_OF(0xf0)) ^ BYTES_OF(0x80));
}
#elif VB == 32
INLINE vi q8_0(const uint8_t *w, int64_t next, int s) { return load(vi, w + 2); }
INLINE vi q4_0(const uint8_t *w, int64_t next, int s) {
	vu4 x = load(vu4, w + 2);
	return (vi)(((vq)SHUFFLE(x << 4, x, 0, 1, 2, 3, 4, 5, 6, 7) & BYTES_OF(0xf0)) ^ BYTES_OF(0x80));
}
#else
INLINE vi q8_0(const uint8_t *w, int64_t next, int s) { return load(vi, w + 2 + 16 * s); }
INLINE vi q4_0(const uint8_t *w, int64_t next, int s) {
	vq x = load(vq, w + 2);
	return (vi)(((s ? x : x << 4) & BYTES_OF(0xf0)) ^ BYTES_OF(0x80));
}
#endif
SIGNED(unpackQ8_0, 34, 1.0f, q8_0(w, next, s))
SIGNED(unpackQ4_0, 18, 0.0625f, q4_0(w, next, s))

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

// Q4_K: 32 bytes are a pair of blocks.
INLINE vq q4_k(const uint8_t *qs, int j, int s) {
#if VB == 64
	vq4 x = load(vq4, qs + 16 * j);
	return SHUFFLE(x, x >> 4, 0, 1, 2, 3, 4, 5, 6, 7) & BYTES_OF(0x0f);
#else
	vq x = load(vq, qs + j / 2 * 32 + s * VB);
	return (j % 2 ? x >> 4 : x) & BYTES_OF(0x0f);
#endif
}
// Bit j of qh's 32 bytes is the fifth bit of block j.
INLINE vq q5_k(const uint8_t *w, int j, int s) {
#if VB == 64
	vq4 x = load(vq4, w + 16);
	vq h = SHUFFLE(x >> j, x >> (j + 1), 0, 1, 2, 3, 4, 5, 6, 7);
#else
	vq h = load(vq, w + 16 + s * VB) >> j;
#endif
	return q4_k(w + 48, j, s) | (h & BYTES_OF(0x01)) << 4;
}
#define SCALES45                                                                            \
	vf16 n = scales45(w);                                                                   \
	UNROLL for (int b = 0; b < 8; b++) { PUT(20 * VB, b, 16, n[b]); PUT(20 * VB, b, 18, n[8 + b]); }
SUPER(unpackQ4_K, 144, 20 * VB, q4_k(w + 16, j, s), SCALES45)
SUPER(unpackQ5_K, 176, 20 * VB, q5_k(w, j, s), SCALES45)

// Q6_K: of each half of 128, block 0 is the low nibbles of ql's first 32 bytes,
// 1 of its last, 2 and 3 the high nibbles; bits 2b of qh are block b's.
INLINE vq q6_k(const uint8_t *w, int j, int s) {
	int half = j / 4, b = j % 4;
#if VB == 64
	vq x = load(vq, w + 64 * half);
	vq4 y = load(vq4, w + 128 + 32 * half);
	vq h = SHUFFLE(y >> 2 * b, y >> (2 * b + 2), 0, 1, 2, 3, 4, 5, 6, 7);
#else
	vq x = load(vq, w + 64 * half + b % 2 * 32 + s * VB), h = load(vq, w + 128 + 32 * half + s * VB) >> 2 * b;
#endif
	return ((b / 2 ? x >> 4 : x) & BYTES_OF(0x0f)) | (h & BYTES_OF(0x03)) << 4;
}
#define SCALES6                                                                             \
	vf16 n = __builtin_convertvector(load(vc16, w + 192), vf16) * f16(w + 208);             \
	UNROLL for (int b = 0; b < 8; b++) {                                                    \
		PUT(20 * VB, b, 16, n[2 * b]);                                                      \
		PUT(20 * VB, b, 18, n[2 * b + 1]);                                                  \
	}
SUPER(unpackQ6_K, 210, 20 * VB, q6_k(w, j, s), SCALES6)
