// The convolution over many tokens: a thread has 16 of a channel, and reads each
// input once.
#include "conv.h"

enum { RUN = 16, TAPS = 4 };

KERNEL BLOCK(256) prompt_conv(Conv a) {
	int c = blockX() * threads() + thread(), t0 = blockY() * RUN;
	if (c >= a.channels) return;
	int replay = param(a.params, REPLAY), from = a.map ? ((const i32 *)a.map)[c] : c;
	Four w = ((const Four *)a.w)[c];
	float bias = ((const float *)a.bias)[c], x[RUN + TAPS - 1];
	UNROLL for (int i = 0; i < RUN + TAPS - 1; i++) x[i] = at(a, replay, least(t0 + i - (TAPS - 1), a.tokens - 1), from);
	UNROLL for (int i = 0; i < RUN; i++) {
		if (t0 + i >= a.tokens) return;
		((float *)a.out)[(u64)(t0 + i) * a.outStride + c] = convolved(w, bias, x + i);
	}
}
