// Attention's arguments, and attention over parts of the context.
#include "common.h"

struct Attend {
	int qStride, outStride;
	int heads, kvHeads, dim, width, positions;
	int split, splits; // positions of a part; parts a launch has threadgroups for, 0: one does all
	float scale;
};

#define ATTENTION                                                                                            \
	constant Attend &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *q [[buffer(2)]], \
		device const uchar *keys [[buffer(3)]], device const uchar *values [[buffer(4)]], device float *out [[buffer(5)]]
