// Depthwise causal convolution over rows of float32, followed by SiLU.
#include "math.h"

// Subtracting zero is nothing, where adding it is an instruction (-0 + 0 is 0).
#define splat(x) ((x) - (vf){0})

typedef struct {
	float *out;
	const float *x;       // the oldest row that the first token reads
	const float *w, *bias; // w: [taps][ldw], of these channels
	int64_t n;            // channels, any number
	int64_t tokens, taps; // token t reads rows t to t+taps-1
	int64_t ldx, ldw, ldo; // float32 from row to row
} Args;

// conv is out[t][c] = silu(bias[c] + sum over k of w[k][c]*x[t+k][c]).
KERNEL conv(const Args *p) {
	int64_t ldx = 4 * p->ldx, ldw = 4 * p->ldw;
	const char *rows = (const char *)p->x;
	char *out = (char *)p->out;
	int64_t tokens = p->tokens;
	do {
		int64_t c = 0, n = 4 * p->n;
		for (; c + VB <= n; c += VB) {
			const char *x = rows + c, *w = (const char *)p->w + c;
			vf sum = load(vf, (const char *)p->bias + c);
			int64_t k = p->taps;
			do {
				sum = fma_(load(vf, w), load(vf, x), sum);
				x += ldx;
				w += ldw;
			} while (--k > 0);
			__builtin_prefetch(x); // the next token's, and where it goes
			__builtin_prefetch(out + 4 * p->ldo + c);
			store(out + c, silu_(sum));
		}
		for (; c < n; c += 4) {
			const char *x = rows + c, *w = (const char *)p->w + c;
			vf sum = splat(load(float, (const char *)p->bias + c));
			int64_t k = p->taps;
			do {
				sum = fma_(splat(load(float, w)), splat(load(float, x)), sum);
				x += ldx;
				w += ldw;
			} while (--k > 0);
			store(out + c, silu_(sum)[0]);
		}
		rows += ldx;
		out += 4 * p->ldo;
	} while (--tokens > 0);
}
