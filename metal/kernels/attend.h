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

#define ATTENTION                                                                                            \
	constant Attend &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *q [[buffer(2)]], \
		device const uchar *keys [[buffer(3)]], device const uchar *values [[buffer(4)]], device float *out [[buffer(5)]]
