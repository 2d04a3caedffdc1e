// The Mamba-2 recurrence.
#include "conv.h"

struct Scan2 {
	u64 x, b, c, dt, z, a, d, bias, h, log, out, params;
	i32 xStride, bStride, cStride, dtStride, zStride, outStride;
	i32 heads, p, n, xs, bs, cs; // widths of x, b, c
	i32 tokens, logged;
};

enum { ROWS = 16, LANES = 8 };

// A block is ROWS rows of a head's state, LANES threads a row, K states a
// thread in registers: V neighbours, then LANES*V further on.
template <int K> struct State {
	static const int V = K < 4 ? K : 4;
	DEVICE int at(int lane, int j) { return j / V * LANES * V + lane * V + j % V; }
};

template <int K> DEVICE void advance(float (&s)[K], float decay, float u, const float *b, int lane, int n) {
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		s[j] = decay * s[j] + u * (k < n ? b[k] : 0);
	}
}

template <int K> DEVICE void scan(const Scan2 &a) {
	int head = blockY(), lane = thread() % LANES, row = blockX() * ROWS + thread() / LANES;
	bool live = row < a.p;
	if (!live) row = a.p - 1;
	int N = a.n, xAt = head * (a.xs / a.p) / a.heads * a.p + row;
	int bAt = head * (a.bs / N) / a.heads * N, cAt = head * (a.cs / N) / a.heads * N;
	float A = ((const float *)a.a)[head], D = ((const float *)a.d)[head], bias = ((const float *)a.bias)[head];
	float *h = (float *)a.h + ((u64)head * a.p + row) * N, s[K];
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		s[j] = k < N ? h[k] : 0;
	}
	const float *log = (const float *)a.log;
	int width = a.heads + a.xs + a.bs, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = log + (u64)r * width;
		advance<K>(s, exp(l[head] * A), l[head] * l[a.heads + xAt], l + a.heads + a.xs + bAt, lane, N);
	}
	if (a.logged && replay && live)
		UNROLL for (int j = 0; j < K; j++) {
			int k = State<K>::at(lane, j);
			if (k < N) h[k] = s[j];
		}
	for (int t = 0; t < a.tokens; t++) {
		float dt = softplus(((const float *)a.dt)[(u64)t * a.dtStride + head] + bias), x = ((const float *)a.x)[(u64)t * a.xStride + xAt];
		advance<K>(s, exp(dt * A), dt * x, (const float *)a.b + (u64)t * a.bStride + bAt, lane, N);
		const float *c = (const float *)a.c + (u64)t * a.cStride + cAt;
		float y = 0;
		UNROLL for (int j = 0; j < K; j++) {
			int k = State<K>::at(lane, j);
			y = fma(s[j], k < N ? c[k] : 0, y);
		}
		y = sum<LANES>(y);
		if (live && lane == 0) {
			int at = head * a.p + row;
			((float *)a.out)[(u64)t * a.outStride + at] = (y + D * x) * silu(((const float *)a.z)[(u64)t * a.zStride + at]);
		}
	}
	if (!a.logged && live)
		UNROLL for (int j = 0; j < K; j++) {
			int k = State<K>::at(lane, j);
			if (k < N) h[k] = s[j];
		}
}

KERNEL BLOCK(ROWS * LANES) scan2_8(Scan2 a) { scan<1>(a); }
KERNEL BLOCK(ROWS * LANES) scan2_16(Scan2 a) { scan<2>(a); }
KERNEL BLOCK(ROWS * LANES) scan2_32(Scan2 a) { scan<4>(a); }
KERNEL BLOCK(ROWS * LANES) scan2_64(Scan2 a) { scan<8>(a); }
KERNEL BLOCK(ROWS * LANES) scan2_128(Scan2 a) { scan<16>(a); }
KERNEL BLOCK(ROWS * LANES) scan2_256(Scan2 a) { scan<32>(a); }

struct After2 {
	Scan2 scan;
	Conv conv;    // whose window moves on; width 0: none
	Quantized to; // of the normalized outputs, where the form is not FLOAT
	u64 weight;   // of the norm
	i32 groups, size; // of the norm
	i32 logBlocks, windowBlocks; // blocks of 256 threads
	float eps;
};

// after2 is what must wait for the scan: it normalizes the outputs in place,
// group by group, and quantizes them; it logs the pass's inputs and moves the
// convolution's window on. A block does a part of one of them.
KERNEL BLOCK(256) after2(After2 f) {
	SHARED static float shared[32];
	const Scan2 &a = f.scan;
	int block = blockX();
	if (block < f.groups * a.tokens) {
		int t = block / f.groups, g = block % f.groups;
		float *x = (float *)a.out + (u64)t * a.outStride + g * f.size;
		const float *w = (const float *)f.weight + g * f.size;
		float s = 0;
		for (int i = thread(); i < f.size; i += threads()) s = fma(x[i], x[i], s);
		s = sumBlock(s, shared);
		float scale = 1 / __builtin_sqrtf(s / (float)f.size + f.eps);
		for (int i = thread(); i < f.size; i += threads()) {
			float v = x[i] * scale * w[i];
			x[i] = v;
			if (f.to.form != FLOAT) quantize(f.to, t, (g * f.size + i) / 32, v);
		}
		return;
	}
	block -= f.groups * a.tokens;
	if (block < f.logBlocks) {
		int i = block * 256 + thread(), width = a.heads + a.xs + a.bs;
		if (i >= width) return;
		for (int t = 0; t < a.tokens; t++) {
			float v;
			if (i < a.heads) v = softplus(((const float *)a.dt)[(u64)t * a.dtStride + i] + ((const float *)a.bias)[i]);
			else if (i < a.heads + a.xs) v = ((const float *)a.x)[(u64)t * a.xStride + i - a.heads];
			else v = ((const float *)a.b)[(u64)t * a.bStride + i - a.heads - a.xs];
			((float *)a.log)[(u64)t * width + i] = v;
		}
		return;
	}
	window(f.conv, (block - f.logBlocks) * 256 + thread());
}
