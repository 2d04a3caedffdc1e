// The Mamba-1 recurrence.
#include "scan1.h"

enum { GROUP = 8 };

// One lane holds one state of one channel and takes it through the log's kept
// tokens and the pass's. Inputs of several tokens are loaded before they are
// used. Blocks of the sum over states have one order: lanes by halves.
KERNEL BLOCK(128) scan1(Scan1 a) {
	overlap();
	int lane = thread() % a.lanes, i = (blockX() * threads() + thread()) / a.lanes;
	bool live = i < a.channels, holds = live && lane < a.states;
	if (!live) i = a.channels - 1;
	int k = holds ? lane : 0, N = a.states;
	int source = i / N / (a.channels / a.xs) * N + i % N;
	int bAt = (int)((long long)i * (a.bs / N) / a.channels) * N + k, cAt = (int)((long long)i * (a.cs / N) / a.channels) * N + k;
	float A = ((const float *)a.a)[(u64)i * N + k], D = ((const float *)a.d)[i], bias = ((const float *)a.bias)[i];
	float *h = (float *)a.h + (u64)i * N + k;
	float s = holds ? *h : 0;
	const float *log = (const float *)a.log;
	int width = a.channels + a.xs + a.bs, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = log + (u64)r * width;
		float dt = l[i], x = l[a.channels + source], b = l[a.channels + a.xs + bAt];
		s = exp(dt * A) * s + dt * x * b;
	}
	await(); // state and log are of earlier passes
	if (a.logged && replay && holds) *h = s;
	for (int t = 0; t < a.tokens; t += GROUP) {
		float dts[GROUP], xs[GROUP], bs[GROUP], cs[GROUP], zs[GROUP];
		UNROLL for (int g = 0; g < GROUP; g++) {
			u64 u = least(t + g, a.tokens - 1);
			dts[g] = ((const float *)a.dt)[u * a.dtStride + i];
			xs[g] = ((const float *)a.x)[u * a.xStride + source];
			bs[g] = ((const float *)a.b)[u * a.bStride + bAt];
			cs[g] = ((const float *)a.c)[u * a.cStride + cAt];
			zs[g] = ((const float *)a.z)[u * a.zStride + i];
		}
		UNROLL for (int g = 0; g < GROUP; g++) {
			if (t + g >= a.tokens) continue;
			float dt = softplus(dts[g] + bias);
			s = exp(dt * A) * s + dt * xs[g] * bs[g];
			float y = holds ? s * cs[g] : 0;
			for (int m = a.lanes / 2; m > 0; m /= 2) y += shuffle(y, m);
			if (live && lane == 0) ((float *)a.out)[(u64)(t + g) * a.outStride + i] = (y + D * xs[g]) * silu(zs[g]);
		}
	}
	if (!a.logged && holds) *h = s;
}

struct After1 {
	Scan1 scan;
	Conv conv;    // whose window moves on; width 0: none
	Quantized to; // of the scan's outputs, where the form is not FLOAT
	i32 logBlocks, windowBlocks; // blocks of 256 threads
};

// after1 is the work that must wait until the scan has read its log and the convolution
// its window: it logs the pass's inputs, moves the window on, and quantizes the
// outputs. A block does a part of one of them.
KERNEL BLOCK(256) after1(After1 f) {
	overlap();
	const Scan1 &a = f.scan;
	int block = blockX(), replay = param(a.params, REPLAY);
	await();
	if (block < f.logBlocks) {
		int i = block * 256 + thread(), width = a.channels + a.xs + a.bs;
		if (i >= width) return;
		for (int t = 0; t < a.tokens; t++) {
			float v;
			if (i < a.channels) v = softplus(((const float *)a.dt)[(u64)t * a.dtStride + i] + ((const float *)a.bias)[i]);
			else if (i < a.channels + a.xs) v = ((const float *)a.x)[(u64)t * a.xStride + i - a.channels];
			else v = ((const float *)a.b)[(u64)t * a.bStride + i - a.channels - a.xs];
			((float *)a.log)[(u64)t * width + i] = v;
		}
		return;
	}
	block -= f.logBlocks;
	if (block < f.windowBlocks) {
		window(f.conv, replay, block * 256 + thread());
		return;
	}
	int b = (block - f.windowBlocks) * 8 + thread() / 32;
	if (b >= f.to.blocks) return;
	for (int t = 0; t < a.tokens; t++) quantize(f.to, t, b, ((const float *)a.out)[(u64)t * a.outStride + b * 32 + thread() % 32]);
}
