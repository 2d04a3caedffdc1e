// What the machine can do at most: the measures that other kernels are held to.
#include "vec.h"

// Reads size bytes, a multiple of 128, of each of as many places as the name
// says, which lie far bytes apart. Cache lines are asked for ahead bytes before
// they are read.
typedef struct {
	const char *p;
	int64_t far, size, ahead;
	int32_t *out; // LANES sums, so that nothing is left out
} ReadArgs;

#define READ(S)                                                                \
	KERNEL probeRead##S(const ReadArgs *p) {                                   \
		const char *w = p->p;                                                  \
		int64_t far = p->far, n = p->size / 128, ahead = p->ahead;             \
		vi acc[8] = {0};                                                       \
		do {                                                                   \
			UNROLL for (int s = 0; s < S; s++) {                               \
				__builtin_prefetch(w + s * far + ahead);                       \
				__builtin_prefetch(w + s * far + ahead + 64);                  \
				UNROLL for (int i = 0; i < 128 / VB; i++)                      \
					acc[(s * 2 + i) % 8] |= load(vi, w + s * far + i * VB);    \
			}                                                                  \
			w += 128;                                                          \
		} while (--n > 0);                                                     \
		store(p->out, (acc[0] | acc[1]) | (acc[2] | acc[3]) | (acc[4] | acc[5]) | (acc[6] | acc[7])); \
	}
READ(1)
READ(2)
READ(4)

// Multiplies bytes in registers: n times 12 vectors of four products a lane.
typedef struct {
	int64_t n;
	int32_t *out;
} MultiplyArgs;

#if defined(__ARM_NEON)
#define FRESH(x) __asm__("" : "+w"(x))
#elif VB == 64
#define FRESH(x) __asm__("" : "+v"(x))
#else
#define FRESH(x) __asm__("" : "+x"(x))
#endif

KERNEL probeMultiply(const MultiplyArgs *p) {
	vi acc[12] = {0};
	vq w = (vq){0} + BYTES_OF(1);
	vi a = (vi)w;
	int64_t n = p->n;
	do {
		UNROLL for (int i = 0; i < 12; i++) {
			FRESH(w); // the compiler is not to know that it multiplies the same again
			acc[i] = dotU(acc[i], w, a);
		}
	} while (--n > 0);
	UNROLL for (int i = 1; i < 12; i++) acc[0] += acc[i];
	store(p->out, acc[0]);
}
