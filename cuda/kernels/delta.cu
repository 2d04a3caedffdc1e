// The gated delta rule, token by token, and blocks of channels in another order.
#include "conv.h"

struct Delta {
	u64 q, k, v, dt, beta, z, a, bias, weight, h, log, out, params;
	i32 qStride, kStride, vStride, dtStride, betaStride, zStride, outStride;
	i32 heads, p, n, keys, tiled; // heads of v, rows and states of each, heads of q and k
	i32 tokens, logged;
};

enum { ROWS = 16, LANES = 8 };

DEVICE float decayOf(float dt, float bias, float a) { return exp(softplus(dt + bias) * a); }
DEVICE float sigmoid(float x) { return 1 / (1 + exp(-x)); }

// A block is ROWS rows of a head's state, LANES threads a row, K states a
// thread in registers: V neighbours, then LANES*V further on.
template <int K> DEVICE int at(int lane, int j) {
	const int V = K < 4 ? K : 4;
	return j / V * LANES * V + lane * V + j % V;
}

// direction reads a key or query and gives it a length.
template <int K> DEVICE void direction(float (&v)[K], const float *x, int lane, int n, float length) {
	float s = 0;
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(lane, j);
		v[j] = k < n ? x[k] : 0;
		s = fma(v[j], v[j], s);
	}
	float f = length / __builtin_sqrtf(sum<LANES>(s) + 1e-6f);
	UNROLL for (int j = 0; j < K; j++) v[j] *= f;
}

template <int K> DEVICE void step(float (&s)[K], const float (&k)[K], float decay, float beta, float v) {
	float r = 0;
	UNROLL for (int j = 0; j < K; j++) {
		s[j] *= decay;
		r = fma(s[j], k[j], r);
	}
	float u = beta * (v - sum<LANES>(r));
	UNROLL for (int j = 0; j < K; j++) s[j] = fma(u, k[j], s[j]);
}

template <int K> DEVICE void keep(const float (&s)[K], float *h, int lane, int n) {
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(lane, j);
		if (k < n) h[k] = s[j];
	}
}

template <int K> DEVICE void scan(const Delta &a) {
	overlap();
	int head = blockY(), lane = thread() % LANES, row = blockX() * ROWS + thread() / LANES, n = a.n;
	bool live = row < a.p;
	if (!live) row = a.p - 1;
	int from = (a.tiled ? head % a.keys : head * a.keys / a.heads) * n, to = head * a.p + row;
	float decay = ((const float *)a.a)[head], bias = ((const float *)a.bias)[head], s[K], key[K];
	float *h = (float *)a.h + ((u64)head * a.p + row) * n;
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(lane, j);
		s[j] = k < n ? h[k] : 0;
	}
	int vs = a.heads * a.p, width = 2 * a.heads + vs + a.keys * n, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = (const float *)a.log + (u64)r * width;
		direction<K>(key, l + 2 * a.heads + vs + from, lane, n, 1);
		step<K>(s, key, l[head], l[a.heads + head], l[2 * a.heads + to]);
	}
	await(); // state and log are of earlier passes
	if (a.logged && replay && live) keep<K>(s, h, lane, n);
	float length = 1 / __builtin_sqrtf((float)n);
	for (int t = 0; t < a.tokens; t++) {
		direction<K>(key, (const float *)a.k + (u64)t * a.kStride + from, lane, n, 1);
		step<K>(s, key, decayOf(((const float *)a.dt)[(u64)t * a.dtStride + head], bias, decay),
			sigmoid(((const float *)a.beta)[(u64)t * a.betaStride + head]), ((const float *)a.v)[(u64)t * a.vStride + to]);
		direction<K>(key, (const float *)a.q + (u64)t * a.qStride + from, lane, n, length);
		float y = 0;
		UNROLL for (int j = 0; j < K; j++) y = fma(s[j], key[j], y);
		y = sum<LANES>(y);
		if (live && lane == 0) ((float *)a.out)[(u64)t * a.outStride + to] = y;
	}
	if (!a.logged && live) keep<K>(s, h, lane, n);
}

#define DELTA(N) KERNEL BLOCK(ROWS * LANES) delta_##N(Delta a) { scan<N / LANES>(a); }
DELTA(8)
DELTA(16)
DELTA(32)
DELTA(64)
DELTA(128)
DELTA(256)

struct AfterDelta {
	Delta scan;
	Conv conv;                   // whose window moves on
	i32 logBlocks, windowBlocks; // blocks of 256 threads
	float eps;                   // of the norm
};

// after_delta is the work that must wait for the scan: it normalizes every head's
// output and multiplies it with its gate, logs the pass's inputs and moves the
// convolution's window on. A block does a part of one of them.
KERNEL BLOCK(256) after_delta(AfterDelta f) {
	SHARED static float shared[32];
	overlap();
	const Delta &a = f.scan;
	int block = blockX(), normed = a.heads * a.tokens, vs = a.heads * a.p, replay = param(a.params, REPLAY);
	await();
	if (block < normed) {
		int t = block / a.heads, first = block % a.heads * a.p;
		float *out = (float *)a.out + (u64)t * a.outStride + first, s = 0;
		const float *z = (const float *)a.z + (u64)t * a.zStride + first, *w = (const float *)a.weight;
		for (int i = thread(); i < a.p; i += 256) s = fma(out[i], out[i], s);
		s = sumBlock(s, shared);
		float scale = 1 / __builtin_sqrtf(s / (float)a.p + f.eps);
		for (int i = thread(); i < a.p; i += 256) out[i] = out[i] * scale * w[i] * silu(z[i]);
		return;
	}
	block -= normed;
	if (block >= f.logBlocks) return window(f.conv, replay, (block - f.logBlocks) * 256 + thread());
	int i = block * 256 + thread(), width = 2 * a.heads + vs + a.keys * a.n;
	if (i >= width) return;
	for (int t = 0; t < a.tokens; t++) {
		float x;
		if (i < a.heads) x = decayOf(((const float *)a.dt)[(u64)t * a.dtStride + i], ((const float *)a.bias)[i], ((const float *)a.a)[i]);
		else if (i < 2 * a.heads) x = sigmoid(((const float *)a.beta)[(u64)t * a.betaStride + i - a.heads]);
		else if (i < 2 * a.heads + vs) x = ((const float *)a.v)[(u64)t * a.vStride + i - 2 * a.heads];
		else x = ((const float *)a.k)[(u64)t * a.kStride + i - 2 * a.heads - vs];
		((float *)a.log)[(u64)t * width + i] = x;
	}
}

struct Reorder {
	u64 in, order, out;
	i32 channels, block, inStride, outStride;
};

// reorder is a thread a channel, blocks for tokens.
KERNEL BLOCK(256) reorder(Reorder a) {
	overlap();
	int c = blockX() * 256 + thread();
	u64 t = blockY();
	await();
	if (c < a.channels) ((float *)a.out)[t * a.outStride + c] = ((const float *)a.in)[t * a.inStride + ((const i32 *)a.order)[c / a.block] * a.block + c % a.block];
}
