// The Mamba-2 recurrence token by token, and what stands around it.
#include "math.h"

// Subtracting zero is nothing, where adding it is an instruction (-0 + 0 is 0).
#define splat(x) ((x) - (vf){0})

INLINE float fma1(float a, float b, float c) { return __builtin_elementwise_fma(a, b, c); }

typedef struct {
	const float *x, *w;
	float *out;
	int64_t n;
} RateArgs;

#define ROW(NAME, VALUE)                                                                         \
	KERNEL NAME(const RateArgs *p) {                                                             \
		const char *x_ = (const char *)p->x, *w_ = (const char *)p->w;                           \
		char *out = (char *)p->out;                                                              \
		int64_t n = p->n;                                                                        \
		for (; n >= LANES; n -= LANES, x_ += VB, w_ += VB, out += VB) {                          \
			vf x = load(vf, x_), w = load(vf, w_);                                               \
			store(out, VALUE);                                                                   \
		}                                                                                        \
		for (; n > 0; n--, x_ += 4, w_ += 4, out += 4) {                                         \
			vf x = splat(load(float, x_)), w = splat(load(float, w_));                           \
			store(out, (VALUE)[0]);                                                              \
		}                                                                                        \
	}
ROW(softplus2, softplus_(x + w))
ROW(decay2, exp_(x * w))

typedef struct {
	float *s;               // [rows][n] states of one head
	int64_t rows, n;
	int64_t replay, tokens; // tokens of the log, through which the stored state advances, and of the pass
	const float *dt, *decay, *x, *b; // of both: dt and decay ldr apart, x [rows], b [n]
	const float *c;         // of the pass, [n]
	float *y;               // of the pass, ldy apart
	int64_t ldr, ldy;
	float *sums;            // [tokens][16] to work in
	int64_t keep;           // the pass's tokens advance the stored state too
	float d;
} Args;

// ADVANCE is decay*s + u*b.
#define ADVANCE(s, decay, u, b) fma_(s, splat(decay), splat(u) * (b))

// part_ advances states [k, k+V*LANES) of a row, at s, through all tokens.
INLINE void part_(const Args *p, char *s, int64_t row, int64_t k, const int V) {
	vf v[8];
	UNROLL for (int i = 0; i < V; i++) v[i] = load(vf, s + i * VB);
	const float *dt = p->dt, *decay = p->decay, *x = p->x + row, *b = p->b + k;
	int64_t n = p->replay;
	if (n > 0) {
		do {
			float u = *dt * *x;
			UNROLL for (int i = 0; i < V; i++) v[i] = ADVANCE(v[i], *decay, u, load(vf, b + i * LANES));
			dt += p->ldr;
			decay += p->ldr;
			x += p->rows;
			b += p->n;
		} while (--n > 0);
		UNROLL for (int i = 0; i < V; i++) store(s + i * VB, v[i]);
	}
	n = p->tokens;
	if (n > 0) {
		const float *c = p->c + k;
		char *sum = (char *)p->sums;
		do {
			float u = *dt * *x;
			Acc y;
			UNROLL for (int i = 0; i < N16; i++) y.v[i] = load(vf, sum + i * VB);
			UNROLL for (int i = 0; i < V; i++) {
				v[i] = ADVANCE(v[i], *decay, u, load(vf, b + i * LANES));
				y.v[i % N16] = fma_(v[i], load(vf, c + i * LANES), y.v[i % N16]);
			}
			UNROLL for (int i = 0; i < N16; i++) store(sum + i * VB, y.v[i]);
			dt += p->ldr;
			decay += p->ldr;
			x += p->rows;
			b += p->n;
			c += p->n;
			sum += 64;
		} while (--n > 0);
		if (p->keep) {
			UNROLL for (int i = 0; i < V; i++) store(s + i * VB, v[i]);
		}
	}
}

// scan2 advances the rows and gives y = S·C + d*x.
KERNEL scan2(const Args *p) {
	char *s = (char *)p->s;
	for (int64_t row = 0; row < p->rows; row++) {
		const float *x = p->x + p->replay * p->rows + row;
		for (int64_t t = 0; t < p->tokens; t++, x += p->rows) {
			UNROLL for (int i = 0; i < N16; i++) store(p->sums + 16 * t + i * LANES, splat(0));
			p->sums[16 * t] = p->d * *x; // one lane starts with it
		}
		int64_t k = 0;
		for (; k + 4 * LANES <= p->n; k += 4 * LANES, s += 4 * VB) part_(p, s, row, k, 4);
#if N16 < 4
		for (; k + 16 <= p->n; k += 16, s += 64) part_(p, s, row, k, N16);
#endif
		for (; k < p->n; k++, s += 4) {
			float v = load(float, s);
			for (int64_t t = 0; t < p->replay + p->tokens; t++) {
				float u = p->dt[t * p->ldr] * p->x[t * p->rows + row];
				v = fma1(v, p->decay[t * p->ldr], u * p->b[t * p->n + k]);
				if (t < p->replay) {
					store(s, v);
				} else {
					float *sum = p->sums + 16 * (t - p->replay);
					*sum = fma1(v, p->c[(t - p->replay) * p->n + k], *sum);
				}
			}
			if (p->keep) store(s, v);
		}
		for (int64_t t = 0; t < p->tokens; t++) {
			Acc y;
			UNROLL for (int i = 0; i < N16; i++) y.v[i] = load(vf, p->sums + 16 * t + i * LANES);
			p->y[t * p->ldy + row] = total(y);
		}
	}
}

typedef struct {
	const float *z, *w;
	float *y;
	int64_t n, rows, ldz, ldy;
	float eps;
} NormArgs;

// gateNorm is v = y * silu(z), y = v * w / sqrt(mean of v² + eps), row by row.
KERNEL gateNorm(const NormArgs *p) {
	char *y = (char *)p->y;
	const char *z = (const char *)p->z, *w = (const char *)p->w;
	int64_t rows = p->rows;
	do {
		int64_t k = 0, n = 4 * p->n;
		Acc sum = {0};
		float left = 0;
		for (; k + 64 <= n; k += 64) {
			UNROLL for (int i = 0; i < N16; i++) {
				vf v = load(vf, y + k + i * VB) * silu_(load(vf, z + k + i * VB));
				store(y + k + i * VB, v);
				sum.v[i] = fma_(v, v, sum.v[i]);
			}
		}
		for (; k < n; k += 4) {
			float v = load(float, y + k) * silu_(splat(load(float, z + k)))[0];
			store(y + k, v);
			left = fma1(v, v, left);
		}
		float scale = 1 / __builtin_sqrtf((total(sum) + left) / (float)p->n + p->eps);
		for (k = 0; k + VB <= n; k += VB) store(y + k, load(vf, y + k) * scale * load(vf, w + k));
		for (; k < n; k += 4) store(y + k, load(float, y + k) * scale * load(float, w + k));
		y += 4 * p->ldy;
		z += 4 * p->ldz;
	} while (--rows > 0);
}
