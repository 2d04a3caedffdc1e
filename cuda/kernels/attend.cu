// Causal attention over a cache (rope.cu says how it lies), split over the
// context at fixed positions: parts are merged in their order, so a token's
// bits depend on its position alone.
#include "attend.h"

enum { QUERIES = 4, LIMIT = 256, AHEAD = 4 }; // queries of a block; positions scored together; rows a lane has on their way

enum { HALF_CACHE = 0, FLOAT_CACHE = 1, INT8_CACHE = 2 };

// Eight takes 8 dimensions of a cached row; scales are of a cache of int8.
template <int CACHE> DEVICE void eight(float (&v)[8], u64 cache, u64 scales, u64 at) {
	if (CACHE == INT8_CACHE) {
		Pair a = pair((const u8 *)cache + at);
		float d = f16(((const volatile u16 *)scales)[at / 32]);
		u32 w[2] = {__builtin_bit_cast(u32, a.x), __builtin_bit_cast(u32, a.y)};
		UNROLL for (int i = 0; i < 8; i++) v[i] = d * (float)(i8)(w[i / 4] >> (i % 4 * 8));
		return;
	}
	if (CACHE == FLOAT_CACHE) {
		Quad a = fresh((const float *)cache + at), b = fresh((const float *)cache + at + 4);
		v[0] = bits(a.x), v[1] = bits(a.y), v[2] = bits(a.z), v[3] = bits(a.w);
		v[4] = bits(b.x), v[5] = bits(b.y), v[6] = bits(b.z), v[7] = bits(b.w);
		return;
	}
	Quad a = fresh((const u16 *)cache + at);
	v[0] = f16((u16)a.x), v[1] = f16((u16)(a.x >> 16)), v[2] = f16((u16)a.y), v[3] = f16((u16)(a.y >> 16));
	v[4] = f16((u16)a.z), v[5] = f16((u16)(a.z >> 16)), v[6] = f16((u16)a.w), v[7] = f16((u16)(a.w >> 16));
}

// attend is one key-value head, up to QUERIES of its queries, one token and one
// part (or, with splits 0, all parts one after the other). L lanes take a row, 8
// dimensions each; a warp takes 32/L positions at once, the block's 4 warps
// every fourth group of them.
template <int L, int CACHE> DEVICE void attend(const Attend &a) {
	SHARED static float score[QUERIES][LIMIT];
	SHARED static float gather[QUERIES][4 * (32 / L)][L * 8];
	SHARED static float peaks[QUERIES], sums[QUERIES], factors[QUERIES];
	overlap();
	await();
	const int P = 32 / L, group = a.heads / a.kvHeads, chunks = (group + QUERIES - 1) / QUERIES;
	int kv = blockY(), t = blockZ() / chunks, chunk = blockZ() % chunks, warp = thread() / 32, lane = thread() % L, at = warp * P + thread() % 32 / L;
	int last = param(a.params, POS) + t, first = a.splits ? blockX() * a.split : 0;
	if (first > last) return;
	int count = least(QUERIES, group - chunk * QUERIES), head = kv * group + chunk * QUERIES;
	bool active = lane * 8 < a.width;
	u64 base = (u64)kv * a.positions * a.width + (active ? lane * 8 : 0), values = (u64)a.kvHeads * a.positions * a.width;
	float q[QUERIES][8], acc[QUERIES][8];
	UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) {
		int d = lane * 8 + c;
		acc[i][c] = 0;
		q[i][c] = i < count && d < a.dim ? ((const float *)a.q)[(u64)t * a.qStride + (head + i) * a.dim + d] * a.scale : 0;
	}
	if (thread() < QUERIES) peaks[thread()] = -1e30f, sums[thread()] = 0;
	int end = a.splits ? least(first + a.split, last + 1) : last + 1;
	for (int block = first; block < end; block += LIMIT) {
		int n = least(LIMIT, end - block);
		sync();
		for (int p0 = at; p0 < (n + 4 * P - 1) / (4 * P) * (4 * P); p0 += 4 * P * AHEAD) {
			float k[AHEAD][8];
			UNROLL for (int g = 0; g < AHEAD; g++) eight<CACHE>(k[g], a.keys, a.keys + values, base + (u64)(block + least(p0 + g * 4 * P, n - 1)) * a.width);
			UNROLL for (int g = 0; g < AHEAD; g++) {
				int p = p0 + g * 4 * P;
				float s[QUERIES];
				UNROLL for (int i = 0; i < QUERIES; i++) {
					s[i] = 0;
					UNROLL for (int c = 0; c < 8; c++) s[i] = fma(q[i][c], lane * 8 + c < a.dim ? k[g][c] : 0, s[i]);
					s[i] = sum<L>(s[i]);
				}
				if (lane == 0 && p < n) UNROLL for (int i = 0; i < QUERIES; i++) score[i][p] = s[i];
			}
		}
		sync();
		if (warp < QUERIES) { // a warp a query
			int i = warp, l = thread() % 32;
			float peak = peaks[i];
			for (int p = l; p < n; p += 32) peak = higher(peak, score[i][p]);
			peak = most<32>(peak);
			float s = 0;
			for (int p = l; p < n; p += 32) {
				float e = exp(score[i][p] - peak);
				score[i][p] = e;
				s += e;
			}
			s = sum<32>(s);
			if (l == 0) {
				float f = exp(peaks[i] - peak);
				factors[i] = f;
				sums[i] = sums[i] * f + s;
				peaks[i] = peak;
			}
		}
		sync();
		UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) acc[i][c] *= factors[i];
		for (int p0 = at; p0 < n; p0 += 4 * P * AHEAD) {
			float v[AHEAD][8];
			UNROLL for (int g = 0; g < AHEAD; g++) eight<CACHE>(v[g], a.values, a.values + values, base + (u64)(block + least(p0 + g * 4 * P, n - 1)) * a.width);
			UNROLL for (int g = 0; g < AHEAD; g++) UNROLL for (int i = 0; i < QUERIES; i++) {
				int p = p0 + g * 4 * P;
				float w = p < n ? score[i][p] : 0;
				UNROLL for (int c = 0; c < 8; c++) acc[i][c] = fma(w, v[g][c], acc[i][c]);
			}
		}
	}
	UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) gather[i][at][lane * 8 + c] = acc[i][c];
	sync();
	for (int d = thread(); d < a.dim; d += threads())
		for (int i = 0; i < count; i++) {
			float v = 0;
			for (int g = 0; g < 4 * P; g++) v += gather[i][g][d];
			if (a.splits) ((float *)a.parts)[(((u64)t * a.heads + head + i) * a.splits + blockX()) * (a.width + 2) + d] = v;
			else ((float *)a.out)[(u64)t * a.outStride + (head + i) * a.dim + d] = v / sums[i];
		}
	if (a.splits && thread() < count) {
		float *p = (float *)a.parts + (((u64)t * a.heads + head + thread()) * a.splits + blockX()) * (a.width + 2) + a.width;
		p[0] = peaks[thread()];
		p[1] = sums[thread()];
	}
}

#define ATTEND(L) \
	KERNEL BLOCK(128) attend_f16_##L(Attend a) { attend<L, HALF_CACHE>(a); }  \
	KERNEL BLOCK(128) attend_f32_##L(Attend a) { attend<L, FLOAT_CACHE>(a); } \
	KERNEL BLOCK(128) attend_q8_0_##L(Attend a) { attend<L, INT8_CACHE>(a); }
ATTEND(4)
ATTEND(8)
ATTEND(16)
ATTEND(32)

enum { PARTS = 512, SIDES = 4 };

// merge adds a head's parts, at most PARTS: every fourth in order, then the four
// sums; a block a head and token, 128 threads a sum.
KERNEL BLOCK(128 * SIDES) merge(Attend a) {
	SHARED static float factor[PARTS], side[SIDES][128], shared[32];
	overlap();
	await();
	int head = blockX(), t = blockY(), n = (param(a.params, POS) + t) / a.split + 1, stride = a.width + 2;
	const float *p = (const float *)a.parts + ((u64)t * a.heads + head) * a.splits * stride;
	float peak = -1e30f, s = 0;
	for (int i = thread() % 32; i < n; i += 32) peak = higher(peak, p[(u64)i * stride + a.width]);
	peak = most<32>(peak);
	for (int i = thread(); i < n; i += 128 * SIDES) {
		float f = exp(p[(u64)i * stride + a.width] - peak);
		factor[i] = f;
		s = fma(p[(u64)i * stride + a.width + 1], f, s);
	}
	s = sumBlock(s, shared);
	for (int d0 = 0; d0 < a.dim; d0 += 128) {
		int d = d0 + thread() % 128, mine = thread() / 128;
		float v = 0;
		if (d < a.dim) {
			_Pragma("unroll 8") for (int i = mine; i < n; i += SIDES) v = fma(p[(u64)i * stride + d], factor[i], v);
		}
		side[mine][thread() % 128] = v;
		sync();
		if (mine == 0 && d < a.dim) {
			v = 0;
			UNROLL for (int i = 0; i < SIDES; i++) v += side[i][thread()];
			v /= s;
			((float *)a.out)[(u64)t * a.outStride + head * a.dim + d] = v;
			if (a.to.form != FLOAT) quantize(a.to, t, (head * a.dim + d) / 32, v);
		}
		sync();
	}
}
