// Unpacks blocks of 32: Q5_0, Q5_1, Q4_1, IQ4_NL and MXFP4 (see unpack.h).
#include "unpackcodes.h"

#define F16_8TH(w) (f16(w) * 0.125f)
INLINE float power(const uint8_t *w) {
	uint32_t e = *w;
	union { uint32_t i; float f; } u = {e < 2 ? (e + 1) << 21 : (e - 1) << 23};
	return u.f;
}
SIGNED(unpackIQ4_NL, 18, f16, table(codes(w + 2, next, s), LEVELS4))
SIGNED(unpackMXFP4, 17, power, table(codes(w + 1, next, s), LEVELSMX))

// fifths gives the step's values their fifth bits, as bit 4 of a byte: bit i of
// the four bytes at w is value i's.
#define EIGHT_TIMES(b) b, b, b, b, b, b, b, b
#define EIGHT_BITS 1, 2, 4, 8, 16, 32, 64, 128
#if VB == 16
typedef vb16 vbs;
#define BIT_OF (vbs){EIGHT_BITS, EIGHT_BITS}
INLINE vbs spread(const uint8_t *w, int64_t next, int s) {
	vb16 x = (vb16)((vu4){0} + load(uint32_t, w));
	return s ? SHUFFLE(x, x, EIGHT_TIMES(2), EIGHT_TIMES(3)) : SHUFFLE(x, x, EIGHT_TIMES(0), EIGHT_TIMES(1));
}
#else
typedef uint8_t vbs __attribute__((vector_size(VB)));
typedef uint8_t vb32 __attribute__((vector_size(32)));
INLINE vb32 spread4(const uint8_t *w) {
	vb32 x = (vb32)((vu8){0} + load(uint32_t, w));
	return SHUFFLE(x, x, EIGHT_TIMES(0), EIGHT_TIMES(1), EIGHT_TIMES(2), EIGHT_TIMES(3));
}
#if VB == 64
#define BIT_OF (vbs){EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS}
INLINE vbs spread(const uint8_t *w, int64_t next, int s) { return (vbs)join(spread4(w), spread4(w + next)); }
#else
#define BIT_OF (vbs){EIGHT_BITS, EIGHT_BITS, EIGHT_BITS, EIGHT_BITS}
INLINE vbs spread(const uint8_t *w, int64_t next, int s) { return (vbs)spread4(w); }
#endif
#endif
INLINE vq fifths(const uint8_t *w, int64_t next, int s) {
	vbs bit = BIT_OF;
	return (vq)((spread(w, next, s) & bit) == bit) & BYTES_OF(0x10);
}
// A weight of Q5_0 comes out 8 times too large, so that it needs no subtraction.
SIGNED(unpackQ5_0, 22, F16_8TH, ((codes(w + 6, next, s) | fifths(w + 2, next, s)) << 3) ^ BYTES_OF(0x80))
#define MINIMUM(w, to) *(float *)(to) = f16((w) + 2)
BLOCKS(unpackQ4_1, 20, 20 * VB, PLAIN, f16, MINIMUM, codes(w + 4, next, s))
BLOCKS(unpackQ5_1, 24, 20 * VB, PLAIN, f16, MINIMUM, codes(w + 8, next, s) | fifths(w + 4, next, s))
