// Attention: products of a few rows with a block of the cache, softmax over the
// block, partial results put together; rotation and the store into the cache.
//
// A block of one head's keys or values lies in strips of 32 columns: strip after
// strip, each row 32 values. Columns of keys are positions and rows dimensions,
// so that no sum crosses lanes; columns of values are dimensions and rows
// positions.
#include "attend.h"

// MUL is c (+)= a times b for G rows, NV vectors of columns at a time of S strips,
// each of an S-th of b: memory gives more where it is read in several places. What
// S leaves over goes strip by strip. Every sum goes by rising k, so its bits depend
// on none of these.
#define MUL(NAME, G, NV, S, SIZE, VECTOR)                                                   \
	KERNEL NAME(const MulArgs *p) {                                                         \
		const char *b = p->b;                                                               \
		char *c = (char *)p->c;                                                             \
		int64_t left = p->strips / S, rest = p->strips % S;                                 \
		int64_t second = left * p->strip, apart = left * 4 * STRIP;                         \
		const char *end = b + second, *next = p->next ? p->next : end;                      \
		if (left == 0) left = rest, rest = 0;                                               \
		do {                                                                                \
			_Pragma("clang loop unroll(disable)")                                           \
			for (int64_t col = 0; col < STRIP; col += NV * LANES) {                         \
				vf acc[G][S * NV] = {0};                                                    \
				if (p->rows) {                                                              \
					char *at = c + 4 * col;                                                 \
					UNROLL for (int g = 0; g < G; g++, at += p->ld) {                       \
						UNROLL for (int i = 0; i < S * NV; i++)                             \
							acc[g][i] = load(vf, at + i / NV * apart + i % NV * VB) * p->rows[g].factor; \
					}                                                                       \
				}                                                                           \
				const float *a = p->a;                                                      \
				const char *w = b + col * SIZE, *far = b + p->ahead;                        \
				if (far >= end) far = next + (far - end);                                   \
				int64_t k = p->k;                                                           \
				do {                                                                        \
					UNROLL for (int i = 0; i < S; i++) {                                    \
						__builtin_prefetch(far + i * second);                               \
						if (SIZE == 4) __builtin_prefetch(far + i * second + 64);           \
					}                                                                       \
					far += STRIP * SIZE;                                                    \
					if (far == end) far = next;                                             \
					if (G <= S * NV) {                                                      \
						vf s[G];                                                            \
						UNROLL for (int g = 0; g < G; g++) s[g] = spread(a + g * STRIDE);   \
						UNROLL for (int i = 0; i < S * NV; i++) {                           \
							vf v = VECTOR(w + i / NV * second + i % NV * LANES * SIZE);     \
							UNROLL for (int g = 0; g < G; g++) acc[g][i] = fma_(v, s[g], acc[g][i]); \
						}                                                                   \
					} else {                                                                \
						vf v[NV];                                                           \
						UNROLL for (int i = 0; i < NV; i++) v[i] = VECTOR(w + i * LANES * SIZE); \
						UNROLL for (int g = 0; g < G; g++) {                                \
							vf s = spread(a + g * STRIDE);                                  \
							UNROLL for (int i = 0; i < NV; i++) acc[g][i] = fma_(v[i], s, acc[g][i]); \
						}                                                                   \
					}                                                                       \
					a++;                                                                    \
					w += STRIP * SIZE;                                                      \
				} while (--k > 0);                                                          \
				char *at = c + 4 * col;                                                     \
				UNROLL for (int g = 0; g < G; g++, at += p->ld) {                           \
					UNROLL for (int i = 0; i < S * NV; i++) store(at + i / NV * apart + i % NV * VB, acc[g][i]); \
				}                                                                           \
			}                                                                               \
			b += p->strip;                                                                  \
			c += 4 * STRIP;                                                                 \
			if (--left == 0 && rest) {                                                      \
				b += (S - 1) * second;                                                      \
				c += (S - 1) * apart;                                                       \
				second = apart = 0;                                                         \
				left = rest;                                                                \
				rest = 0;                                                                   \
			}                                                                               \
		} while (left > 0);                                                                 \
	}
#define MULS(G, NV, S)                     \
	MUL(mulF32x##G, G, NV, S, 4, f32s)     \
	MUL(mulF16x##G, G, NV, S, 2, f16s)
// Where registers hold four strips' sums, for blocks of whole fours of them.
#define FOURS(G)                           \
	MUL(mulF32x##G##by4, G, 2, 4, 4, f32s) \
	MUL(mulF16x##G##by4, G, 2, 4, 2, f16s)
#if VB == 64
MULS(12, 2, 1)
MULS(6, 2, 1)
MULS(4, 2, 2)
MULS(3, 2, 2)
MULS(2, 2, 2)
MULS(1, 2, 2)
FOURS(3)
FOURS(2)
FOURS(1)
#else
#define HALF (16 / LANES)
MULS(6, HALF, 1)
MULS(4, HALF, 1)
MULS(3, HALF, 2)
MULS(2, HALF, 2)
MULS(1, HALF, 2)
#endif

typedef struct {
	float *s; // [n][STRIDE] scores, becoming weights
	Row *rows;
	int64_t n;
	int64_t fill; // columns from seen to here become 0; a multiple of 16
	float scale;  // of the scores
} SoftmaxArgs;

INLINE float highest(Acc a) {
#if N16 == 4
	vf4 x = __builtin_elementwise_max(__builtin_elementwise_max(a.v[0], a.v[1]), __builtin_elementwise_max(a.v[2], a.v[3]));
#else
#if N16 == 1
	vf8 h = __builtin_elementwise_max(SHUFFLE(a.v[0], a.v[0], 0, 1, 2, 3, 4, 5, 6, 7), SHUFFLE(a.v[0], a.v[0], 8, 9, 10, 11, 12, 13, 14, 15));
#else
	vf8 h = __builtin_elementwise_max(a.v[0], a.v[1]);
#endif
	vf4 x = __builtin_elementwise_max(SHUFFLE(h, h, 0, 1, 2, 3), SHUFFLE(h, h, 4, 5, 6, 7));
#endif
	x = __builtin_elementwise_max(x, SHUFFLE(x, x, 2, 3, 0, 1));
	x = __builtin_elementwise_max(x, SHUFFLE(x, x, 1, 0, 3, 2));
	return x[0];
}

// within are the lanes of vector i of 16 that are less than n.
INLINE vi within(int64_t n, int i) {
	typedef int32_t vi16 __attribute__((vector_size(64)));
	vi16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	return (vi)part((vf16)lane, i) < (int32_t)n - (vi){0};
}

// softmax turns each row's scores into e^(score*scale - max), max being that of
// the scores so far, and brings the row's state up to date.
KERNEL softmax(const SoftmaxArgs *p) {
	float *s = p->s;
	Row *row = p->rows;
	int64_t n = p->n;
	do {
		int64_t k = 0, seen = row->seen;
		Acc top;
		UNROLL for (int i = 0; i < N16; i++) top.v[i] = splat(-__builtin_inff());
		for (; k + 16 <= seen; k += 16) {
			UNROLL for (int i = 0; i < N16; i++) top.v[i] = max_(top.v[i], load(vf, s + k + i * LANES));
		}
		if (k < seen) {
			UNROLL for (int i = 0; i < N16; i++) {
				vi in = within(seen - k, i);
				top.v[i] = max_(top.v[i], (vf)(((vi)load(vf, s + k + i * LANES) & in) | ((vi)splat(-__builtin_inff()) & ~in)));
			}
		}
		float max = highest(top) * p->scale, old = row->max;
		max = max > old ? max : old;
		Acc sum = {0};
		k = 0;
		for (; k + 16 <= seen; k += 16) {
			UNROLL for (int i = 0; i < N16; i++) {
				vf e = exp_(load(vf, s + k + i * LANES) * p->scale - max);
				sum.v[i] += e;
				store(s + k + i * LANES, e);
			}
		}
		if (k < seen) {
			UNROLL for (int i = 0; i < N16; i++) {
				vf e = exp_(load(vf, s + k + i * LANES) * p->scale - max);
				e = (vf)((vi)e & within(seen - k, i));
				sum.v[i] += e;
				store(s + k + i * LANES, e);
			}
			k += 16;
		}
		for (; k < p->fill; k += LANES) store(s + k, (vf){0});
		float factor = exp_(splat(old - max))[0];
		row->max = max;
		row->sum = row->sum * factor + total(sum);
		row->factor = factor;
		row++;
		s += STRIDE;
	} while (--n > 0);
}

typedef struct {
	Row *rows;         // one a part
	int64_t rowStride; // bytes from part to part
	float *o;          // [parts][dim]; the first becomes the result
	int64_t dim;       // a multiple of 32
	int64_t parts;
} MergeArgs;

// merge puts the results of a query's parts together, by rising part.
KERNEL merge(const MergeArgs *p) {
	char *r = (char *)p->rows;
	float max = ((Row *)r)->max, sum = 0;
	for (int64_t i = 1; i < p->parts; i++) {
		float m = ((Row *)(r + i * p->rowStride))->max;
		max = m > max ? m : max;
	}
	for (int64_t i = 0; i < p->parts; i++) {
		Row *row = (Row *)(r + i * p->rowStride);
		row->factor = exp_(splat(row->max - max))[0];
		sum += row->sum * row->factor;
	}
	float inverse = 1 / sum;
	for (int64_t d = 0; d < p->dim; d += STRIP) {
		vf acc[STRIP / LANES] = {0};
		const float *o = p->o + d;
		const char *row = r;
		int64_t i = p->parts;
		do {
			vf f = splat(((const Row *)row)->factor);
			UNROLL for (int v = 0; v < STRIP / LANES; v++) acc[v] = fma_(load(vf, o + v * LANES), f, acc[v]);
			o += p->dim;
			row += p->rowStride;
		} while (--i > 0);
		UNROLL for (int v = 0; v < STRIP / LANES; v++) store(p->o + d + v * LANES, acc[v] * inverse);
	}
}

typedef struct {
	float *x; // [heads][dim]
	int64_t heads, dim;
	const float *cos, *sin; // [n] each angle's twice, the first sine of a pair negative
	int64_t n;              // of each head's dimensions turned
} RotateArgs;

INLINE vf swapped(vf x) {
#if VB == 64
	return SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif VB == 32
	return SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
#else
	return SHUFFLE(x, x, 1, 0, 3, 2);
#endif
}

// rotate turns adjacent pairs; products are rounded before they are added.
KERNEL rotate(const RotateArgs *p) {
	float *x = p->x;
	int64_t heads = p->heads;
	do {
		int64_t i = 0;
		for (; i + LANES <= p->n; i += LANES) {
			vf v = load(vf, x + i);
			store(x + i, v * load(vf, p->cos + i) + swapped(v) * load(vf, p->sin + i));
		}
		for (; i < p->n; i += 2) {
			float a = x[i], b = x[i + 1];
			x[i] = a * p->cos[i] + b * p->sin[i];
			x[i + 1] = b * p->cos[i + 1] + a * p->sin[i + 1];
		}
		x += p->dim;
	} while (--heads > 0);
}

typedef struct {
	const float *k, *v; // [dim]
	int64_t dim;
	char *toK, *toV; // the position's first column; row
	int64_t strip;   // bytes from strip to strip of values
} StoreArgs;

#define STORE(NAME, TYPE, VECTOR)                                                        \
	KERNEL NAME(const StoreArgs *p) {                                                    \
		int64_t n = p->dim;                                                              \
		for (int64_t i = 0; i < n; i++) ((TYPE *)p->toK)[i * STRIP] = (TYPE)p->k[i];     \
		char *to = p->toV;                                                               \
		const float *v = p->v;                                                           \
		for (; n >= STRIP; n -= STRIP, v += STRIP, to += p->strip) {                     \
			UNROLL for (int i = 0; i < STRIP / LANES; i++)                               \
				store((TYPE *)to + i * LANES, __builtin_convertvector(load(vf, v + i * LANES), VECTOR)); \
		}                                                                                \
		for (int64_t i = 0; i < n; i++) ((TYPE *)to)[i] = (TYPE)v[i];                    \
	}
STORE(storeF32, float, vf)
STORE(storeF16, _Float16, vh)
