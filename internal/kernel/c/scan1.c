// The Mamba-1 recurrence for 16 channels at a time, one a lane, which share B
// and C. Their states lie state by state, 16 float32 each, so that no sum goes
// across lanes.
#include "math.h"

// Subtracting zero is nothing, where adding it is an instruction (-0 + 0 is 0).
#define splat(x) ((x) - (vf){0})

typedef struct {
	float *h;       // [n][16] states
	const float *a; // [n][16] A, times log2 e
	int64_t n, tokens;
	const float *dt, *x, *b, *c; // of the first token
	float *y;
	int64_t ldt, ldx, ldb, ldc, ldy; // float32 from token to token
	const float *d;                  // [16]
} Args;

// exp2_ is 2^t to two units in the last place, and as exact as its argument
// near 0, where errors of slow decays would add up. Beyond 2^±126 it need not
// be right.
INLINE vf exp2_(vf t) {
#if VB == 64
	vf n = round_(t), f = t - n;
#else
	const vf magic = splat(0x1.8p23f); // its last bits become n
	t = max_(min_(t, splat(127)), splat(-126));
	vf m = t + magic, f = t - (m - magic);
#endif
	vf y = splat(1.326472731e-3f);
	y = fma_(y, f, splat(9.671512991e-3f));
	y = fma_(y, f, splat(5.550733581e-2f));
	y = fma_(y, f, splat(2.402224243e-1f));
	y = fma_(y, f, splat(6.931470037e-1f));
	y = fma_(y, f, splat(1));
#if VB == 64
	return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
	return (vf)((vi)y + ((vi)m << 23));
#endif
}

// step advances the states by one token and, when y is not 0, adds C times
// them to it.
INLINE void step(const Args *p, Acc dt, const float *x, const float *b, const float *c, Acc *y) {
	char *h = (char *)p->h;
	const char *a = (const char *)p->a;
	Acc u;
	UNROLL for (int i = 0; i < N16; i++) u.v[i] = dt.v[i] * load(vf, x + i * LANES);
	int64_t n = p->n;
	do {
		UNROLL for (int i = 0; i < N16; i++) {
			vf s = fma_(exp2_(dt.v[i] * load(vf, a + i * VB)), load(vf, h + i * VB), u.v[i] * splat(*b));
			store(h + i * VB, s);
			if (y) y->v[i] = fma_(s, splat(*c), y->v[i]);
		}
		b++;
		if (y) c++;
		h += 64;
		a += 64;
	} while (--n > 0);
}

// tokens_ is the step for all tokens; it gives y = C·h + d*x, if that is wanted.
INLINE void tokens_(const Args *p, const int want) {
	const float *dt = p->dt, *x = p->x, *b = p->b, *c = p->c;
	char *y_ = (char *)p->y;
	int64_t t = p->tokens;
	do {
		if (want) { // the next tile's, which the processor does not foresee
			__builtin_prefetch(x + 16, 0, 2);
			__builtin_prefetch(b + 16, 0, 2);
			__builtin_prefetch(c + 16, 0, 2);
		}
		Acc d, y;
		UNROLL for (int i = 0; i < N16; i++) {
			d.v[i] = load(vf, dt + i * LANES);
			if (want) y.v[i] = load(vf, p->d + i * LANES) * load(vf, x + i * LANES);
		}
		step(p, d, x, b, c, want ? &y : 0);
		dt += p->ldt;
		x += p->ldx;
		b += p->ldb;
		if (want) {
			UNROLL for (int i = 0; i < N16; i++) store(y_ + i * VB, y.v[i]);
			c += p->ldc;
			y_ += 4 * p->ldy;
		}
	} while (--t > 0);
}
KERNEL replay1(const Args *p) { tokens_(p, 0); }
KERNEL scan1(const Args *p) { tokens_(p, 1); }
