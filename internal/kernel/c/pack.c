// Activations to int8: one scale for every 32, so that the largest becomes 127.
#include "vec.h"

typedef int32_t vi4 __attribute__((vector_size(16)));

typedef struct {
	const float *x;
	int64_t n; // values, a multiple of 32
	// For dots: T tokens together, of which this is one (see dot.c).
	char *a;
	int64_t T, t;
	// For products of tiles: groups of G tokens, of which this is one (see
	// gemm.c).
	char *g;
	int64_t G;
} Args;

INLINE float largest(vf16 v) {
	vf8 h = __builtin_elementwise_max(SHUFFLE(v, v, 0, 1, 2, 3, 4, 5, 6, 7), SHUFFLE(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
	vf4 q = __builtin_elementwise_max(SHUFFLE(h, h, 0, 1, 2, 3), SHUFFLE(h, h, 4, 5, 6, 7));
	q = __builtin_elementwise_max(q, SHUFFLE(q, q, 2, 3, 0, 1));
	float a = q[0], b = q[1];
	return a > b ? a : b;
}

INLINE int32_t sum(vi16 v) {
	vi16 w = v + SHUFFLE(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
	vu4 q = (vu4)SHUFFLE(w, w, 0, 1, 2, 3) + (vu4)SHUFFLE(w, w, 4, 5, 6, 7);
	q += SHUFFLE(q, q, 2, 3, 0, 1);
	return (int32_t)(q[0] + q[1]);
}

// Block is 32 values as int8, in two halves.
typedef struct { vc16 q0, q1; float scale; int32_t s0, s1; } Block;

INLINE vi16 nearest(vf16 v) {
#if VB == 64
	return (vi16)_mm512_cvtps_epi32((__m512)v);
#else
	return __builtin_convertvector(__builtin_elementwise_roundeven(v), vi16);
#endif
}

INLINE Block quantize(const float *x) {
	vf16 a = load(vf16, x), b = load(vf16, x + 16);
	float m = largest(__builtin_elementwise_max(__builtin_elementwise_abs(a), __builtin_elementwise_abs(b)));
	float inverse = m > 0 ? 127 / m : 0;
	vi16 i = nearest(a * inverse), j = nearest(b * inverse);
	return (Block){__builtin_convertvector(i, vc16), __builtin_convertvector(j, vc16), m / 127, sum(i), sum(j)};
}

// Four is four blocks of 32; lane i of its vectors belongs to block i.
typedef struct { vc16 q[8]; vf4 scale; vi4 s0, s1; } Four;

// fold makes one vector of four, each lane from a vector's four.
#define FOLD(OP)                                                               \
	vi4 t = OP(SHUFFLE(a, b, 0, 4, 1, 5), SHUFFLE(a, b, 2, 6, 3, 7));          \
	vi4 u = OP(SHUFFLE(c, d, 0, 4, 1, 5), SHUFFLE(c, d, 2, 6, 3, 7));          \
	return OP(SHUFFLE(t, u, 0, 1, 4, 5), SHUFFLE(t, u, 2, 3, 6, 7));
#define ADD(x, y) ((x) + (y))
INLINE vi4 largest4(vi4 a, vi4 b, vi4 c, vi4 d) { FOLD(__builtin_elementwise_max) }
INLINE vi4 sum4(vi4 a, vi4 b, vi4 c, vi4 d) { FOLD(ADD) }

// magnitude is the largest of 32 values without their signs, in four lanes, as
// integers: floats of one sign have their order.
INLINE vi4 magnitude(const float *x) {
	vi16 v = __builtin_elementwise_max(load(vi16, x) & 0x7fffffff, load(vi16, x + 16) & 0x7fffffff);
	vi8 h = __builtin_elementwise_max(SHUFFLE(v, v, 0, 1, 2, 3, 4, 5, 6, 7), SHUFFLE(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
	return __builtin_elementwise_max(SHUFFLE(h, h, 0, 1, 2, 3), SHUFFLE(h, h, 4, 5, 6, 7));
}

// quarters sums 16 int8 in four lanes.
INLINE vi4 quarters(vc16 q) {
#if defined(__x86_64__)
	return (vi4)_mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), (__m128i)q), _mm_set1_epi16(1));
#else
	return (vi4)vpaddlq_s16(vpaddlq_s8((int8x16_t)q));
#endif
}

INLINE Four quantize4(const float *x) {
	Four f;
	vf4 m = (vf4)largest4(magnitude(x), magnitude(x + 32), magnitude(x + 64), magnitude(x + 96));
	vf4 inverse = (vf4)((m > 0) & (vi4)(127 / m));
	f.scale = m / 127;
	__asm__ volatile("" ::: "memory"); // registers are few: x is loaded again
	UNROLL for (int i = 0; i < 8; i++) f.q[i] = __builtin_convertvector(nearest(load(vf16, x + 16 * i) * inverse[i / 2]), vc16);
	f.s0 = sum4(quarters(f.q[0]), quarters(f.q[2]), quarters(f.q[4]), quarters(f.q[6]));
	f.s1 = sum4(quarters(f.q[1]), quarters(f.q[3]), quarters(f.q[5]), quarters(f.q[7]));
	return f;
}

// packDot writes a token's activations for dot.c; what the last step lacks is
// zeros.
KERNEL packDot(const Args *p) {
	const float *x = p->x;
	char *a = p->a;
	int64_t T = p->T, t = p->t, n = p->n;
	do {
		for (int b = 0; b < 8; b++) {
			Block u = {0};
			if (n > 0) u = quantize(x);
			x += 32;
			n -= 32;
			int lane = 4 * (b % 2 * 8 + b / 2); // in bytes, of half 0; half 1 is 16 on
			char *q = a + 256 * t + lane, *s = a + 256 * T + 64 * t + lane;
			vu4 h = (vu4)u.q0, g = (vu4)u.q1;
			UNROLL for (int d = 0; d < 4; d++) {
				store(q + 64 * d, h[d]);
				store(q + 64 * d + 16, g[d]);
			}
			store(s, u.scale);
			store(s + 16, u.scale);
			s += 64 * T;
			store(s, u.scale * (float)u.s0);
			store(s + 16, u.scale * (float)u.s1);
			s += 64 * T;
			store(s, -128 * u.s0);
			store(s + 16, -128 * u.s1);
		}
		a += 448 * T;
	} while (n > 0);
}

// figures writes what products of tiles want to know about a token's block.
INLINE void figures(char *s, int64_t far, float scale, float scaled, int32_t s0, int32_t s1) {
	store(s, scale);
	s += far;
	store(s, -128 * (s0 + s1));
	s += far;
	store(s, scaled);
	s += far;
	store(s, -32 * s0);
	s += far;
	store(s, -32 * s1);
}

// packGemm writes a token's activations for gemm.c.
KERNEL packGemm(const Args *p) {
	const float *x = p->x;
	int64_t G = p->G, n = p->n, far = 4 * G, block = 52 * G;
	char *q = p->g + 32 * p->t, *s = p->g + 32 * G + 4 * p->t;
	for (; n >= 128; n -= 128) {
		Four f = quantize4(x);
		vf4 scaled = f.scale * __builtin_convertvector(f.s0 + f.s1, vf4);
		UNROLL for (int b = 0; b < 4; b++) {
			store(q, f.q[2 * b]);
			store(q + 16, f.q[2 * b + 1]);
			figures(s, far, f.scale[b], scaled[b], f.s0[b], f.s1[b]);
			q += block;
			s += block;
		}
		x += 128;
	}
	for (; n > 0; n -= 32) {
		Block u = quantize(x);
		store(q, u.q0);
		store(q + 16, u.q1);
		figures(s, far, u.scale, u.scale * (float)(u.s0 + u.s1), u.s0, u.s1);
		q += block;
		s += block;
		x += 32;
	}
}
