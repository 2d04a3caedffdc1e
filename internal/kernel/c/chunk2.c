// The Mamba-2 recurrence of one head for a chunk of tokens, as products of
// matrices:
//
//	y = [C e | G∘L] · [S ; x dt]     S = S e_last + (B w)ᵀ · (x dt)
//
// where G = C Bᵀ, L[t][s] is the decay from token s to t (0 for s > t), e[t]
// that from the state to t and w[s] that from s to the chunk's end: products of
// the tokens' decays, so at most 1 and exact to the last digits.
//
// Right operands lie in panels of 2*LANES columns, [panel][row][2*LANES].
#include "math.h"

// Subtracting zero is nothing, where adding it is an instruction (-0 + 0 is 0).
#define splat(x) ((x) - (vf){0})

#define W (2 * LANES)
#if VB == 32
#define M 4 // rows of a tile: there are 16 registers
#else
#define M 8
#endif

typedef struct {
	const float *a; // element k of row m at a[m*lda + k] (or transposed, a[k*lda + m])
	int64_t lda;
	const float *b;      // a panel
	int64_t rows, k, more; // rows: of M; every M rows have more terms than those before
	float *out;
	int64_t ldo;
	float keep; // out = keep*out + the product; 0: whatever out is
} ProductArgs;

#define PRODUCT(NAME, AM, AK)                                                                   \
	KERNEL NAME(const ProductArgs *p) {                                                         \
		const float *a = p->a;                                                                  \
		float *out = p->out;                                                                    \
		int64_t lda = p->lda, rows = p->rows, terms = p->k;                                     \
		do {                                                                                    \
			const float *q = a;                                                                 \
			const char *b = (const char *)p->b;                                                 \
			vf acc[M][2] = {0};                                                                 \
			for (int64_t k = terms; k > 0; k--) {                                               \
				vf u = load(vf, b), v = load(vf, b + VB);                                       \
				UNROLL for (int m = 0; m < M; m++) {                                            \
					vf s = splat(q[m * (AM)]);                                                  \
					acc[m][0] = fma_(u, s, acc[m][0]);                                          \
					acc[m][1] = fma_(v, s, acc[m][1]);                                          \
				}                                                                               \
				q += AK;                                                                        \
				b += 2 * VB;                                                                    \
			}                                                                                   \
			float *o = out;                                                                     \
			if (p->keep != 0) {                                                                 \
				UNROLL for (int m = 0; m < M; m++, o += p->ldo) {                               \
					acc[m][0] = fma_(load(vf, o), splat(p->keep), acc[m][0]);                   \
					acc[m][1] = fma_(load(vf, o + LANES), splat(p->keep), acc[m][1]);           \
				}                                                                               \
				o = out;                                                                        \
			}                                                                                   \
			UNROLL for (int m = 0; m < M; m++, o += p->ldo) {                                   \
				store(o, acc[m][0]);                                                            \
				store(o + LANES, acc[m][1]);                                                    \
			}                                                                                   \
			out += M * p->ldo;                                                                  \
			a += M * (AM);                                                                      \
			terms += p->more;                                                                   \
			rows -= M;                                                                          \
		} while (rows > 0);                                                                     \
	}
PRODUCT(productRows, lda, 1)    // a has m's rows
PRODUCT(productColumns, 1, lda) // a has k's rows

typedef struct {
	const float *x, *b, *c;   // of the first token
	const float *dt, *decay;
	const float *g;           // [tokens][Q]
	int64_t ldx, ldb, ldc, ldr; // float32 from token to token
	int64_t tokens, n, p;
	float *a;       // [tokens][lda] to be [C e | G∘L], L's part from column na
	int64_t lda, na;
	float *bw;      // [tokens][na] to be B w
	float *xdt;     // to be x dt, in panels
	int64_t panel;  // float32 from panel to panel
	float *l;       // [Q] to work in
} WeighArgs;

#define Q 32 // tokens of a chunk

INLINE void scale(float *out, const float *x, float by, int64_t n) {
	for (; n >= LANES; n -= LANES, x += LANES, out += LANES) store(out, load(vf, x) * by);
	for (; n > 0; n--) *out++ = *x++ * by;
}

// weigh makes a, bw and xdt; l[0] is left as the decay of the whole chunk.
KERNEL weigh2(const WeighArgs *p) {
	float *l = p->l, e = 1;
	UNROLL for (int i = 0; i < Q; i += LANES) store(l + i, splat(0));
	for (int64_t t = 0; t < p->tokens; t++) {
		float decay = p->decay[t * p->ldr];
		e *= decay;
		float *a = p->a + t * p->lda;
		scale(a, p->c + t * p->ldc, e, p->n);
		UNROLL for (int i = 0; i < Q; i += LANES) store(l + i, load(vf, l + i) * decay);
		l[t] = 1;
		UNROLL for (int i = 0; i < Q; i += LANES) store(a + p->na + i, load(vf, l + i) * load(vf, p->g + t * Q + i));
		const float *x = p->x + t * p->ldx;
		for (int64_t i = 0; i < p->p; i += 16) __builtin_prefetch(x + Q * p->ldx + i, 0, 2); // the next chunk's
		float *out = p->xdt + t * W;
		for (int64_t left = p->p; left > 0; left -= W, x += W, out += p->panel)
			scale(out, x, p->dt[t * p->ldr], left < W ? left : W);
	}
	// l is now the decay from each token to the last.
	for (int64_t t = 0; t < p->tokens; t++) scale(p->bw + t * p->na, p->b + t * p->ldb, l[t], p->n);
	l[0] = e;
}

typedef struct {
	const float *x;
	float *out;
	int64_t rows, cols, ldx, ldo;
} TransposeArgs;

// transpose is out[c*ldo + r] = x[r*ldx + c].
KERNEL transpose(const TransposeArgs *p) {
	int64_t ldx = 4 * p->ldx, ldo = 4 * p->ldo, r = 0;
	for (; r + 4 <= p->rows; r += 4) {
		const char *x = (const char *)p->x + r * ldx;
		char *out = (char *)p->out + 4 * r;
		int64_t c = p->cols;
		for (; c >= 4; c -= 4, x += 16) {
			vf4 a = load(vf4, x), b = load(vf4, x + ldx), d = load(vf4, x + 2 * ldx), e = load(vf4, x + 2 * ldx + ldx);
			vf4 ab = SHUFFLE(a, b, 0, 4, 1, 5), de = SHUFFLE(d, e, 0, 4, 1, 5);
			vf4 AB = SHUFFLE(a, b, 2, 6, 3, 7), DE = SHUFFLE(d, e, 2, 6, 3, 7);
			store(out, SHUFFLE(ab, de, 0, 1, 4, 5));
			out += ldo;
			store(out, SHUFFLE(ab, de, 2, 3, 6, 7));
			out += ldo;
			store(out, SHUFFLE(AB, DE, 0, 1, 4, 5));
			out += ldo;
			store(out, SHUFFLE(AB, DE, 2, 3, 6, 7));
			out += ldo;
		}
		for (; c > 0; c--, x += 4, out += ldo) {
			vf4 v = {load(float, x), load(float, x + ldx), load(float, x + 2 * ldx), load(float, x + 2 * ldx + ldx)};
			store(out, v);
		}
	}
	for (; r < p->rows; r++) {
		const char *x = (const char *)p->x + r * ldx;
		char *out = (char *)p->out + 4 * r;
		for (int64_t c = p->cols; c > 0; c--, x += 4, out += ldo) store(out, load(float, x));
	}
}

typedef struct {
	const float *y, *x; // [tokens][n]
	float *out;
	int64_t tokens, n, ldy, ldx, ldo;
	float d;
} FinishArgs;

// finish2 is out = y + d*x.
KERNEL finish2(const FinishArgs *p) {
	for (int64_t t = 0; t < p->tokens; t++) {
		const float *y = p->y + t * p->ldy, *x = p->x + t * p->ldx;
		float *out = p->out + t * p->ldo;
		int64_t n = p->n;
		for (; n >= LANES; n -= LANES, y += LANES, x += LANES, out += LANES)
			store(out, fma_(splat(p->d), load(vf, x), load(vf, y)));
		for (; n > 0; n--) {
			*out++ = __builtin_elementwise_fma(p->d, *x++, *y++);
		}
	}
}
