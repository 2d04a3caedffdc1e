// The causal convolution before a recurrence.
#include "conv.h"

// conv is Out = silu(bias + taps·inputs); a thread a channel, blocks for tokens.
KERNEL BLOCK(256) conv(Conv a) {
	enum { FEW = 4 };
	overlap();
	int c = blockX() * threads() + thread(), t = blockY(), first = t - (a.taps - 1);
	if (c >= a.channels) return await();
	int replay = param(a.params, REPLAY), from = a.map ? ((const i32 *)a.map)[c] : c;
	const float *w = (const float *)a.w + (u64)c * a.taps;
	float s = ((const float *)a.bias)[c], taps[FEW], old[FEW]; // inputs of earlier passes
	UNROLL for (int k = 0; k < FEW; k++) {
		taps[k] = k < a.taps ? w[k] : 0;
		old[k] = k < a.taps && first + k < 0 ? at(a, replay, first + k, from) : 0;
	}
	await();
	UNROLL for (int k = 0; k < FEW; k++)
		if (k < a.taps) s = taps[k] * (first + k < 0 ? old[k] : at(a, replay, first + k, from)) + s;
	for (int k = FEW; k < a.taps; k++) s = w[k] * at(a, replay, first + k, from) + s;
	((float *)a.out)[(u64)t * a.outStride + c] = silu(s);
}

KERNEL BLOCK(256) window(Conv a) {
	overlap();
	int replay = param(a.params, REPLAY);
	await();
	window(a, replay, blockX() * threads() + thread());
}
