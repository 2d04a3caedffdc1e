// The gated delta rule, token by token.
#include "conv.h"

struct Delta {
	int qStride, kStride, vStride, dtStride, betaStride, zStride, outStride;
	int heads, p, n, keys, tiled; // heads of v, rows and states of each, heads of q and k
	int tokens, logged;
};

enum { ROWS = 16, LANES = 8 };

FN float decayOf(float dt, float bias, float a) { return exp(softplus(dt + bias) * a); }
FN float sigmoid(float x) { return 1 / (1 + exp(-x)); }

// A threadgroup is ROWS rows of a head's state, LANES threads a row, K states a
// thread in registers: V neighbours, then LANES*V further on.
template <int K> FN int at(int first, int j) {
	const int V = K < 4 ? K : 4;
	return j / V * LANES * V + first * V + j % V;
}

FN float sumRow(float v) {
	UNROLL for (int m = LANES / 2; m > 0; m /= 2) v += simd_shuffle_xor(v, ushort(m));
	return v;
}

// direction reads a key or query and gives it a length.
template <int K> FN void direction(thread float (&v)[K], device const float *x, int first, int n, float length) {
	float s = 0;
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(first, j);
		v[j] = k < n ? x[k] : 0;
		s = fma(v[j], v[j], s);
	}
	float f = length / sqrt(sumRow(s) + 1e-6f);
	UNROLL for (int j = 0; j < K; j++) v[j] *= f;
}

template <int K> FN void step(thread float (&s)[K], thread const float (&k)[K], float decay, float beta, float v) {
	float r = 0;
	UNROLL for (int j = 0; j < K; j++) {
		s[j] *= decay;
		r = fma(s[j], k[j], r);
	}
	float u = beta * (v - sumRow(r));
	UNROLL for (int j = 0; j < K; j++) s[j] = fma(u, k[j], s[j]);
}

#define DELTA(AS)                                                                                                                \
	constant Delta &a AS(buffer(0)), device const int *params AS(buffer(1)), device const float *q AS(buffer(2)),            \
		device const float *k AS(buffer(3)), device const float *v AS(buffer(4)), device const float *dt AS(buffer(5)),       \
		device const float *beta AS(buffer(6)), device const float *as AS(buffer(7)), device const float *biases AS(buffer(8)), \
		device float *h AS(buffer(9)), device const float *log AS(buffer(10)), device float *out AS(buffer(11)), PLACE(AS)
#define WITH a, params, q, k, v, dt, beta, as, biases, h, log, out, group, tid, lane, simd

template <int K> FN void scan(DELTA(PASSED)) {
	int head = group.y, first = tid % LANES, row = group.x * ROWS + tid / LANES, n = a.n;
	bool live = row < a.p;
	if (!live) row = a.p - 1;
	int from = (a.tiled ? head % a.keys : head * a.keys / a.heads) * n, to = head * a.p + row;
	float decay = as[head], bias = biases[head], s[K], key[K];
	h += (ulong(head) * a.p + row) * n;
	UNROLL for (int j = 0; j < K; j++) {
		int i = at<K>(first, j);
		s[j] = i < n ? h[i] : 0;
	}
	int vs = a.heads * a.p, width = 2 * a.heads + vs + a.keys * n, replay = params[REPLAY];
	for (int r = 0; r < replay; r++) {
		device const float *l = log + ulong(r) * width;
		direction<K>(key, l + 2 * a.heads + vs + from, first, n, 1);
		step<K>(s, key, l[head], l[a.heads + head], l[2 * a.heads + to]);
	}
	// States are kept behind the replay where passes are logged, else behind the pass.
	bool keep = live && (!a.logged || replay);
	if (a.logged && keep)
		UNROLL for (int j = 0; j < K; j++) {
			int i = at<K>(first, j);
			if (i < n) h[i] = s[j];
		}
	float length = 1 / sqrt(float(n));
	for (int t = 0; t < a.tokens; t++) {
		direction<K>(key, k + ulong(t) * a.kStride + from, first, n, 1);
		step<K>(s, key, decayOf(dt[ulong(t) * a.dtStride + head], bias, decay), sigmoid(beta[ulong(t) * a.betaStride + head]), v[ulong(t) * a.vStride + to]);
		direction<K>(key, q + ulong(t) * a.qStride + from, first, n, length);
		float y = 0;
		UNROLL for (int j = 0; j < K; j++) y = fma(s[j], key[j], y);
		y = sumRow(y);
		if (live && first == 0) out[ulong(t) * a.outStride + to] = y;
	}
	if (!a.logged && keep)
		UNROLL for (int j = 0; j < K; j++) {
			int i = at<K>(first, j);
			if (i < n) h[i] = s[j];
		}
}

kernel void delta_8(DELTA(GIVEN)) { scan<1>(WITH); }
kernel void delta_16(DELTA(GIVEN)) { scan<2>(WITH); }
kernel void delta_32(DELTA(GIVEN)) { scan<4>(WITH); }
kernel void delta_64(DELTA(GIVEN)) { scan<8>(WITH); }
kernel void delta_128(DELTA(GIVEN)) { scan<16>(WITH); }
kernel void delta_256(DELTA(GIVEN)) { scan<32>(WITH); }

struct AfterDelta {
	Delta scan;
	Conv conv;                   // whose window moves on
	int logBlocks, windowBlocks; // threadgroups of 256 threads
	float eps;                   // of the norm
};

// delta_after is the work that must wait for the scan: it normalizes every head's
// output and multiplies it with its gate, logs the pass's inputs and moves the
// convolution's window on. A threadgroup does a part of one of them.
kernel void delta_after(constant AfterDelta &f [[buffer(0)]], device const int *params [[buffer(1)]], device const float *k [[buffer(2)]],
	device const float *v [[buffer(3)]], device const float *dt [[buffer(4)]], device const float *beta [[buffer(5)]],
	device const float *as [[buffer(6)]], device const float *biases [[buffer(7)]], device float *log [[buffer(8)]],
	device const float *in [[buffer(9)]], device float *window [[buffer(10)]], device const float *z [[buffer(11)]],
	device const float *w [[buffer(12)]], device float *out [[buffer(13)]], PLACE(GIVEN)) {
	SHARED float shared[8];
	constant Delta &a = f.scan;
	int block = group.x, normed = a.heads * a.tokens, vs = a.heads * a.p;
	if (block < normed) {
		int t = block / a.heads, first = block % a.heads * a.p;
		out += ulong(t) * a.outStride + first;
		z += ulong(t) * a.zStride + first;
		float s = 0;
		for (int i = tid; i < a.p; i += 256) s = fma(out[i], out[i], s);
		s = sumGroup(s, 256, shared, lane, simd);
		float scale = 1 / sqrt(s / float(a.p) + f.eps);
		for (int i = tid; i < a.p; i += 256) out[i] = out[i] * scale * w[i] * silu(z[i]);
		return;
	}
	block -= normed;
	if (block >= f.logBlocks) {
		move(f.conv, params, in, window, (block - f.logBlocks) * 256 + tid);
		return;
	}
	int i = block * 256 + tid, width = 2 * a.heads + vs + a.keys * a.n;
	if (i >= width) return;
	for (int t = 0; t < a.tokens; t++) {
		float x;
		if (i < a.heads) x = decayOf(dt[ulong(t) * a.dtStride + i], biases[i], as[i]);
		else if (i < 2 * a.heads) x = sigmoid(beta[ulong(t) * a.betaStride + i - a.heads]);
		else if (i < 2 * a.heads + vs) x = v[ulong(t) * a.vStride + i - 2 * a.heads];
		else x = k[ulong(t) * a.kStride + i - 2 * a.heads - vs];
		log[ulong(t) * width + i] = x;
	}
}
