// Activations to int8: one scale for every 32, so that the largest becomes 127.
#include "vec.h"

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

INLINE vi16 nearest(vf16 v) { return __builtin_convertvector(__builtin_elementwise_roundeven(v), vi16); }

INLINE Block quantize(const float *x) {
	vf16 a = load(vf16, x), b = load(vf16, x + 16);
	float m = largest(__builtin_elementwise_max(__builtin_elementwise_abs(a), __builtin_elementwise_abs(b)));
	float inverse = m > 0 ? 127 / m : 0;
	vi16 i = nearest(a * inverse), j = nearest(b * inverse);
	return (Block){__builtin_convertvector(i, vc16), __builtin_convertvector(j, vc16), m / 127, sum(i), sum(j)};
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

// packGemm writes a token's activations for gemm.c.
KERNEL packGemm(const Args *p) {
	const float *x = p->x;
	char *g = p->g;
	int64_t G = p->G, t = p->t, n = p->n;
	do {
		Block u = quantize(x);
		store(g + 32 * t, u.q0);
		store(g + 32 * t + 16, u.q1);
		store(g + 32 * G + 4 * t, u.scale);
		store(g + 36 * G + 4 * t, -128 * (u.s0 + u.s1));
		store(g + 40 * G + 4 * t, u.scale * (float)(u.s0 + u.s1));
		store(g + 44 * G + 4 * t, -32 * u.s0);
		store(g + 48 * G + 4 * t, -32 * u.s1);
		g += 52 * G;
		x += 32;
		n -= 32;
	} while (n > 0);
}
