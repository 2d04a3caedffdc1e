// Causal attention over a cache, split over the
// context at fixed positions: parts are merged in their order, so a token's
// bits depend on its position alone.
#include "attend.h"

enum { QUERIES = 4, LIMIT = 128, SIMDS = 4 }; // queries of a threadgroup; positions scored together

// A threadgroup's shared memory: scores, parts of sums, and of each query the peak,
// the sum and the factor of the sums before.
enum { GATHER = QUERIES * SIMDS * 256, FEW = QUERIES * LIMIT + GATHER + 3 * QUERIES };

// eight takes 8 dimensions of a row of a cache, from d on.
template <int KV> FN void eight(thread float *v, device const uchar *cache, ulong row, int d, int width) {
	if (KV == F32) {
		device const float4 *p = (device const float4 *)((device const float *)cache + row * width + d);
		float4 a = p[0], b = p[1];
		v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
	} else if (KV == F16) {
		uint4 a = *(device const uint4 *)((device const ushort *)cache + row * width + d);
		v[0] = half2float(ushort(a.x)), v[1] = half2float(ushort(a.x >> 16)), v[2] = half2float(ushort(a.y)), v[3] = half2float(ushort(a.y >> 16));
		v[4] = half2float(ushort(a.z)), v[5] = half2float(ushort(a.z >> 16)), v[6] = half2float(ushort(a.w)), v[7] = half2float(ushort(a.w >> 16));
	} else {
		device const uchar *p = cache + (row * (width / 32) + d / 32) * 34;
		float scale = halfAt(p);
		device const ushort *q = (device const ushort *)(p + 2 + d % 32);
		UNROLL for (int i = 0; i < 4; i++) {
			v[2 * i] = scale * float(char(q[i]));
			v[2 * i + 1] = scale * float(char(q[i] >> 8));
		}
	}
}

// sum adds over groups of n lanes, n a power of two; every lane gets it.
template <int n> FN float sum(float v) {
	UNROLL for (int m = n / 2; m > 0; m /= 2) v += simd_shuffle_xor(v, ushort(m));
	return v;
}

// attend is one key-value head, up to QUERIES of its queries, one token and one
// part (or, with splits 0, all parts one after the other). L lanes take a row, 8
// dimensions each; a simdgroup takes 32/L positions at once, the threadgroup's
// four every fourth group of them.
template <int L, int KV> FN void attend(threadgroup float *shared, ATTENTION(PASSED), device float *parts, PLACE(PASSED)) {
	const int P = 32 / L, STEP = SIMDS * P;
	threadgroup float *score = shared, *gather = score + QUERIES * LIMIT;
	threadgroup float *peaks = gather + GATHER, *sums = peaks + QUERIES, *factors = sums + QUERIES;
	int heads = a.heads / a.kvHeads, chunks = (heads + QUERIES - 1) / QUERIES;
	int kv = group.y, t = group.z / chunks, chunk = group.z % chunks, l = lane % L, at = simd * P + lane / L;
	int last = positionOf(a, params) + t, first = a.splits ? (partOf(a, last) + int(group.x)) * a.split : 0;
	if (first > last) return;
	int count = min(int(QUERIES), heads - chunk * QUERIES), head = kv * heads + chunk * QUERIES;
	ulong base = ulong(kv) * a.positions;
	int from = l * 8 < a.width ? l * 8 : 0;
	float qs[QUERIES][8], acc[QUERIES][8];
	UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) {
		int d = l * 8 + c;
		acc[i][c] = 0;
		qs[i][c] = i < count && d < a.dim ? q[ulong(t) * a.qStride + (head + i) * a.dim + d] * a.scale : 0;
	}
	if (tid < QUERIES) peaks[tid] = -1e30f, sums[tid] = 0;
	int end = a.splits ? min(first + a.split, last + 1) : last + 1;
	for (int block = max(first, lowest(a, last)); block < end; block += LIMIT) {
		int n = min(int(LIMIT), end - block), row = block % a.positions;
		sync();
		for (int p0 = 0; p0 < n; p0 += STEP) {
			float k[8];
			int p = p0 + at;
			eight<KV>(k, keys, base + placed(a, row + min(p, n - 1)), from, a.width);
			UNROLL for (int i = 0; i < QUERIES; i++) {
				float s = 0;
				UNROLL for (int c = 0; c < 8; c++) s = fma(qs[i][c], l * 8 + c < a.dim ? k[c] : 0, s);
				s = sum<L>(s);
				if (l == 0 && p < n) score[i * LIMIT + p] = s;
			}
		}
		sync();
		// A simdgroup a query.
		int i = simd;
		float before = peaks[i], peak = before, s = 0;
		for (int p = lane; p < n; p += 32) peak = max(peak, score[i * LIMIT + p]);
		peak = simd_max(peak);
		for (int p = lane; p < n; p += 32) {
			float e = exp(score[i * LIMIT + p] - peak);
			score[i * LIMIT + p] = e;
			s += e;
		}
		s = simd_sum(s);
		simdgroup_barrier(mem_flags::mem_threadgroup);
		if (lane == 0) {
			float f = exp(before - peak);
			factors[i] = f;
			sums[i] = sums[i] * f + s;
			peaks[i] = peak;
		}
		sync();
		UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) acc[i][c] *= factors[i];
		for (int p = at; p < n; p += STEP) {
			float v[8];
			eight<KV>(v, values, base + placed(a, row + p), from, a.width);
			UNROLL for (int i = 0; i < QUERIES; i++) {
				float w = score[i * LIMIT + p];
				UNROLL for (int c = 0; c < 8; c++) acc[i][c] = fma(w, v[c], acc[i][c]);
			}
		}
	}
	UNROLL for (int i = 0; i < QUERIES; i++) UNROLL for (int c = 0; c < 8; c++) gather[(i * STEP + at) * L * 8 + l * 8 + c] = acc[i][c];
	sync();
	for (int d = tid; d < a.dim; d += 128)
		for (int i = 0; i < count; i++) {
			float v = 0;
			for (int g = 0; g < STEP; g++) v += gather[(i * STEP + g) * L * 8 + d];
			if (a.splits) parts[((ulong(t) * a.heads + head + i) * a.splits + group.x) * (a.width + 2) + d] = v;
			else out[ulong(t) * a.outStride + (head + i) * a.dim + d] = v / sums[i];
		}
	if (a.splits && int(tid) < count) {
		device float *p = parts + ((ulong(t) * a.heads + head + tid) * a.splits + group.x) * (a.width + 2) + a.width;
		p[0] = peaks[tid];
		p[1] = sums[tid];
	}
}

#define ATTEND(NAME, KV, L)                                                                                  \
	kernel void attend_##NAME##_##L(ATTENTION(GIVEN), device float *parts [[buffer(6)]], PLACE(GIVEN)) {                     \
		SHARED float shared[FEW];                                                                            \
		attend<L, KV>(shared, a, params, q, keys, values, out, parts, group, tid, lane, simd);             \
	}
