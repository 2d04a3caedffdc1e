// Attention of a few tokens: the work of one block. See attend.cu.
#pragma once
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

// sumQueries adds each query's values over groups of L lanes, by halves; a lane
// gets the query that its highest two bits number.
template <int L> DEVICE float sumQueries(const float (&s)[QUERIES]) {
	bool high = thread() & L / 2, low = thread() & L / 4;
	float a = (high ? s[2] : s[0]) + shuffle(high ? s[0] : s[2], L / 2), b = (high ? s[3] : s[1]) + shuffle(high ? s[1] : s[3], L / 2);
	float v = (low ? b : a) + shuffle(low ? a : b, L / 4);
	UNROLL for (int m = L / 8; m > 0; m /= 2) v += shuffle(v, m);
	return v;
}

// attend is one key-value head, up to QUERIES of its queries, one token and one
// part (or, with splits 0, all parts one after the other). L lanes take a row, 8
// dimensions each; a warp takes 32/L positions at once, the block's 4 warps
// every fourth group of them.
template <int L, int CACHE> DEVICE void attend(const Attend &a) {
	SHARED static __attribute__((aligned(16))) float score[LIMIT][QUERIES];
	SHARED static float gather[QUERIES][4 * (32 / L)][L * 8];
	SHARED static float peaks[QUERIES], sums[QUERIES], factors[QUERIES];
	overlap();
	await();
	const int P = 32 / L, group = a.heads / a.kvHeads, chunks = (group + QUERIES - 1) / QUERIES;
	int kv = blockY(), t = blockZ() / chunks, chunk = blockZ() % chunks, warp = thread() / 32, lane = thread() % L, at = warp * P + thread() % 32 / L;
	int last = positionOf(a) + t, low = lowest(a, last), first = a.splits ? (partOf(a, last) + blockX()) * a.split : 0;
	if (first > last) return;
	int count = least(QUERIES, group - chunk * QUERIES), head = kv * group + chunk * QUERIES;
	bool active = lane * 8 < a.width;
	u64 base = (u64)kv * a.positions * a.width + (active ? lane * 8 : 0), values = (u64)a.kvHeads * a.positions * a.width;
	int end = a.splits ? least(first + a.split, last + 1) : last + 1;
	float q[QUERIES][8], acc[QUERIES][8];
	UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) {
		int d = lane * 8 + c;
		acc[i][c] = 0;
		q[i][c] = i < count && d < a.dim ? ((const float *)a.q)[(u64)t * a.qStride + (head + i) * a.dim + d] * a.scale : 0;
	}
	if (thread() < QUERIES) peaks[thread()] = -1e30f, sums[thread()] = 0;
	for (int block = first < low ? low : first; block < end; block += LIMIT) {
		int n = least(LIMIT, end - block), row = block % a.positions;
		sync();
		for (int p0 = at; p0 < (n + 4 * P - 1) / (4 * P) * (4 * P); p0 += 4 * P * AHEAD) {
			float k[AHEAD][8];
			UNROLL for (int g = 0; g < AHEAD; g++) eight<CACHE>(k[g], a.keys, a.keys + values, base + (u64)placed(a, row + least(p0 + g * 4 * P, n - 1)) * a.width);
			UNROLL for (int g = 0; g < AHEAD; g++) {
				int p = p0 + g * 4 * P;
				float s[QUERIES];
				UNROLL for (int i = 0; i < QUERIES; i++) {
					s[i] = 0;
					UNROLL for (int c = 0; c < 8; c++) s[i] = fma(q[i][c], k[g][c], s[i]);
				}
				float one = sumQueries<L>(s);
				if (lane % (L / 4) == 0 && p < n) score[p][lane / (L / 4)] = one;
			}
		}
		sync();
		if (warp < QUERIES) { // a warp a query
			int i = warp, l = thread() % 32;
			float peak = peaks[i];
			for (int p = l; p < n; p += 32) peak = higher(peak, score[p][i]);
			peak = most<32>(peak);
			float s = 0;
			for (int p = l; p < n; p += 32) {
				float e = exp(score[p][i] - peak);
				score[p][i] = e;
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
			UNROLL for (int g = 0; g < AHEAD; g++) eight<CACHE>(v[g], a.values, a.values + values, base + (u64)placed(a, row + least(p0 + g * 4 * P, n - 1)) * a.width);
			UNROLL for (int g = 0; g < AHEAD; g++) {
				int p = p0 + g * 4 * P;
				Four f = *(const Four *)score[least(p, LIMIT - 1)];
				float w[QUERIES] = {f.x, f.y, f.z, f.w};
				UNROLL for (int i = 0; i < QUERIES; i++)
					UNROLL for (int c = 0; c < 8; c++) acc[i][c] = fma(p < n ? w[i] : 0, v[g][c], acc[i][c]);
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
