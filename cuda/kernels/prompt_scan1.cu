// The Mamba-1 recurrence over many tokens: a channel has 4 lanes of K states
// each, and takes 4 tokens at a time, of whose inputs and output each lane has
// one's. The next 4 are loaded meanwhile.
#include "scan1.h"

enum { SIDE = 4 };

// power is 2^x; results below the normal floats are zero.
DEVICE float power(float x) {
	float r;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}

DEVICE float from(float v, int lane) { // of the channel's lanes
	float r;
	asm volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1c1f, 0xffffffff;" : "=f"(r) : "f"(v), "r"(lane));
	return r;
}

template <int K> DEVICE void states(float (&v)[K], const float *p, int first, int n, bool whole) {
	if (K % 4 == 0 && whole) {
		UNROLL for (int j = 0; j < K / 4; j++) {
			Quad q = fresh(p + first + 4 * j);
			v[4 * j] = bits(q.x), v[4 * j + 1] = bits(q.y), v[4 * j + 2] = bits(q.z), v[4 * j + 3] = bits(q.w);
		}
		return;
	}
	UNROLL for (int j = 0; j < K; j++) v[j] = first + j < n ? p[first + j] : 0;
}

template <int K> struct Inputs { float dt, x, z, b[SIDE][K], c[SIDE][K]; };

template <int K> DEVICE void promptScan1(const Scan1 &a) {
	int lane = thread() % SIDE, i = (blockX() * threads() + thread()) / SIDE, N = a.states, first = lane * K;
	bool live = i < a.channels;
	if (!live) i = a.channels - 1;
	int source = i / N / (a.channels / a.xs) * N + i % N;
	int bAt = (int)((long long)i * (a.bs / N) / a.channels) * N, cAt = (int)((long long)i * (a.cs / N) / a.channels) * N;
	const float *b = (const float *)a.b + bAt, *c = (const float *)a.c + cAt;
	bool whole = N == SIDE * K && ((u64)b | (u64)c | (u64)(a.bStride * 4) | (u64)(a.cStride * 4)) % 16 == 0;
	float D = ((const float *)a.d)[i], bias = ((const float *)a.bias)[i], *h = (float *)a.h + (u64)i * N, A[K], s[K];
	states<K>(A, (const float *)a.a + (u64)i * N, first, N, false);
	UNROLL for (int j = 0; j < K; j++) A[j] *= 1.44269504f; // exponentials are of 2
	states<K>(s, h, first, N, false);
	int width = a.channels + a.xs + a.bs, replay = param(a.params, REPLAY);
	for (int r = 0; r < replay; r++) {
		const float *l = (const float *)a.log + (u64)r * width;
		float dt = l[i], x = l[a.channels + source], v[K];
		states<K>(v, l + a.channels + a.xs + bAt, first, N, false);
		UNROLL for (int j = 0; j < K; j++) s[j] = fma(power(dt * A[j]), s[j], dt * x * v[j]);
	}
	auto load = [&](Inputs<K> &in, int t0) {
		u64 mine = least(t0 + lane, a.tokens - 1);
		in.dt = ((const float *)a.dt)[mine * a.dtStride + i];
		in.x = ((const float *)a.x)[mine * a.xStride + source];
		in.z = ((const float *)a.z)[mine * a.zStride + i];
		UNROLL for (int g = 0; g < SIDE; g++) {
			u64 t = least(t0 + g, a.tokens - 1);
			states<K>(in.b[g], b + t * a.bStride, first, N, whole);
			states<K>(in.c[g], c + t * a.cStride, first, N, whole);
		}
	};
	Inputs<K> next;
	load(next, 0);
	for (int t0 = 0; t0 < a.tokens; t0 += SIDE) {
		Inputs<K> in = next;
		if (t0 + SIDE < a.tokens) load(next, t0 + SIDE);
		int t = t0 + lane;
		float dt = t < a.tokens ? softplus(in.dt + bias) : 0, y[SIDE]; // 0 leaves the state as it is
		UNROLL for (int g = 0; g < SIDE; g++) {
			float d = from(dt, g), u = d * from(in.x, g);
			y[g] = 0;
			UNROLL for (int j = 0; j < K; j++) {
				s[j] = fma(power(d * A[j]), s[j], u * in.b[g][j]);
				y[g] = fma(s[j], in.c[g][j], y[g]);
			}
		}
		// Sums over the lanes, of which lane g keeps token g's.
		bool upper = lane & 2, odd = lane & 1;
		float y0 = (upper ? y[2] : y[0]) + shuffle(upper ? y[0] : y[2], 2), y1 = (upper ? y[3] : y[1]) + shuffle(upper ? y[1] : y[3], 2);
		float v = (odd ? y1 : y0) + shuffle(odd ? y0 : y1, 1);
		if (live && t < a.tokens) ((float *)a.out)[(u64)t * a.outStride + i] = (v + D * in.x) * silu(in.z);
	}
	UNROLL for (int j = 0; j < K; j++)
		if (live && first + j < N) h[first + j] = s[j];
}

KERNEL BLOCK(128) prompt_scan1_4(Scan1 a) { promptScan1<1>(a); }
KERNEL BLOCK(128) prompt_scan1_8(Scan1 a) { promptScan1<2>(a); }
KERNEL BLOCK(128) prompt_scan1_16(Scan1 a) { promptScan1<4>(a); }
KERNEL BLOCK(128) prompt_scan1_32(Scan1 a) { promptScan1<8>(a); }
