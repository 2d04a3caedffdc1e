// The causal convolution's inputs, and its window.
#include "common.h"

struct Conv {
	int channels, width, taps; // width of In; channels of Out
	int inStride, outStride, tokens, logged, mapped;
};

// move moves the window's channel c on after conv has read it. Rows only move
// towards the front, so their order is safe.
FN void move(constant Conv &a, device const int *params, device const float *in, device float *window, int c) {
	if (c >= a.width) return;
	int replay = params[REPLAY], history = a.taps - 1, keep = a.logged ? 0 : a.tokens;
	window += c, in += c;
	// The new history begins keep tokens into the pass, before which the old one lies.
	for (int k = 0; k < history; k++) {
		int t = keep + k - history;
		window[ulong(k) * a.width] = t < 0 ? window[ulong(history + t + replay) * a.width] : in[ulong(t) * a.inStride];
	}
	if (!a.logged) return;
	for (int t = 0; t < a.tokens; t++) window[ulong(history + t) * a.width] = in[ulong(t) * a.inStride];
}
