// Unpacks Q8_0, Q4_0, Q4_K, Q5_K and Q6_K (see unpack.h).
#include "unpack.h"

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
#define F16_16TH(w) (f16(w) * 0.0625f)
SIGNED(unpackQ8_0, 34, f16, q8_0(w, next, s))
SIGNED(unpackQ4_0, 18, F16_16TH, q4_0(w, next, s))

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
