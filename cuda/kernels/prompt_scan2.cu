// The Mamba-2 recurrence over many tokens. A block is 16 rows of a head's state,
// two of them on 16 lanes, and copies the inputs of the tokens to come while it
// takes those of a stage. The lanes' shares of 8 tokens' outputs are added
// together, so that each lane ends with one of them.
#include "scan2.h"
#include "tensor.h"

enum { ACROSS = 16, GROUP = 8, HELD = 16 }; // lanes of a pair of rows; rows of a block

// placed is where a lane's j-th state lies in a row.
template <int K> DEVICE int placed(int lane, int j) {
	const int V = K < 4 ? K : 4;
	return j / V * ACROSS * V + lane * V + j % V;
}

template <int K> DEVICE void step(float (&s)[2][K], float decay, Pair u, const float *b, int lane) {
	UNROLL for (int j = 0; j < K; j++) {
		float v = b[placed<K>(lane, j)];
		s[0][j] = fma(decay, s[0][j], u.x * v);
		s[1][j] = fma(decay, s[1][j], u.y * v);
	}
}

// fold adds 2*m values over as many lanes; lane i ends with value i in y[0].
template <int m> DEVICE void fold(float (&y)[2 * GROUP], int lane) {
	bool upper = lane & m;
	UNROLL for (int i = 0; i < m; i++) {
		float p = y[i], q = y[i + m];
		y[i] = (upper ? q : p) + shuffle(upper ? p : q, m);
	}
	if constexpr (m > 1) fold<m / 2>(y, lane);
}

template <int K> DEVICE void promptScan(const Scan2 &a) {
	const int WIDTH = ACROSS * K, STAGE = WIDTH > 128 ? 8 : 16, BLOCK_SIZE = ACROSS * HELD / 2;
	SHARED static __attribute__((aligned(16))) float bs[2][STAGE][WIDTH], cs[2][STAGE][WIDTH], xs[2][STAGE][HELD];
	SHARED static float dts[2][STAGE], decays[2][STAGE];
	int head = blockY(), lane = thread() % ACROSS, pair = thread() / ACROSS, first = blockX() * HELD, N = a.n;
	const float *b = (const float *)a.b + head * (a.bs / N) / a.heads * N, *c = (const float *)a.c + head * (a.cs / N) / a.heads * N;
	const float *x = (const float *)a.x + head * (a.xs / a.p) / a.heads * a.p + first, *dt = (const float *)a.dt + head;
	float A = ((const float *)a.a)[head], D = ((const float *)a.d)[head], bias = ((const float *)a.bias)[head];
	bool whole = ((u64)b | (u64)c | (u64)(a.bStride * 4) | (u64)(a.cStride * 4) | (u64)(N * 4)) % 16 == 0;

	float s[2][K];
	float *h = (float *)a.h + (u64)head * a.p * N;
	int rows[2] = {first + 2 * pair, first + 2 * pair + 1};
	UNROLL for (int r = 0; r < 2; r++) UNROLL for (int j = 0; j < K; j++) {
		int k = placed<K>(lane, j);
		s[r][j] = k < N && rows[r] < a.p ? h[(u64)rows[r] * N + k] : 0;
	}
	// Places that nothing is copied to stay zero: states past N, rows past P.
	for (int i = thread(); i < 2 * STAGE * WIDTH; i += BLOCK_SIZE) bs[0][0][i] = cs[0][0][i] = 0;
	for (int i = thread(); i < 2 * STAGE * HELD; i += BLOCK_SIZE) xs[0][0][i] = 0;
	sync();

	auto fetch = [&](int t0, int to) {
		int n = least(STAGE, a.tokens - t0);
		if (whole) {
			for (int i = thread(); i < n * (WIDTH / 4); i += BLOCK_SIZE) {
				int g = i / (WIDTH / 4), k = i % (WIDTH / 4) * 4;
				if (k >= N) continue;
				copyAsync(shared32(&bs[to][g][k]), b + (u64)(t0 + g) * a.bStride + k);
				copyAsync(shared32(&cs[to][g][k]), c + (u64)(t0 + g) * a.cStride + k);
			}
		} else {
			for (int i = thread(); i < n * WIDTH; i += BLOCK_SIZE) {
				int g = i / WIDTH, k = i % WIDTH;
				if (k >= N) continue;
				copyWord(shared32(&bs[to][g][k]), b + (u64)(t0 + g) * a.bStride + k);
				copyWord(shared32(&cs[to][g][k]), c + (u64)(t0 + g) * a.cStride + k);
			}
		}
		for (int i = thread(); i < n * HELD; i += BLOCK_SIZE)
			if (first + i % HELD < a.p) copyWord(shared32(&xs[to][i / HELD][i % HELD]), x + (u64)(t0 + i / HELD) * a.xStride + i % HELD);
	};
	auto time = [&](int t0) { return dt[(u64)least(t0 + thread(), a.tokens - 1) * a.dtStride]; };
	// Tokens past the last leave the state as it is.
	auto keep = [&](int t0, int to, float raw) {
		float v = t0 + thread() < a.tokens ? softplus(raw + bias) : 0;
		dts[to][thread()] = v;
		decays[to][thread()] = exp(v * A);
	};

	int width = a.heads + a.xs + a.bs, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = (const float *)a.log + (u64)r * width, *lx = l + a.heads + (x - (const float *)a.x), *lb = l + a.heads + a.xs + (b - (const float *)a.b);
		float decay = exp(l[head] * A);
		UNROLL for (int i = 0; i < 2; i++) {
			float u = rows[i] < a.p ? l[head] * lx[rows[i] - first] : 0;
			UNROLL for (int j = 0; j < K; j++) {
				int k = placed<K>(lane, j);
				s[i][j] = decay * s[i][j] + u * (k < N ? lb[k] : 0);
			}
		}
	}

	fetch(0, 0);
	if (thread() < STAGE) keep(0, 0, time(0));
	copied();
	sync();
	for (int t0 = 0, now = 0; t0 < a.tokens; t0 += STAGE, now ^= 1) {
		float raw = 0;
		if (t0 + STAGE < a.tokens) {
			fetch(t0 + STAGE, now ^ 1);
			if (thread() < STAGE) raw = time(t0 + STAGE);
		}
		for (int g0 = 0; g0 < STAGE && t0 + g0 < a.tokens; g0 += GROUP) {
			// The lane's output: a token of the group, a row of the pair.
			int t = t0 + g0 + lane / 2, row = first + 2 * pair + lane % 2;
			bool live = t < a.tokens && row < a.p;
			float z = live ? ((const float *)a.z)[(u64)t * a.zStride + head * a.p + row] : 0, y[2 * GROUP];
			UNROLL for (int g = 0; g < GROUP; g++) {
				float v = dts[now][g0 + g];
				Pair u = *(const Pair *)&xs[now][g0 + g][2 * pair];
				step<K>(s, decays[now][g0 + g], Pair{v * u.x, v * u.y}, bs[now][g0 + g], lane);
				float y0 = 0, y1 = 0;
				UNROLL for (int j = 0; j < K; j++) {
					float w = cs[now][g0 + g][placed<K>(lane, j)];
					y0 = fma(s[0][j], w, y0);
					y1 = fma(s[1][j], w, y1);
				}
				y[2 * g] = y0;
				y[2 * g + 1] = y1;
			}
			fold<ACROSS / 2>(y, lane);
			if (live) ((float *)a.out)[(u64)t * a.outStride + head * a.p + row] = (y[0] + D * xs[now][g0 + lane / 2][row - first]) * silu(z);
		}
		if (thread() < STAGE) keep(t0 + STAGE, now ^ 1, raw);
		copied();
		sync();
	}
	UNROLL for (int r = 0; r < 2; r++) UNROLL for (int j = 0; j < K; j++) {
		int k = placed<K>(lane, j);
		if (k < N && rows[r] < a.p) h[(u64)rows[r] * N + k] = s[r][j];
	}
}

KERNEL BLOCK(128) prompt_scan2_16(Scan2 a) { promptScan<1>(a); }
KERNEL BLOCK(128) prompt_scan2_32(Scan2 a) { promptScan<2>(a); }
KERNEL BLOCK(128) prompt_scan2_64(Scan2 a) { promptScan<4>(a); }
KERNEL BLOCK(128) prompt_scan2_128(Scan2 a) { promptScan<8>(a); }
KERNEL BLOCK(128) prompt_scan2_256(Scan2 a) { promptScan<16>(a); }

// prompt_after2 normalizes the outputs, a warp a group, and moves the
// convolution's window on.
KERNEL BLOCK(256) prompt_after2(After2 f) {
	const Scan2 &a = f.scan;
	int at = blockX() * 8 + thread() / 32, lane = thread() % 32, all = f.groups * a.tokens, blocks = (all + 7) / 8;
	if (blockX() >= blocks) {
		window(f.conv, param(a.params, REPLAY), (blockX() - blocks) * 256 + thread());
		return;
	}
	if (at >= all) return;
	float *x = (float *)a.out + (u64)(at / f.groups) * a.outStride + at % f.groups * f.size, s = 0;
	const float *w = (const float *)f.weight + at % f.groups * f.size;
	for (int i = lane; i < f.size; i += 32) s = fma(x[i], x[i], s);
	float scale = 1 / __builtin_sqrtf(sum<32>(s) / (float)f.size + f.eps);
	for (int i = lane; i < f.size; i += 32) x[i] = x[i] * scale * w[i];
}
