// Loops over single rows of float32.
#include "math.h"

typedef struct {
	float *out;
	const float *x, *w;
	int64_t n; // any length
	float eps;
} Args;

// siluMul is out = silu(x) * w.
KERNEL siluMul(const Args *p) {
	float *out = p->out;
	const float *x = p->x, *w = p->w;
	int64_t n = p->n;
	for (; n >= LANES; n -= LANES, out += LANES, x += LANES, w += LANES) store(out, silu_(load(vf, x)) * load(vf, w));
	for (; n > 0; n--, out++, x++, w++) *out = silu_(splat(*x))[0] * *w;
}
