// Causal attention over a cache (rope.cu says how it lies), split over the
// context at fixed positions: parts are merged in their order, so a token's
// bits depend on its position alone.
#include "attend.h"

enum { QUERIES = 4, LIMIT = 256 }; // queries of a block; positions scored together

// Eight takes 8 dimensions of a cached row.
template <bool wide> DEVICE void eight(float (&v)[8], u64 cache, u64 at) {
	if (wide) {
		Quad a = quad((const float *)cache + at), b = quad((const float *)cache + at + 4);
		v[0] = bits(a.x), v[1] = bits(a.y), v[2] = bits(a.z), v[3] = bits(a.w);
		v[4] = bits(b.x), v[5] = bits(b.y), v[6] = bits(b.z), v[7] = bits(b.w);
		return;
	}
	Quad a = quad((const u16 *)cache + at);
	v[0] = f16((u16)a.x), v[1] = f16((u16)(a.x >> 16)), v[2] = f16((u16)a.y), v[3] = f16((u16)(a.y >> 16));
	v[4] = f16((u16)a.z), v[5] = f16((u16)(a.z >> 16)), v[6] = f16((u16)a.w), v[7] = f16((u16)(a.w >> 16));
}

// attend is one key-value head, up to QUERIES of its queries, one token and one
// part (or, with splits 0, all parts one after the other). L lanes take a row, 8
// dimensions each; a warp takes 32/L positions at once, the block's 4 warps
// every fourth group of them.
template <int L, bool wide> DEVICE void attend(const Attend &a) {
	SHARED static float score[QUERIES][LIMIT];
	SHARED static float gather[QUERIES][4 * (32 / L)][L * 8];
	SHARED static float peaks[QUERIES], sums[QUERIES], factors[QUERIES];
	const int P = 32 / L, group = a.heads / a.kvHeads, chunks = (group + QUERIES - 1) / QUERIES;
	int kv = blockY(), t = blockZ() / chunks, chunk = blockZ() % chunks, warp = thread() / 32, lane = thread() % L, at = warp * P + thread() % 32 / L;
	int last = param(a.params, POS) + t, first = a.splits ? blockX() * a.split : 0;
	if (first > last) return;
	int count = least(QUERIES, group - chunk * QUERIES), head = kv * group + chunk * QUERIES;
	bool active = lane * 8 < a.width;
	u64 base = (u64)kv * a.positions * a.width + (active ? lane * 8 : 0);
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
		for (int p = at; p < (n + 4 * P - 1) / (4 * P) * (4 * P); p += 4 * P) {
			float k[8], s[QUERIES];
			eight<wide>(k, a.keys, base + (u64)(block + least(p, n - 1)) * a.width);
			UNROLL for (int i = 0; i < QUERIES; i++) {
				s[i] = 0;
				UNROLL for (int c = 0; c < 8; c++) s[i] = fma(q[i][c], lane * 8 + c < a.dim ? k[c] : 0, s[i]);
				s[i] = sum<L>(s[i]);
			}
			if (lane == 0 && p < n) UNROLL for (int i = 0; i < QUERIES; i++) score[i][p] = s[i];
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
		for (int p = at; p < n; p += 4 * P) {
			float v[8];
			eight<wide>(v, a.values, base + (u64)(block + p) * a.width);
			UNROLL for (int i = 0; i < QUERIES; i++) {
				float w = score[i][p];
				UNROLL for (int c = 0; c < 8; c++) acc[i][c] = fma(w, v[c], acc[i][c]);
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
	KERNEL BLOCK(128) attend_f16_##L(Attend a) { attend<L, false>(a); } \
	KERNEL BLOCK(128) attend_f32_##L(Attend a) { attend<L, true>(a); }
ATTEND(4)
ATTEND(8)
ATTEND(16)
ATTEND(32)

// merge adds a head's parts in their order; a block a head and token.
KERNEL BLOCK(128) merge(Attend a) {
	int head = blockX(), t = blockY(), n = (param(a.params, POS) + t) / a.split + 1;
	const float *p = (const float *)a.parts + ((u64)t * a.heads + head) * a.splits * (a.width + 2);
	float peak = -1e30f;
	for (int i = thread() % 32; i < n; i += 32) peak = higher(peak, p[(u64)i * (a.width + 2) + a.width]);
	peak = most<32>(peak);
	for (int d = thread(); d < a.dim; d += threads()) {
		float v = 0, s = 0;
		for (int i = 0; i < n; i++) {
			const float *part = p + (u64)i * (a.width + 2);
			float f = exp(part[a.width] - peak);
			v = fma(part[d], f, v);
			s = fma(part[a.width + 1], f, s);
		}
		v /= s;
		((float *)a.out)[(u64)t * a.outStride + head * a.dim + d] = v;
		if (a.to.form != FLOAT) quantize(a.to, t, (head * a.dim + d) / 32, v);
	}
}
