// The Mamba-2 recurrence, token by token.
#include "scan2.h"

enum { ROWS = 16, LANES = 8 };

// A threadgroup is ROWS rows of a head's state, LANES threads a row, K states a
// thread in registers: V neighbours, then LANES*V further on.
template <int K> FN int at(int first, int j) {
	const int V = K < 4 ? K : 4;
	return j / V * LANES * V + first * V + j % V;
}

template <int K> FN void advance(thread float (&s)[K], float decay, float u, device const float *b, int first, int n) {
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(first, j);
		s[j] = decay * s[j] + u * (k < n ? b[k] : 0);
	}
}

template <int K> FN void scan(SCAN2(PASSED)) {
	int head = group.y, first = tid % LANES, row = group.x * ROWS + tid / LANES, n = a.n;
	bool live = row < a.p;
	if (!live) row = a.p - 1;
	int xAt = head * (a.xs / a.p) / a.heads * a.p + row;
	int bAt = head * (a.bs / n) / a.heads * n, cAt = head * (a.cs / n) / a.heads * n;
	float decay = as[head], d = ds[head], bias = biases[head], s[K];
	h += (ulong(head) * a.p + row) * n;
	UNROLL for (int j = 0; j < K; j++) {
		int k = at<K>(first, j);
		s[j] = k < n ? h[k] : 0;
	}
	int width = a.heads + a.xs + a.bs, replay = params[REPLAY];
	for (int r = 0; r < replay; r++) {
		device const float *l = log + ulong(r) * width;
		advance<K>(s, exp(l[head] * decay), l[head] * l[a.heads + xAt], l + a.heads + a.xs + bAt, first, n);
	}
	// States are kept behind the replay where passes are logged, else behind the pass.
	bool keep = live && (!a.logged || replay);
	if (a.logged && keep)
		UNROLL for (int j = 0; j < K; j++) {
			int k = at<K>(first, j);
			if (k < n) h[k] = s[j];
		}
	for (int t = 0; t < a.tokens; t++) {
		float step = softplus(dt[ulong(t) * a.dtStride + head] + bias), v = x[ulong(t) * a.xStride + xAt], y = 0;
		advance<K>(s, exp(step * decay), step * v, b + ulong(t) * a.bStride + bAt, first, n);
		device const float *ct = c + ulong(t) * a.cStride + cAt;
		UNROLL for (int j = 0; j < K; j++) {
			int k = at<K>(first, j);
			y = fma(s[j], k < n ? ct[k] : 0, y);
		}
		UNROLL for (int m = LANES / 2; m > 0; m /= 2) y += simd_shuffle_xor(y, ushort(m));
		int to = head * a.p + row;
		if (live && first == 0) out[ulong(t) * a.outStride + to] = (y + d * v) * silu(z[ulong(t) * a.zStride + to]);
	}
	if (!a.logged && keep)
		UNROLL for (int j = 0; j < K; j++) {
			int k = at<K>(first, j);
			if (k < n) h[k] = s[j];
		}
}

kernel void scan2_8(SCAN2(GIVEN)) { scan<1>(WITH); }
kernel void scan2_16(SCAN2(GIVEN)) { scan<2>(WITH); }
kernel void scan2_32(SCAN2(GIVEN)) { scan<4>(WITH); }
kernel void scan2_64(SCAN2(GIVEN)) { scan<8>(WITH); }
kernel void scan2_128(SCAN2(GIVEN)) { scan<16>(WITH); }
kernel void scan2_256(SCAN2(GIVEN)) { scan<32>(WITH); }

struct After2 {
	Scan2 scan;
	Conv conv;        // whose window moves on
	int groups, size, normed; // of the norm; normed 0: there is none
	int logBlocks, windowBlocks; // threadgroups of 256 threads
	float eps;
};

// scan2_after is the work that must wait for the scan: it normalizes the outputs in
// place, group by group, logs the pass's inputs and moves the convolution's
// window on. A threadgroup does a part of one of them.
kernel void scan2_after(constant After2 &f [[buffer(0)]], device const int *params [[buffer(1)]], device const float *x [[buffer(2)]],
	device const float *b [[buffer(3)]], device const float *dt [[buffer(4)]], device const float *biases [[buffer(5)]],
	device float *log [[buffer(6)]], device const float *in [[buffer(7)]], device float *window [[buffer(8)]],
	device float *out [[buffer(9)]], device const float *w [[buffer(10)]], PLACE(GIVEN)) {
	SHARED float shared[8];
	constant Scan2 &a = f.scan;
	int block = group.x, normed = f.groups * a.tokens;
	if (block < normed && !f.normed) return;
	if (block < normed) {
		int g = block % f.groups;
		out += ulong(block / f.groups) * a.outStride + g * f.size;
		w += g * f.size;
		float s = 0;
		for (int i = tid; i < f.size; i += 256) s = fma(out[i], out[i], s);
		s = sumGroup(s, 256, shared, lane, simd);
		float scale = 1 / sqrt(s / float(f.size) + f.eps);
		for (int i = tid; i < f.size; i += 256) out[i] = out[i] * scale * w[i];
		return;
	}
	block -= normed;
	if (block >= f.logBlocks) {
		move(f.conv, params, in, window, (block - f.logBlocks) * 256 + tid);
		return;
	}
	int i = block * 256 + tid, width = a.heads + a.xs + a.bs;
	if (i >= width) return;
	for (int t = 0; t < a.tokens; t++) {
		float v;
		if (i < a.heads) v = softplus(dt[ulong(t) * a.dtStride + i] + biases[i]);
		else if (i < a.heads + a.xs) v = x[ulong(t) * a.xStride + i - a.heads];
		else v = b[ulong(t) * a.bStride + i - a.heads - a.xs];
		log[ulong(t) * width + i] = v;
	}
}
