// The Mamba-2 recurrence over many tokens, on chips without the prompts' kernels.
#include "scan2_state.h"

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
	held<K>(s, h, lane, N);
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
	if (live) keep<K>(s, h, lane, N);
}

#define SCAN2_LONG(N) KERNEL BLOCK(ROWS * LANES) scan2_long_##N(Scan2 a) { scanLong<N / LANES>(a); }
SCAN2_LONG(8)
SCAN2_LONG(16)
SCAN2_LONG(32)
SCAN2_LONG(64)
SCAN2_LONG(128)
SCAN2_LONG(256)
