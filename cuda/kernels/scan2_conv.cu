// The Mamba-2 recurrence of a few tokens, and the convolution before it.
#include "scan2_state.h"

enum { THREADS = ROWS * LANES, TAPS = 4, AHEAD = 4 };

// leads reports whether a head is the first that reads its head of n.
DEVICE bool leads(int head, int n, int heads) { return head == 0 || (head - 1) * n / heads != head * n / heads; }

// times makes dt and decay of every token, in a block's last warp.
DEVICE void times(const Scan2 &a, float *dts, float *decays) {
	int head = blockY(), t = thread() - THREADS;
	float A = ((const float *)a.a)[head], bias = ((const float *)a.bias)[head];
	await();
	if (t >= a.tokens) return;
	float dt = softplus(((const float *)a.dt)[(u64)t * a.dtStride + head] + bias);
	dts[t] = dt;
	decays[t] = exp(dt * A);
}

// convScan is scan for rows of N states. A block convolves its inputs, for all
// tokens, into shared memory: B and C of its head, and its rows of x. Several
// blocks make the same values; the first of them leaves x and B for the log.
template <int K> DEVICE void convScan(const ConvScan2 &f) {
	const int N = LANES * K, WIDTH = 2 * N + ROWS, EACH = (WIDTH + THREADS - 1) / THREADS;
	extern SHARED __attribute__((aligned(16))) float inputs[]; // [tokens][WIDTH], then dt and decay of the tokens
	const Scan2 &a = f.scan;
	const Conv &v = f.conv;
	float *dts = inputs + a.tokens * WIDTH, *decays = dts + a.tokens;
	overlap();
	if (thread() >= THREADS) {
		times(a, dts, decays);
		return sync();
	}
	int head = blockY(), lane = thread() % LANES, first = blockX() * ROWS, mine = thread() / LANES;
	bool live = first + mine < a.p;
	int row = least(first + mine, a.p - 1), xAt = head * (a.xs / a.p) / a.heads * a.p;
	int bAt = head * (a.bs / N) / a.heads * N, cAt = head * (a.cs / N) / a.heads * N;
	float *h = (float *)a.h + ((u64)head * a.p + row) * N, s[K];
	held<K>(s, h, lane, N);

	bool leadsX = leads(head, a.xs / a.p, a.heads), leadsB = blockX() == 0 && leads(head, a.bs / N, a.heads);
	int replay = param(a.params, REPLAY), channel[EACH], from[EACH];
	float bias[EACH] = {}, x[EACH][TAPS - 1 + AHEAD] = {};
	Four taps[EACH] = {};
	UNROLL for (int i = 0; i < EACH; i++) {
		int k = thread() + i * THREADS, c;
		if (k < N) c = f.bFirst + bAt + k;
		else if (k < 2 * N) c = f.cFirst + cAt + k - N;
		else c = f.xFirst + xAt + least(first + k - 2 * N, a.p - 1);
		channel[i] = from[i] = c;
		if (k >= WIDTH) continue;
		if (v.map) from[i] = ((const i32 *)v.map)[c];
		bias[i] = ((const float *)v.bias)[c];
		taps[i] = ((const Four *)v.w)[c];
		UNROLL for (int j = 0; j < TAPS - 1; j++) x[i][j] = at(v, replay, j - (TAPS - 1), from[i]);
	}
	float A = ((const float *)a.a)[head], D = ((const float *)a.d)[head];
	replayed<K, true>(s, a, replay, head, A, xAt + row, bAt, lane, N);
	await(); // state, log and window are of earlier passes

	// The inputs of the next tokens are all on their way before one is used.
	auto fetch = [&](int t0) {
		UNROLL for (int j = 0; j < AHEAD; j++) {
			if (t0 + j >= a.tokens) continue;
			UNROLL for (int i = 0; i < EACH; i++)
				if (thread() + i * THREADS < WIDTH) x[i][TAPS - 1 + j] = at(v, 0, t0 + j, from[i]);
		}
	};
	float z[2] = {}; // a row's lanes have a token's output each
	fetch(0);
	UNROLL for (int i = 0; i < 2; i++)
		if (lane + i * LANES < a.tokens) z[i] = ((const float *)a.z)[(u64)(lane + i * LANES) * a.zStride + head * a.p + row];
	if (replay && live) keep<K>(s, h, lane, N);
	for (int t0 = 0;;) {
		UNROLL for (int j = 0; j < AHEAD; j++) {
			int t = t0 + j;
			if (t >= a.tokens) continue;
			float made[EACH];
			UNROLL for (int i = 0; i < EACH; i++) made[i] = convolved(taps[i], bias[i], x[i] + j);
			UNROLL for (int i = 0; i < EACH; i++) {
				int k = thread() + i * THREADS;
				if (k < WIDTH) inputs[t * WIDTH + k] = made[i];
				if (k < N ? leadsB : leadsX && k >= 2 * N && k < WIDTH && first + k - 2 * N < a.p) ((float *)v.out)[(u64)t * v.outStride + channel[i]] = made[i];
			}
		}
		if ((t0 += AHEAD) >= a.tokens) break;
		UNROLL for (int i = 0; i < EACH; i++) UNROLL for (int j = 0; j < TAPS - 1; j++) x[i][j] = x[i][AHEAD + j];
		fetch(t0);
	}
	z[0] = silu(z[0]), z[1] = silu(z[1]);
	sync();

	for (int t = 0; t < a.tokens; t++) {
		const float *in = inputs + t * WIDTH;
		float value = in[2 * N + mine], b[K], c[K], y = 0;
		held<K>(b, in, lane, N);
		held<K>(c, in + N, lane, N);
		advance<K>(s, decays[t], dts[t] * value, b);
		UNROLL for (int j = 0; j < K; j++) y = fma(s[j], c[j], y);
		y = sum<LANES>(y);
		if (live && lane == t % LANES) ((float *)a.out)[(u64)t * a.outStride + head * a.p + row] = (y + D * value) * (t < LANES ? z[0] : z[1]);
	}
}

#define SCAN2_CONV(N) KERNEL BLOCKS(THREADS + 32, N > 128 ? 2 : 4) scan2_conv_##N(ConvScan2 f) { convScan<N / LANES>(f); }
SCAN2_CONV(8)
SCAN2_CONV(16)
SCAN2_CONV(32)
SCAN2_CONV(64)
SCAN2_CONV(128)
SCAN2_CONV(256)
