// The causal convolution before a recurrence.
#include "conv.h"

// conv is Out = silu(bias + taps·inputs); a thread a channel, rows of
// threadgroups for tokens. Before the pass's tokens come rows of the window,
// history ending at row Replay + taps-1.
kernel void conv(constant Conv &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *in [[buffer(2)]],
	device const int *map [[buffer(3)]], device const float *w [[buffer(4)]], device const float *bias [[buffer(5)]],
	device const float *window [[buffer(6)]], device float *out [[buffer(7)]], PLACE(GIVEN)) {
	int c = group.x * 256 + tid, t = group.y;
	if (c >= a.channels) return;
	int replay = params[REPLAY], from = a.mapped ? map[c] : c;
	float s = bias[c];
	for (int k = 0; k < a.taps; k++) {
		int u = t + k - (a.taps - 1);
		float v = u < 0 ? window[ulong(a.taps - 1 + u + replay) * a.width + from] : in[ulong(u) * a.inStride + from];
		s = w[c * a.taps + k] * v + s;
	}
	out[ulong(t) * a.outStride + c] = silu(s);
}

// conv_window moves the window on.
kernel void conv_window(constant Conv &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *in [[buffer(2)]],
	device const int *map [[buffer(3)]], device const float *w [[buffer(4)]], device const float *bias [[buffer(5)]],
	device float *window [[buffer(6)]], device float *out [[buffer(7)]], PLACE(GIVEN)) {
	move(a, params, in, window, group.x * 256 + tid);
}
