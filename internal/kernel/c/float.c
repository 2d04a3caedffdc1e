// Products with float32, float16 and bfloat16 weights, activations float32.
#include "rows.h"

typedef _Float16 vh __attribute__((vector_size(VB / 2)));
typedef uint16_t vs __attribute__((vector_size(VB / 2)));
typedef uint32_t vu __attribute__((vector_size(VB)));

INLINE vf f32s(const uint8_t *w) { return load(vf, w); }
INLINE vf f16s(const uint8_t *w) { return __builtin_convertvector(load(vh, w), vf); }
INLINE vf bf16s(const uint8_t *w) { return (vf)(__builtin_convertvector(load(vs, w), vu) << 16); }
INLINE float f32(const uint8_t *w) { return load(float, w); }
INLINE float bf16(const uint8_t *w) {
	union { uint32_t u; float f; } x = {(uint32_t)load(uint16_t, w) << 16};
	return x.f;
}

// Wide is 16 columns of a row; some gives the n < 16 that are left, and zeros.
typedef struct { vf v[N16]; } Wide;
#define WIDE(NAME, SIZE, VECTOR, ONE)                                         \
	INLINE Wide all_##NAME(const uint8_t *w) {                                \
		Wide x;                                                               \
		UNROLL for (int i = 0; i < N16; i++) x.v[i] = VECTOR(w + i * LANES * SIZE); \
		return x;                                                             \
	}                                                                         \
	INLINE Wide some_##NAME(const uint8_t *w, int64_t n) {                    \
		Wide x = {0};                                                         \
		do {                                                                  \
			UNROLL for (int i = N16 - 1; i > 0; i--) x.v[i] = up(x.v[i], x.v[i - 1][LANES - 1]); \
			x.v[0] = up(x.v[0], ONE(w + --n * SIZE));                         \
		} while (n > 0);                                                      \
		return x;                                                             \
	}
// up moves each element one lane up, and x into the lowest.
INLINE vf up(vf v, float x) {
	v = SHUFFLE(v, v, LANES - 1, 0, 1, 2
#if LANES > 4
		, 3, 4, 5, 6
#endif
#if LANES > 8
		, 7, 8, 9, 10, 11, 12, 13, 14
#endif
	);
	v[0] = x;
	return v;
}
WIDE(F32, 4, f32s, f32)
WIDE(F16, 2, f16s, f16)
WIDE(BF16, 2, bf16s, bf16)

// Activations: for every 16 columns T times 16 values, zeros after the last.
#define STEPS(T, X)                                                           \
	const uint8_t *u = w;                                                     \
	UNROLL for (int r = 0; r < R; r++, u += far) {                            \
		HERE(T)                                                               \
		Wide x = X;                                                           \
		UNROLL for (int t = 0; t < T; t++) UNROLL for (int i = 0; i < N16; i++) acc[r][t].v[i] = fma_(x.v[i], load(vf, q + 64 * t + i * VB), acc[r][t].v[i]); \
	}
#define DOT(NAME, T, SIZE)                                                    \
	ROWS(PLAIN_ROWS(T), dot##NAME, T, {                                                      \
		for (; k >= 16; k -= 16) {                                            \
			UNROLL for (int r = 0; r < R; r++) __builtin_prefetch(w + r * far + p->ahead); \
			STEPS(T, all_##NAME(u))                                           \
			w += 16 * SIZE;                                                   \
			q += 64 * T;                                                      \
		}                                                                     \
		if (k > 0) { STEPS(T, some_##NAME(u, k)) }                              \
	})
#define DOTS(T) DOT(F32, T, 4) DOT(F16, T, 2) DOT(BF16, T, 2)
DOTS(1)
DOTS(2)
#if VB != 32
DOTS(4)
#endif
#if VB == 64
DOTS(8)
#endif

// The tile of gemm.c with float32: for every column 2 times LANES rows.
#include "group.h"

KERNEL gemmF(const GemmArgs *p) {
	const char *a = p->a, *add = (const char *)p->add;
	char *out = (char *)p->out;
	int64_t groups = p->groups;
	do {
		const char *w = p->tile, *q = a;
		int64_t k = p->blocks;
		vf acc[G][2] = {0};
		do {
			vf u[2] = {load(vf, w), load(vf, w + VB)};
			UNROLL for (int t = 0; t < G; t++) {
				vf b = splat(load(float, q + 4 * t));
				UNROLL for (int g = 0; g < 2; g++) acc[t][g] = fma_(u[g], b, acc[t][g]);
			}
			w += 2 * VB;
			q += 4 * G;
		} while (--k > 0);
		FINISH
		a += p->groupA;
	} while (--groups > 0);
}

typedef struct {
	const uint8_t *const *row; // LANES rows
	int64_t n;                 // columns
	char *tile;                // where the first column of these rows goes
} UnpackArgs;

#define UNPACK(NAME, SIZE, ONE)                                                               \
	KERNEL NAME(const UnpackArgs *p) {                                                        \
		char *tile = p->tile;                                                                 \
		int64_t at = 0, k = p->n;                                                             \
		do {                                                                                  \
			UNROLL for (int r = 0; r < LANES; r++) *(float *)(tile + 4 * r) = ONE(p->row[r] + at); \
			tile += 2 * VB;                                                                   \
			at += SIZE;                                                                       \
		} while (--k > 0);                                                                    \
	}
UNPACK(unpackF32, 4, f32)
UNPACK(unpackF16, 2, f16)
UNPACK(unpackBF16, 2, bf16)

typedef struct {
	const float *x;
	int64_t n;
	char *g; // group of G tokens, of which this is token t
	int64_t t;
} PackArgs;

// packGemmF writes a token's activations for gemmF.
KERNEL packGemmF(const PackArgs *p) {
	const float *x = p->x;
	char *g = p->g + 4 * p->t;
	int64_t n = p->n;
	do {
		store(g, *x++);
		g += 4 * G;
	} while (--n > 0);
}
