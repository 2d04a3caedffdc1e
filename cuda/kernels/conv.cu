// The causal convolution before a recurrence.
#include "conv.h"

// conv is Out = silu(bias + taps·inputs); a thread a channel, blocks for tokens.
KERNEL BLOCK(256) conv(Conv a) {
	overlap();
	await();
	int c = blockX() * threads() + thread(), t = blockY();
	if (c >= a.channels) return;
	int replay = param(a.params, REPLAY), from = a.map ? ((const i32 *)a.map)[c] : c;
	const float *w = (const float *)a.w + (u64)c * a.taps;
	float s = ((const float *)a.bias)[c];
	for (int k = 0; k < a.taps; k++) s = w[k] * at(a, replay, t + k - (a.taps - 1), from) + s;
	((float *)a.out)[(u64)t * a.outStride + c] = silu(s);
}

KERNEL BLOCK(256) window(Conv a) {
	overlap();
	await();
	window(a, blockX() * threads() + thread());
}
