// The causal convolution's inputs, and its window.
#pragma once
#include "common.h"

struct Conv {
	u64 in, map, w, bias, window, out, params;
	i32 channels, width, taps; // width of In; channels of Out
	i32 inStride, outStride, tokens, logged;
};

// at is channel c's input of token t of the pass, before it a row of the window
// that starts at row Replay.
DEVICE float at(const Conv &a, int replay, int t, int c) {
	if (t < 0) return ((const float *)a.window)[(u64)(a.taps - 1 + t + replay) * a.width + c];
	return ((const float *)a.in)[(u64)t * a.inStride + c];
}

// convolved is a channel's output of four taps and as many inputs.
DEVICE float convolved(Four w, float bias, const float *x) {
	float s = w.x * x[0] + bias;
	s = w.y * x[1] + s;
	s = w.z * x[2] + s;
	s = w.w * x[3] + s;
	return silu(s);
}

// window moves the window's channel c on after conv has read it. Several rows are
// read before any is written; they only move towards the front, so their order is
// safe.
DEVICE void window(const Conv &a, int replay, int c) {
	enum { AHEAD = 8 };
	if (c >= a.width) return;
	int history = a.taps - 1;
	int rows = a.logged ? history + a.tokens : history, first = a.logged ? -history : a.tokens - history; // the token of row 0
	for (int k0 = 0; k0 < rows; k0 += AHEAD) {
		float v[AHEAD];
		UNROLL for (int k = 0; k < AHEAD; k++)
			if (k0 + k < rows) v[k] = at(a, replay, first + k0 + k, c);
		UNROLL for (int k = 0; k < AHEAD; k++)
			if (k0 + k < rows) ((float *)a.window)[(u64)(k0 + k) * a.width + c] = v[k];
	}
}
