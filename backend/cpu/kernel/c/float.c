// Products with float32, float16 and bfloat16 weights, activations float32.
#include "vec.h"

typedef struct {
	const uint8_t *w;
	int64_t stride, rows; // bytes from row to row
	int64_t n;            // columns
	const float *a;       // for every 16 columns T times 16 values, then for each left T values
	float *out;           // [row][T]
	int64_t ahead;        // bytes from the weights in use to those prefetched
} DotArgs;

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

#define DOT(NAME, T, SIZE, VECTOR, ONE)                                                      \
	KERNEL NAME##x##T(const DotArgs *p) {                                                    \
		const uint8_t *row = p->w;                                                           \
		float *out = p->out;                                                                 \
		int64_t rows = p->rows;                                                              \
		do {                                                                                 \
			const uint8_t *w = row;                                                          \
			const float *a = p->a;                                                           \
			Acc acc[T] = {0};                                                                \
			int64_t k = p->n;                                                                \
			for (; k >= 16; k -= 16, w += 16 * SIZE, a += 16 * T) {                          \
				__builtin_prefetch(w + p->ahead);                                            \
				UNROLL for (int i = 0; i < N16; i++) {                                       \
					vf v = VECTOR(w + i * LANES * SIZE);                                     \
					UNROLL for (int t = 0; t < T; t++) acc[t].v[i] = fma_(v, load(vf, a + 16 * t + i * LANES), acc[t].v[i]); \
				}                                                                            \
			}                                                                                \
			float left[T] = {0};                                                             \
			for (; k > 0; k--, w += SIZE, a += T) {                                          \
				UNROLL for (int t = 0; t < T; t++) left[t] += ONE(w) * a[t];                 \
			}                                                                                \
			UNROLL for (int t = 0; t < T; t++) out[t] = total(acc[t]) + left[t];             \
			out += T;                                                                        \
			row += p->stride;                                                                \
		} while (--rows > 0);                                                                \
	}
#define DOTS(T)                       \
	DOT(dotF32, T, 4, f32s, f32)      \
	DOT(dotF16, T, 2, f16s, f16)      \
	DOT(dotBF16, T, 2, bf16s, bf16)
DOTS(1)
DOTS(2)
#if VB != 32
DOTS(4)
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
