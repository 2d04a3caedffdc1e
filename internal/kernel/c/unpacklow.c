// Unpacks super-blocks of few bits: IQ4_XS, Q3_K and Q2_K (see unpack.h).
#include "unpackcodes.h"

// IQ4_XS: 16 bytes a block, and a scale of 6 bits.
INLINE float scaleXS(const uint8_t *w, int b) {
	int low = w[4 + b / 2] >> 4 * (b % 2) & 15, high = load(uint16_t, w + 2) >> 2 * b & 3;
	return f16(w) * (float)((low | high << 4) - 32);
}
#define SCALESXS UNROLL for (int b = 0; b < 8; b++) PUT(18 * VB, b, 16, scaleXS(w, b));
SUPER(unpackIQ4_XS, 136, 18 * VB, biased((vq)table(codes(w + 8 + 16 * j, 16, s), LEVELS4)), SCALESXS)

// Q2_K and Q3_K: of each half of 128, bits 2b of its 32 bytes are block b's.
INLINE vq twos(const uint8_t *w, int j, int s) {
	int half = j / 4, b = j % 4;
#if VB == 64
	vq4 x = load(vq4, w + 32 * half);
	return SHUFFLE(x >> 2 * b, x >> (2 * b + 2), 0, 1, 2, 3, 4, 5, 6, 7) & BYTES_OF(0x03);
#else
	return load(vq, w + 32 * half + s * VB) >> 2 * b & BYTES_OF(0x03);
#endif
}
#define SCALES2                                                                             \
	vf16 n = scales2(w);                                                                    \
	vf16 m = minima2(w) * -0x1p-5f;                                                         \
	UNROLL for (int b = 0; b < 8; b++) {                                                    \
		PUT(24 * VB, b, 16, n[2 * b]);                                                      \
		PUT(24 * VB, b, 18, n[2 * b + 1]);                                                  \
		PUT(24 * VB, b, 20, m[2 * b]);                                                     \
		PUT(24 * VB, b, 22, m[2 * b + 1]);                                                 \
	}
SUPER(unpackQ2_K, 84, 24 * VB, twos(w + 16, j, s), SCALES2)

// Q3_K's third bits: bit j of 32 bytes is block j's. Its weights come out 32 too
// large, as Q6_K's do.
INLINE vq q3_k(const uint8_t *w, int j, int s) {
#if VB == 64
	vq4 x = load(vq4, w);
	vq h = SHUFFLE(x >> j, x >> (j + 1), 0, 1, 2, 3, 4, 5, 6, 7);
#else
	vq h = load(vq, w + s * VB) >> j;
#endif
	return (twos(w + 32, j, s) | (h & BYTES_OF(0x01)) << 2) + BYTES_OF(28);
}
#define SCALES3                                                                             \
	vf16 n = scales3(w);                                                                    \
	UNROLL for (int b = 0; b < 8; b++) {                                                    \
		PUT(20 * VB, b, 16, n[2 * b]);                                                      \
		PUT(20 * VB, b, 18, n[2 * b + 1]);                                                  \
	}
SUPER(unpackQ3_K, 110, 20 * VB, q3_k(w, j, s), SCALES3)
