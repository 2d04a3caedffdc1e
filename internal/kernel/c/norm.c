// RMSNorm of one row.
#include "vec.h"

typedef double vd __attribute__((vector_size(VB)));
typedef float vfh __attribute__((vector_size(VB / 2)));

typedef struct {
	float *out; // may be x
	const float *x, *w;
	int64_t n; // any length
	float eps;
} Args;

// rmsNorm is out = x * w / sqrt(mean(x²) + eps). Squares are summed in float64,
// in 16 lanes, so that the sum adds nothing to the rounding of the products.
KERNEL rmsNorm(const Args *p) {
	const float *x = p->x;
	int64_t k = p->n;
	vd s[2 * N16] = {0};
	for (; k >= 16; k -= 16, x += 16) {
		UNROLL for (int i = 0; i < 2 * N16; i++) {
			vd v = __builtin_convertvector(load(vfh, x + i * LANES / 2), vd);
			s[i] = __builtin_elementwise_fma(v, v, s[i]);
		}
	}
	UNROLL for (int half = N16; half > 0; half /= 2) {
		UNROLL for (int i = 0; i < half; i++) s[i] += s[i + half];
	}
	double ss;
#if VB == 64
	typedef double vd4 __attribute__((vector_size(32)));
	vd4 h = SHUFFLE(s[0], s[0], 0, 1, 2, 3) + SHUFFLE(s[0], s[0], 4, 5, 6, 7);
	ss = (h[0] + h[2]) + (h[1] + h[3]);
#elif VB == 32
	ss = (s[0][0] + s[0][2]) + (s[0][1] + s[0][3]);
#else
	ss = s[0][0] + s[0][1];
#endif
	for (; k > 0; k--, x++) ss += (double)*x * *x;
	float scale = (float)(1 / __builtin_sqrt(ss / (double)p->n + p->eps));
	float *out = p->out;
	const float *w = p->w;
	x = p->x;
	k = p->n;
	for (; k >= LANES; k -= LANES, out += LANES, x += LANES, w += LANES) store(out, load(vf, x) * scale * load(vf, w));
	for (; k > 0; k--, out++, x++, w++) *out = *x * scale * *w;
}
