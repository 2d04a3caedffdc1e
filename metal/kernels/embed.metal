#include "types.h"

struct Embed {
	int cols, kind;
};

// embed is Out[t] = Table[token t].
kernel void embed(constant Embed &a [[buffer(0)]], device const int *params [[buffer(1)]],
	device const uchar *table [[buffer(2)]], device float *out [[buffer(3)]], PLACE(GIVEN)) {
	int i = group.x * 256 + tid, t = group.y;
	if (i >= a.cols) return;
	device const uchar *row = table + ulong(params[IDS + t]) * rowBytes(a.kind, a.cols);
	out[ulong(t) * a.cols + i] = weight(a.kind, row, i);
}
