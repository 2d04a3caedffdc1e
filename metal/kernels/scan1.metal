// The Mamba-1 recurrence.
#include "conv.h"

struct Scan1 {
	int xStride, dtStride, bStride, cStride, zStride, outStride;
	int channels, states, xs, bs, cs; // widths of x, b, c
	int tokens, logged, lanes;        // lanes of a channel: a power of two, at least states
};

enum { AHEAD = 8 };

// One lane holds one state of one channel and takes it through the log's kept
// tokens and the pass's. Inputs of several tokens are loaded before they are
// used. The sum over states has one order: lanes by halves.
kernel void scan1(constant Scan1 &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *x [[buffer(2)]],
	device const float *dt [[buffer(3)]], device const float *b [[buffer(4)]], device const float *c [[buffer(5)]],
	device const float *z [[buffer(6)]], device const float *as [[buffer(7)]], device const float *ds [[buffer(8)]],
	device const float *biases [[buffer(9)]], device float *h [[buffer(10)]], device const float *log [[buffer(11)]],
	device float *out [[buffer(12)]], PLACE(GIVEN)) {
	int first = tid % a.lanes, i = (group.x * 128 + tid) / a.lanes;
	bool live = i < a.channels, holds = live && first < a.states;
	if (!live) i = a.channels - 1;
	int k = holds ? first : 0, n = a.states;
	int source = i / n / (a.channels / a.xs) * n + i % n;
	int bAt = int(long(i) * (a.bs / n) / a.channels) * n + k, cAt = int(long(i) * (a.cs / n) / a.channels) * n + k;
	float decay = as[ulong(i) * n + k], d = ds[i], bias = biases[i];
	h += ulong(i) * n + k;
	float s = holds ? *h : 0;
	int width = a.channels + a.xs + a.bs, replay = params[REPLAY];
	for (int r = 0; r < replay; r++) {
		device const float *l = log + ulong(r) * width;
		float step = l[i];
		s = exp(step * decay) * s + step * l[a.channels + source] * l[a.channels + a.xs + bAt];
	}
	if (a.logged && replay && holds) *h = s;
	for (int t = 0; t < a.tokens; t += AHEAD) {
		float dts[AHEAD], xs[AHEAD], bs[AHEAD], cs[AHEAD], zs[AHEAD];
		UNROLL for (int g = 0; g < AHEAD; g++) {
			ulong u = min(t + g, a.tokens - 1);
			dts[g] = dt[u * a.dtStride + i];
			xs[g] = x[u * a.xStride + source];
			bs[g] = b[u * a.bStride + bAt];
			cs[g] = c[u * a.cStride + cAt];
			zs[g] = z[u * a.zStride + i];
		}
		UNROLL for (int g = 0; g < AHEAD; g++) {
			if (t + g >= a.tokens) continue;
			float step = softplus(dts[g] + bias);
			s = exp(step * decay) * s + step * xs[g] * bs[g];
			float y = holds ? s * cs[g] : 0;
			for (int m = a.lanes / 2; m > 0; m /= 2) y += simd_shuffle_xor(y, ushort(m));
			if (live && first == 0) out[ulong(t + g) * a.outStride + i] = (y + d * xs[g]) * silu(zs[g]);
		}
	}
	if (!a.logged && holds) *h = s;
}

struct After1 {
	Scan1 scan;
	Conv conv;                   // whose window moves on
	int logBlocks, windowBlocks; // threadgroups of 256 threads
};

// scan1_after is the work that must wait until the scan has read its log and the
// convolution its window: it logs the pass's inputs and moves the window on. A
// threadgroup does a part of one of them.
kernel void scan1_after(constant After1 &f [[buffer(0)]], device const int *params [[buffer(1)]], device const float *x [[buffer(2)]],
	device const float *dt [[buffer(3)]], device const float *b [[buffer(4)]], device const float *biases [[buffer(5)]],
	device float *log [[buffer(6)]], device const float *in [[buffer(7)]], device float *window [[buffer(8)]], PLACE(GIVEN)) {
	constant Scan1 &a = f.scan;
	int block = group.x;
	if (block >= f.logBlocks) {
		move(f.conv, params, in, window, (block - f.logBlocks) * 256 + tid);
		return;
	}
	int i = block * 256 + tid, width = a.channels + a.xs + a.bs;
	if (i >= width) return;
	for (int t = 0; t < a.tokens; t++) {
		float v;
		if (i < a.channels) v = softplus(dt[ulong(t) * a.dtStride + i] + biases[i]);
		else if (i < a.channels + a.xs) v = x[ulong(t) * a.xStride + i - a.channels];
		else v = b[ulong(t) * a.bStride + i - a.channels - a.xs];
		log[ulong(t) * width + i] = v;
	}
}
