// Attention of a few tokens over a long cache of float16, on tensor cores: a
// block is one key-value head, QUERIES of its queries, of one token or of as many
// as fit, and one part of the context. Its warps share nothing until the part's
// end: each takes every WARPS-th tile of 16 positions, whose keys and values come
// through a ring of its own in shared memory, with a running maximum and sum.
//
// A product's 16 rows are 8 queries in two float16 parts, the high ones and
// below them their rests, so that one product has float32's precision to
// 2^-22 and both parts of a sum lie in one lane.
#include "attend.h"
#include "tensor.h"

enum { QUERIES = 8, ROWS = 16 }; // of a block; of a tile

// copyOrZero copies bytes of 16, none or all, and makes the others zero, where
// that is wanted at all.
DEVICE void copyOrZero(u32 to, const void *from, int bytes, bool wanted) {
	asm volatile("{ .reg .pred p; setp.ne.u32 p, %3, 0; @p cp.async.cg.shared.global [%0], [%1], 16, %2; }"
		::"r"(to), "l"(from), "r"(bytes), "r"((u32)wanted) : "memory");
}

// fill sets rows from up to to of a tile on their way; rows before low and from n
// on and dimensions from width on become zeros, lest the values there be not numbers.
template <int D> DEVICE void fill(int lane, u32 tile, const u16 *rows, int width, int low, int n, int from = 0, int to = ROWS) {
	const int EACH = 256 / D; // rows a warp copies at once
	int r = lane / (D / 8), d = lane % (D / 8) * 8, left = d < width ? n - r : 0;
	const u16 *at = rows + r * width + (d < width ? d : 0);
	UNROLL for (int i = 0; i < ROWS; i += EACH) copyOrZero(tile + ((r + i) * (D + 8) + d) * 2, at + i * width, i < left && r + i >= low ? 16 : 0, r + i >= from && r + i < to);
}

DEVICE float value(const float *p) {
	float r;
	asm volatile("ld.global.f32 %0, [%1];" : "=f"(r) : "l"(p) : "memory");
	return r;
}

// queriesOf makes lane/4's query, or zeros, a product's row, scaled by a power of
// two that brings its peak to 2^12, and gives the factor that undoes it.
template <int D> DEVICE float queriesOf(int lane, u32 (&q)[D / 16][4], const float *from, int dim, float scale, bool there) {
	float x[D / 16][4], peak = 0;
	UNROLL for (int k = 0; k < D / 16; k++) UNROLL for (int c = 0; c < 4; c++) {
		int d = k * 16 + c / 2 * 8 + lane % 4 * 2 + c % 2;
		float v = value(from + least(d, dim - 1)) * scale;
		x[k][c] = there && d < dim ? v : 0;
		peak = higher(peak, __builtin_fabsf(x[k][c]));
	}
	int e = __builtin_bit_cast(int, most<4>(peak)) >> 23; // of a peak of 2^(e-127) or more
	e = e < 13 ? 13 : least(e, 254);
	float up = bits((u32)(266 - e) << 23);
	UNROLL for (int k = 0; k < D / 16; k++) UNROLL for (int c = 0; c < 4; c += 2) split(x[k][c] * up, x[k][c + 1] * up, q[k][c], q[k][c + 1]);
	return bits((u32)(e - 12) << 23);
}

// share is a part of the tokens t up to end, whose parts are of the same size and
// begin at the same one. A token has 1<<slots of the rows.
template <int D, int WARPS, int STAGES> DEVICE void share(const Attend &a, u8 *shared, int pos, int t, int end, int size, int slots, int head, int count) {
	const int PITCH = D + 8, BYTES = ROWS * PITCH * 2, STEP = ROWS * WARPS, LATER = 2 * STAGES - 1;
	const float weights = 1 << 14; // times 1: small ones keep their precision as float16
	SHARED static float peaks[WARPS][QUERIES], sums[WARPS][QUERIES];
	int first = (partOf(a, pos + t) + blockZ()) * size, n = least(size, pos + end - first), old = pos - first; // rows before old are of earlier passes
	if (n <= 0) return;
	int low = lowest(a, pos + t) - first, place = first % a.positions; // no token sees rows before low
	int me = thread();
	asm volatile("" : "+r"(me)); // lest all that follows from it be kept from share to share
	int kv = blockY(), lane = me % 32, warp = me / 32, column = lane % 4 * 2, width = a.width;
	int query = lane / 4 & ((1 << slots) - 1), token = t + (lane / 4 >> slots);
	bool there = query < count && token < end;
	int begin = lowest(a, pos + token) - first; // the token sees so many positions of the part from there on, and more
	u32 seen = there ? pos + token + 1 - first - begin : 0;
	u64 base = (u64)kv * a.positions * width;
	const u16 *keys = (const u16 *)a.keys + base, *values = (const u16 *)a.values + base;
	u8 *own = shared + warp * STAGES * 2 * BYTES;
	u32 ring = shared32(own);
	_Pragma("unroll 1") for (int i = 0; i < STAGES; i++) {
		int p = warp * ROWS + i * STEP;
		if (p < n) fill<D>(lane, ring + i * 2 * BYTES, keys + (u64)placed(a, place + p) * width, width, low - p, n - p, 0, old - p);
		commit();
		if (p < n) fill<D>(lane, ring + (i * 2 + 1) * BYTES, values + (u64)placed(a, place + p) * width, width, low - p, n - p, 0, old - p);
		commit();
	}
	await();
	_Pragma("unroll 1") for (int i = 0; i < STAGES; i++) {
		int p = warp * ROWS + i * STEP;
		if (p >= n || old - p >= ROWS) continue;
		fill<D>(lane, ring + i * 2 * BYTES, keys + (u64)placed(a, place + p) * width, width, low - p, n - p, old - p);
		fill<D>(lane, ring + (i * 2 + 1) * BYTES, values + (u64)placed(a, place + p) * width, width, low - p, n - p, old - p);
	}
	u32 q[D / 16][4];
	float scale = queriesOf<D>(lane, q, (const float *)a.q + (there ? (u64)token * a.qStride + (head + query) * a.dim : 0), a.dim, a.scale, there);
	float o[D / 8][4], peak = -1e29f, total = 0; // more than the score of a position that is not seen
	UNROLL for (int i = 0; i < D / 8; i++) UNROLL for (int c = 0; c < 4; c++) o[i][c] = 0;
	if (old < n) copied();
	int slot = 0;
	_Pragma("unroll 1") for (int p = warp * ROWS; p < n; p += STEP) {
		u32 k = ring + slot * 2 * BYTES, v = k + BYTES;
		int next = p + STEP * STAGES;
		slot = slot + 1 == STAGES ? 0 : slot + 1;
		arrived<LATER>();
		float s[2][4];
		UNROLL for (int i = 0; i < 2; i++) UNROLL for (int c = 0; c < 4; c++) s[i][c] = 0;
		UNROLL for (int i = 0; i < D / 16; i++) {
			u32 b[4];
			matrices(b, k + ((lane / 16 * 8 + lane % 8) * PITCH + i * 16 + lane / 8 % 2 * 8) * 2);
			mmaHalf(s[0], q[i], b[0], b[1]);
			mmaHalf(s[1], q[i], b[2], b[3]);
		}
		syncWarp();
		if (next < n) fill<D>(lane, k, keys + (u64)placed(a, place + next) * width, width, low - next, n - next);
		commit();
		float e[4], m = peak;
		UNROLL for (int i = 0; i < 4; i++) {
			e[i] = (u32)(p + i / 2 * 8 + column + i % 2 - begin) < seen ? (s[i / 2][i % 2] + s[i / 2][2 + i % 2]) * scale : -1e30f;
			m = higher(m, e[i]);
		}
		m = most<4>(m);
		float f = exp(peak - m);
		peak = m;
		total *= f;
		UNROLL for (int i = 0; i < 4; i++) {
			e[i] = exp(e[i] - m);
			total += e[i];
		}
		u32 w[4];
		split(e[0] * weights, e[1] * weights, w[0], w[1]);
		split(e[2] * weights, e[3] * weights, w[2], w[3]);
		UNROLL for (int i = 0; i < D / 8; i++) UNROLL for (int c = 0; c < 4; c++) o[i][c] *= f;
		arrived<LATER>();
		UNROLL for (int i = 0; i < D / 16; i++) {
			u32 b[4];
			turned(b, v + (lane % 16 * PITCH + i * 16 + lane / 16 * 8) * 2);
			mmaHalf(o[i * 2], w, b[0], b[1]);
			mmaHalf(o[i * 2 + 1], w, b[2], b[3]);
		}
		syncWarp();
		if (next < n) fill<D>(lane, v, values + (u64)placed(a, place + next) * width, width, low - next, n - next);
		commit();
	}
	// A warp's sums take its ring's place, which is read and empty by now.
	total = sum<4>(total);
	float *gather = (float *)own + lane / 4 * PITCH + column;
	UNROLL for (int i = 0; i < D / 8; i++) {
		Pair v = {(o[i][0] + o[i][2]) * (1 / weights), (o[i][1] + o[i][3]) * (1 / weights)};
		*(Pair *)(gather + i * 8) = v;
	}
	if (lane % 4 == 0) peaks[warp][lane / 4] = peak, sums[warp][lane / 4] = total;
	sync();
	for (int at = me; at < ((end - t) << slots) * D; at += WARPS * 32) {
		int i = at / D, d = at % D;
		query = i & ((1 << slots) - 1), token = t + (i >> slots);
		if (query >= count || pos + token < first) continue;
		float m = peaks[0][i], v = 0, s = 0;
		UNROLL for (int w = 1; w < WARPS; w++) m = higher(m, peaks[w][i]);
		UNROLL for (int w = 0; w < WARPS; w++) {
			float f = exp(peaks[w][i] - m);
			v = fma(((const float *)(shared + w * STAGES * 2 * BYTES))[i * PITCH + d], f, v);
			s = fma(sums[w][i], f, s);
		}
		float *part = (float *)a.parts + (((u64)token * a.heads + head + query) * a.splits + blockZ()) * (width + 2);
		if (d < a.dim) part[d] = v;
		if (d == 0) part[width] = m, part[width + 1] = s;
	}
}

template <int D, int WARPS, int STAGES> DEVICE void flashDecode(const Attend &a, u8 *shared) {
	overlap();
	int pos = positionOf(a), tokens = param(a.params, TOKENS);
	int group = a.heads / a.kvHeads, chunks = (group + QUERIES - 1) / QUERIES, chunk = blockX() % chunks;
	int head = blockY() * group + chunk * QUERIES, count = least(QUERIES, group - chunk * QUERIES);
	int slots = group > 4 ? 3 : group > 2 ? 2 : group - 1, each = QUERIES >> slots;
	int t = blockX() / chunks * each, end = least(t + each, tokens);
	while (t < end) {
		int size = partSize(a, pos + t), to = t + 1;
		while (to < end && partSize(a, pos + to) == size && partOf(a, pos + to) == partOf(a, pos + t)) to++;
		share<D, WARPS, STAGES>(a, shared, pos, t, to, size, slots, head, count);
		t = to;
		if (t < end) sync();
	}
	await();
}

// Rings of two tiles or more, so that three blocks fit a multiprocessor.
#define FLASH(L, WARPS, STAGES)                                                  \
	KERNEL BLOCKS(WARPS * 32, 3) flash_decode_##L(Attend a) {                    \
		extern __attribute__((shared)) __attribute__((aligned(16))) u8 shared[]; \
		flashDecode<L * 8, WARPS, STAGES>(a, shared);                            \
	}
FLASH(4, 4, 6)
FLASH(8, 4, 4)
FLASH(16, 4, 2)
FLASH(32, 2, 2)
