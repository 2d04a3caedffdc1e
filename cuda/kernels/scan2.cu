// The Mamba-2 recurrence.
#include "scan2_state.h"

template <int K> DEVICE void scan(const Scan2 &a) {
	overlap();
	int head = blockY(), lane = thread() % LANES, row = blockX() * ROWS + thread() / LANES;
	bool live = row < a.p;
	if (!live) row = a.p - 1;
	int N = a.n, xAt = head * (a.xs / a.p) / a.heads * a.p + row;
	int bAt = head * (a.bs / N) / a.heads * N, cAt = head * (a.cs / N) / a.heads * N;
	float A = ((const float *)a.a)[head], D = ((const float *)a.d)[head], bias = ((const float *)a.bias)[head];
	float *h = (float *)a.h + ((u64)head * a.p + row) * N, s[K];
	held<K>(s, h, lane, N);
	int replay = param(a.params, REPLAY);
	replayed<K, false>(s, a, replay, head, A, xAt, bAt, lane, N);
	await(); // state and log are of earlier passes
	if (a.logged && replay && live) keep<K>(s, h, lane, N);
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
	if (!a.logged && live) keep<K>(s, h, lane, N);
}

#define SCAN2(N) KERNEL BLOCK(ROWS * LANES) scan2_##N(Scan2 a) { scan<N / LANES>(a); }
SCAN2(8)
SCAN2(16)
SCAN2(32)
SCAN2(64)
SCAN2(128)
SCAN2(256)

// after2 is the work that must wait for the scan: it normalizes the outputs in place,
// group by group, and quantizes them; it logs the pass's inputs and moves the
// convolution's window on. A block does a part of one of them.
KERNEL BLOCK(256) after2(After2 f) {
	SHARED static float shared[32];
	overlap();
	const Scan2 &a = f.scan;
	int block = blockX(), norms = f.groups * f.parts * a.tokens;
	if (block < norms) {
		enum { AHEAD = 24 };
		int part = block % f.parts, group = block / f.parts, t = group / f.groups, g = group % f.groups;
		int share = (f.size / 32 + f.parts - 1) / f.parts * 32, from = part * share, end = f.parts > 1 ? least(f.size, from + share) : f.size;
		float *x = (float *)a.out + (u64)t * a.outStride + g * f.size, s = 0;
		const float *w = f.weight ? (const float *)f.weight + g * f.size : 0;
		int mine = from + thread();
		float first = w && mine < end ? w[mine] : 1;
		await();
		float value = mine < end ? x[mine] : 0;
		for (int i0 = 0; w && i0 < f.size; i0 += 256 * AHEAD) {
			float v[AHEAD];
			UNROLL for (int k = 0; k < AHEAD; k++) {
				int i = i0 + 256 * k + thread();
				v[k] = i < f.size ? x[i] : 0;
			}
			UNROLL for (int k = 0; k < AHEAD; k++)
				if (i0 + 256 * k < f.size) s = fma(v[k], v[k], s);
		}
		s = sumBlock(s, shared);
		float scale = w ? 1 / __builtin_sqrtf(s / (float)f.size + f.eps) : 1;
		for (int i = mine; i < end; i += 256) {
			float v = i == mine ? value * scale * first : w ? x[i] * scale * w[i] : x[i];
			if (f.parts == 1) x[i] = v;
			if (f.to.form != FLOAT) quantize(f.to, t, (g * f.size + i) / 32, v);
		}
		return;
	}
	int replay = param(a.params, REPLAY);
	await();
	block -= norms;
	if (block >= f.logBlocks) return window(f.conv, replay, (block - f.logBlocks) * 256 + thread());
	enum { AHEAD = 8 };
	int i = block * 256 + thread(), width = a.heads + a.xs + a.bs, stride;
	const float *from;
	if (i >= width) return;
	if (i < a.heads) from = (const float *)a.dt + i, stride = a.dtStride;
	else if (i < a.heads + a.xs) from = (const float *)a.x + i - a.heads, stride = a.xStride;
	else from = (const float *)a.b + i - a.heads - a.xs, stride = a.bStride;
	float bias = i < a.heads ? ((const float *)a.bias)[i] : 0;
	for (int t0 = 0; t0 < a.tokens; t0 += AHEAD) {
		float v[AHEAD];
		UNROLL for (int t = 0; t < AHEAD; t++)
			if (t0 + t < a.tokens) v[t] = from[(u64)(t0 + t) * stride];
		UNROLL for (int t = 0; t < AHEAD; t++)
			if (t0 + t < a.tokens) ((float *)a.log)[(u64)(t0 + t) * width + i] = i < a.heads ? softplus(v[t] + bias) : v[t];
	}
}
