// Products of a few rows with a block of a cache of int8.
//
// A strip lies in tiles of 32 of its rows: 32 float16 scales, then [32][32]
// int8. A scale is of the 32 dimensions of one position: of a column of keys, of
// a row of values.
#include "attend.h"

#define SCALES (2 * STRIP)
#define TILE (SCALES + STRIP * STRIP)

typedef int8_t vc __attribute__((vector_size(LANES)));

// MUL8 is MUL of attend.c. Keys are scaled when a tile's sum is complete, values
// through the row of a, so that every int8 is only made a float.
#define MUL8(NAME, KEYS, G, NV)                                                            \
	KERNEL NAME##x##G(const MulArgs *p) {                                                  \
		const char *b = p->b;                                                              \
		char *c = (char *)p->c;                                                            \
		int64_t strips = p->strips;                                                        \
		do {                                                                               \
			const char *tile = b;                                                          \
			const float *a = p->a;                                                         \
			int64_t left = p->k;                                                           \
			do {                                                                           \
				int64_t n = left < STRIP ? left : STRIP;                                   \
				const float *from = a;                                                     \
				if (!KEYS) {                                                               \
					for (int64_t i = 0; i < STRIP; i += LANES) {                           \
						vf d = f16s(tile + 2 * i);                                         \
						UNROLL for (int g = 0; g < G; g++)                                 \
							store(p->work + g * STRIP + i, load(vf, a + g * STRIDE + i) * d); \
					}                                                                      \
					from = p->work;                                                        \
				}                                                                          \
				_Pragma("clang loop unroll(disable)")                                      \
				for (int64_t col = 0; col < STRIP; col += NV * LANES) {                    \
					vf acc[G][NV] = {0};                                                   \
					char *at = c + 4 * col;                                                \
					if (!KEYS && (left < p->k || p->rows)) {                               \
						UNROLL for (int g = 0; g < G; g++, at += p->ld) {                  \
							vf f = left < p->k ? splat(1) : spread(&p->rows[g].factor);    \
							UNROLL for (int i = 0; i < NV; i++) acc[g][i] = load(vf, at + i * VB) * f; \
						}                                                                  \
					}                                                                      \
					const char *w = tile + SCALES + col, *far = tile + p->ahead;           \
					if (tile < p->end && far >= p->end) far = p->next + (far - p->end);    \
					const float *s = from;                                                 \
					int64_t k = n;                                                         \
					do {                                                                   \
						__builtin_prefetch(far);                                           \
						far += TILE / STRIP;                                               \
						vf v[NV];                                                          \
						UNROLL for (int i = 0; i < NV; i++) v[i] = __builtin_convertvector(load(vc, w + i * LANES), vf); \
						UNROLL for (int g = 0; g < G; g++) {                               \
							vf x = spread(s + g * (KEYS ? STRIDE : STRIP));                \
							UNROLL for (int i = 0; i < NV; i++) acc[g][i] = fma_(v[i], x, acc[g][i]); \
						}                                                                  \
						s++;                                                               \
						w += STRIP;                                                        \
					} while (--k > 0);                                                     \
					at = c + 4 * col;                                                      \
					if (KEYS) {                                                            \
						vf d[NV];                                                          \
						UNROLL for (int i = 0; i < NV; i++) d[i] = f16s(tile + 2 * col + 2 * i * LANES); \
						UNROLL for (int g = 0; g < G; g++, at += p->ld) {                  \
							UNROLL for (int i = 0; i < NV; i++) {                          \
								vf sum = left < p->k ? load(vf, at + i * VB) : (vf){0};    \
								store(at + i * VB, fma_(acc[g][i], d[i], sum));            \
							}                                                              \
						}                                                                  \
					} else {                                                               \
						UNROLL for (int g = 0; g < G; g++, at += p->ld) {                  \
							UNROLL for (int i = 0; i < NV; i++) store(at + i * VB, acc[g][i]); \
						}                                                                  \
					}                                                                      \
				}                                                                          \
				tile += TILE;                                                              \
				a += STRIP;                                                                \
				left -= STRIP;                                                             \
			} while (left > 0);                                                            \
			b += p->strip;                                                                 \
			c += 4 * STRIP;                                                                \
		} while (--strips > 0);                                                            \
	}
#define MULS(G, NV)           \
	MUL8(mulK8, 1, G, NV)     \
	MUL8(mulV8, 0, G, NV)
#if VB == 64
#define ALL 2
MULS(12, ALL)
#else
#define ALL (16 / LANES)
#endif
MULS(6, ALL)
MULS(4, ALL)
MULS(3, ALL)
MULS(2, ALL)
MULS(1, ALL)
