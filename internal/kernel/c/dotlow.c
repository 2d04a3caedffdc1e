// Dot products of super-blocks of few bits: IQ4_XS, Q3_K and Q2_K (see dots.h).
#include "dotcodes.h"

// A super-block of IQ4_XS: 8 scales of 6 bits behind the float16.
INLINE vf8 scalesXS(const uint8_t *u) {
	vi8 low = (vi8){0} + load(int32_t, u + 4), high = (vi8){0} + load(uint16_t, u + 2);
	low = (vi8)((vu8)low >> (vu8){0, 4, 8, 12, 16, 20, 24, 28}) & 15;
	high = (vi8)((vu8)high >> (vu8){0, 2, 4, 6, 8, 10, 12, 14}) & 3;
	return __builtin_convertvector((low | high << 4) - 32, vf8) * f16(u);
}
#define XS8(W) scalesXS(u)
#define XSq(b) (u + 8 + 16 * (b))
#define XS4(W, i) IQ4(XS, i)

// Q2_K and the lower bits of Q3_K.
INLINE Four twos(const uint8_t *w, int i) {
	Four v;
	vu right = (vu)shifts((vi8){0, 2, 4, 6, 0, 2, 4, 6}, i);
	LOAD_TWOS(w, i)
#define TWO(d) v.v[d] = AND((vu)TWOS(d) >> right, 0x03)
	TWO(0);
	TWO(1);
	TWO(2);
	TWO(3);
	return v;
}
// Bit b of Q3_K's first 32 bytes is the third bit of block b; it goes to bit 2.
INLINE Four q3_k(const uint8_t *w, int i) {
	Four v = twos(w + 32, i);
	vu left = (vu)shifts((vi8){2, 1, 0, 0, 0, 0, 0, 0}, i), right = (vu)shifts((vi8){0, 0, 0, 1, 2, 3, 4, 5}, i);
#define THIRD(d) v.v[d] |= AND((vu)PICK(EIGHT(w, i), d) << left >> right, 0x04)
	THIRD(0);
	THIRD(1);
	THIRD(2);
	THIRD(3);
	return v;
}

#define IQ4_XS(T) ROWS(ROWS_WITH_CONSTANTS(T), dotIQ4_XS, T, SIGNED_BODY(T, 1, 136, XS8, XS4))
FEW(IQ4_XS)
INLINE Scales16 prologue3(const uint8_t *w) {
	vf16 n = scales3(w);
	return (Scales16){LANES_OF_HALVES(n), {0}};
}
#define SCALES Scales16
#define SC(x, i) part(x.s, i)
#define MN(x, i) (part(x.s, i) * -4)
#define Q3_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ3_K, T, SUPER(T, 4, 1, 110, , prologue3(u), q3_k(u, i)))
FEW(Q3_K)
#undef MN
#define MN(x, i) part(x.m, i)
INLINE Scales16 prologue2(const uint8_t *w) {
	vf16 n = scales2(w), m = minima2(w);
	return (Scales16){LANES_OF_HALVES(n), LANES_OF_HALVES(m)};
}
#define Q2_K(T) ROWS(ROWS_WITH_CONSTANTS(T), dotQ2_K, T, SUPER(T, 4, 1, 84, , prologue2(u), twos(u + 16, i)))
FEW(Q2_K)
