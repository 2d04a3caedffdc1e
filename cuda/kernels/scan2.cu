// The Mamba-2 recurrence.
#include "scan2.h"

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
	overlap();
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
	await(); // state and log are of earlier passes
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

enum { STAGE = 16 };

// scanLong is scan for many tokens, STAGE of whose inputs a block reads together
// into shared memory; the state's arithmetic is the same.
template <int K> DEVICE void scanLong(const Scan2 &a) {
	await();
	SHARED static __attribute__((aligned(16))) float bs[STAGE][LANES * K], cs[STAGE][LANES * K];
	SHARED static float xs[STAGE][ROWS], ys[STAGE][ROWS], dts[STAGE], decays[STAGE];
	int head = blockY(), lane = thread() % LANES, mine = thread() / LANES, first = blockX() * ROWS, N = a.n;
	int xAt = head * (a.xs / a.p) / a.heads * a.p + first;
	int bAt = head * (a.bs / N) / a.heads * N, cAt = head * (a.cs / N) / a.heads * N;
	float A = ((const float *)a.a)[head], D = ((const float *)a.d)[head], bias = ((const float *)a.bias)[head];
	bool live = first + mine < a.p;
	float *h = (float *)a.h + ((u64)head * a.p + least(first + mine, a.p - 1)) * N, s[K];
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		s[j] = k < N ? h[k] : 0;
	}
	const float *log = (const float *)a.log;
	int width = a.heads + a.xs + a.bs, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = log + (u64)r * width;
		advance<K>(s, exp(l[head] * A), l[head] * (live ? l[a.heads + xAt + mine] : 0), l + a.heads + a.xs + bAt, lane, N);
	}
	for (int t0 = 0; t0 < a.tokens; t0 += STAGE) {
		int n = least(STAGE, a.tokens - t0);
		for (int i = thread(); i < n * LANES * K; i += ROWS * LANES) {
			int g = i / (LANES * K), k = i % (LANES * K);
			bs[g][k] = k < N ? ((const float *)a.b)[(u64)(t0 + g) * a.bStride + bAt + k] : 0;
			cs[g][k] = k < N ? ((const float *)a.c)[(u64)(t0 + g) * a.cStride + cAt + k] : 0;
		}
		for (int i = thread(); i < n * ROWS; i += ROWS * LANES)
			xs[i / ROWS][i % ROWS] = first + i % ROWS < a.p ? ((const float *)a.x)[(u64)(t0 + i / ROWS) * a.xStride + xAt + i % ROWS] : 0;
		if (thread() < n) {
			float dt = softplus(((const float *)a.dt)[(u64)(t0 + thread()) * a.dtStride + head] + bias);
			dts[thread()] = dt;
			decays[thread()] = exp(dt * A);
		}
		sync();
		for (int g = 0; g < n; g++) {
			float y = 0;
			advance<K>(s, decays[g], dts[g] * xs[g][mine], bs[g], lane, LANES * K);
			UNROLL for (int j = 0; j < K; j++) y = fma(s[j], cs[g][State<K>::at(lane, j)], y);
			y = sum<LANES>(y);
			if (lane == 0) ys[g][mine] = y;
		}
		sync();
		for (int i = thread(); i < n * ROWS; i += ROWS * LANES) {
			int g = i / ROWS, row = i % ROWS, at = head * a.p + first + row;
			if (first + row >= a.p) continue;
			((float *)a.out)[(u64)(t0 + g) * a.outStride + at] = (ys[g][row] + D * xs[g][row]) * silu(((const float *)a.z)[(u64)(t0 + g) * a.zStride + at]);
		}
		sync();
	}
	if (live)
		UNROLL for (int j = 0; j < K; j++) {
			int k = State<K>::at(lane, j);
			if (k < N) h[k] = s[j];
		}
}

#define SCAN2(N)                                                           \
	KERNEL BLOCK(ROWS * LANES) scan2_##N(Scan2 a) { scan<N / LANES>(a); }  \
	KERNEL BLOCK(ROWS * LANES) scan2_long_##N(Scan2 a) { scanLong<N / LANES>(a); }
SCAN2(8)
SCAN2(16)
SCAN2(32)
SCAN2(64)
SCAN2(128)
SCAN2(256)

// after2 is what must wait for the scan: it normalizes the outputs in place,
// group by group, and quantizes them; it logs the pass's inputs and moves the
// convolution's window on. A block does a part of one of them.
KERNEL BLOCK(256) after2(After2 f) {
	SHARED static float shared[32];
	overlap();
	const Scan2 &a = f.scan;
	int block = blockX();
	bool norm = block < f.groups * a.tokens;
	float first = norm && thread() < f.size ? ((const float *)f.weight)[block % f.groups * f.size + thread()] : 0;
	await();
	if (norm) {
		int t = block / f.groups, g = block % f.groups;
		float *x = (float *)a.out + (u64)t * a.outStride + g * f.size;
		const float *w = (const float *)f.weight + g * f.size;
		float s = 0;
		for (int i = thread(); i < f.size; i += threads()) s = fma(x[i], x[i], s);
		s = sumBlock(s, shared);
		float scale = 1 / __builtin_sqrtf(s / (float)f.size + f.eps);
		for (int i = thread(); i < f.size; i += threads()) {
			float v = x[i] * scale * (i == thread() ? first : w[i]);
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
