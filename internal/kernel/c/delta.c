// A step of the gated delta rule.
#include "vec.h"

INLINE float fma1(float a, float b, float c) { return __builtin_elementwise_fma(a, b, c); }

typedef struct {
	const float *s;         // [rows][n] states
	float *to;              // where they advance to, s or elsewhere
	const float *old, *k, *q; // [n]; old and q may be null
	float *u;               // [rows] of old, then of k
	const float *v;         // [rows]
	float *y;               // [rows], where there is q
	int64_t rows, n;
	float was, decay, beta, kq; // decay of old and of k, k·q
} Args;

// row_ takes a row at s and to one token on. If OLD it first becomes was*s + u*old.
// Its products with k, and if Q with q, are made on the way. The decay of k is taken
// out of the sums, so one reading of the states does.
INLINE void row_(const Args *p, int64_t row, const int OLD, const int Q) {
	const char *k = (const char *)p->k, *q = (const char *)p->q, *old = (const char *)p->old;
	const char *s = (const char *)(p->s + row * p->n);
	char *to = (char *)(p->to + row * p->n);
	int64_t n = 4 * p->n, i = 0;
	float u = OLD ? p->u[row] : 0, la = 0, lb = 0;
	vf us = splat(u), was = splat(p->was);
	Acc a = {0}, b = {0};
	for (; i + 64 <= n; i += 64) {
		UNROLL for (int j = 0; j < N16; j++) {
			vf v = load(vf, s + i + j * VB);
			if (OLD) {
				v = fma_(v, was, us * load(vf, old + i + j * VB));
				store(to + i + j * VB, v);
			}
			a.v[j] = fma_(v, load(vf, k + i + j * VB), a.v[j]);
			if (Q) b.v[j] = fma_(v, load(vf, q + i + j * VB), b.v[j]);
		}
	}
	for (; i < n; i += 4) {
		float v = load(float, s + i);
		if (OLD) {
			v = fma1(v, p->was, u * load(float, old + i));
			store(to + i, v);
		}
		la = fma1(v, load(float, k + i), la);
		if (Q) lb = fma1(v, load(float, q + i), lb);
	}
	float x = p->beta * (p->v[row] - p->decay * (total(a) + la));
	p->u[row] = x;
	if (Q) p->y[row] = p->decay * (total(b) + lb) + x * p->kq;
}

#define STEP(NAME, OLD, Q) \
	KERNEL NAME(const Args *p) { for (int64_t row = 0; row < p->rows; row++) row_(p, row, OLD, Q); }
STEP(delta, 0, 0)
STEP(deltaY, 0, 1)
STEP(deltaOn, 1, 0)
STEP(deltaOnY, 1, 1)

// deltaEnd is to = was*s + u*old.
KERNEL deltaEnd(const Args *p) {
	const char *s = (const char *)p->s, *old = (const char *)p->old;
	char *to = (char *)p->to;
	int64_t n = 4 * p->n;
	for (int64_t row = 0; row < p->rows; row++, s += n, to += n) {
		vf u = splat(p->u[row]), was = splat(p->was);
		int64_t i = 0;
		for (; i + VB <= n; i += VB) store(to + i, fma_(load(vf, s + i), was, u * load(vf, old + i)));
		for (; i < n; i += 4) store(to + i, fma1(load(float, s + i), p->was, p->u[row] * load(float, old + i)));
	}
}
