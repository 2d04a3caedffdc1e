// Attention's arguments, and how a cache lies: [kv_head][position][width] of
// float32, float16 or Q8_0, width the head's dimension rounded up to 32,
// positions to 32.
#include "types.h"

struct Attend {
	int qStride, outStride;
	int heads, kvHeads, dim, width, positions;
	int split, splits; // positions of a part; parts a launch has threadgroups for, 0: one does all
	float scale;
};

#define ATTENTION(AS)                                                                                            \
	constant Attend &a AS(buffer(0)), device const int *params AS(buffer(1)), device const float *q AS(buffer(2)), \
		device const uchar *keys AS(buffer(3)), device const uchar *values AS(buffer(4)), device float *out AS(buffer(5))
