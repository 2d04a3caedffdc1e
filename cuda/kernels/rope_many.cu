// Rotation of many tokens and heads at once, and the store of keys and values as
// int8 too: a cache of Q8_0 has its int8 as rope.cu lays values, [kv_head]
// [position][width], and after all of them the float16 scales of each 32.
#include "rope.h"

struct RopeMany {
	Rope rope;
	i32 lanes, span; // threads of a head, a power of two; heads they take one after the other
};

enum { HALF_CACHE = 0, FLOAT_CACHE = 1, INT8_CACHE = 2 };

// scaleOf is a block's scale from its peak, not below it among subnormals.
DEVICE u16 scaleOf(float peak) {
	float d = lower(peak / 127, 65504);
	u16 h = toF16(d);
	return h < 0x400 && f16(h) < d ? h + 1 : h;
}

// other is channel d's part of its pair's turn, where pairs are of halves: it reads
// the pair's other channel.
DEVICE float other(const Rope &a, const float *x, int d, float v, int position) {
	int pair = d < a.pairs ? d : d - a.pairs;
	if (pair >= a.pairs) return v;
	float c, s;
	turn((double)position * ((const double *)a.freqs)[pair], c, s);
	return d < a.pairs ? v * c - x[d + a.pairs] * s : v * c + x[pair] * s;
}

// rope_many turns queries and keys and stores keys and values: a thread has
// adjacent channels of some heads of one token.
KERNEL BLOCK(128) rope_many(RopeMany m) {
	overlap();
	const Rope &a = m.rope;
	int i = thread() % m.lanes, t = blockY(), first = (blockX() * (128 / m.lanes) + thread() / m.lanes) * m.span;
	await();
	int position = param(a.params, POS) + param(a.params, SHIFT) + t, row = rowOf(a, t, position);
	float c = 1, s = 0;
	if (i < a.pairs && !a.halves) turn((double)position * ((const double *)a.freqs)[i], c, s);
	for (int n = 0; n < m.span; n++) {
		int head = first + n, kv = head - a.heads, value = kv - a.kvHeads;
		bool live = value < a.kvHeads && 2 * i < a.dim, pair = 2 * i + 1 < a.dim;
		float *x = kv < 0 ? (float *)a.q + head * a.dim : value < 0 ? (float *)a.k + kv * a.dim : (float *)a.v + value * a.dim;
		x += (u64)t * a.stride + 2 * i;
		float u = live ? x[0] : 0, v = live && pair ? x[1] : 0;
		if (a.halves) { // threads read values that others write
			bool turned = live && value < 0;
			const float *y = x - 2 * i;
			float p = turned ? other(a, y, 2 * i, u, position) : u, q = turned && pair ? other(a, y, 2 * i + 1, v, position) : v;
			sync();
			u = p, v = q;
			if (turned) x[0] = u;
			if (turned && pair) x[1] = v;
		} else if (live && value < 0 && i < a.pairs) {
			float w = u * c - v * s;
			v = v * c + u * s;
			u = w;
			x[0] = u;
			if (pair) x[1] = v;
		}
		u64 cache = value < 0 ? a.keys : a.values, at = ((u64)(value < 0 ? kv : value) * a.positions + row) * a.width + 2 * i;
		bool kept = kv >= 0 && value < a.kvHeads && 2 * i < a.width;
		if (a.kind == INT8_CACHE) {
			float peak = most<16>(higher(u < 0 ? -u : u, v < 0 ? -v : v));
			u16 d = scaleOf(peak);
			float scale = f16(d), inverse = scale > 0 ? 1 / scale : 0;
			if (!kept) continue;
			int low = (int)lower(higher(__builtin_rintf(u * inverse), -127), 127), high = (int)lower(higher(__builtin_rintf(v * inverse), -127), 127);
			*(u16 *)((u8 *)cache + at) = (u16)((low & 255) | (high & 255) << 8);
			if (i % 16 == 0) ((u16 *)((u8 *)cache + (u64)a.kvHeads * a.positions * a.width))[at / 32] = d;
		} else if (kept && live && a.kind == FLOAT_CACHE) {
			((float *)cache)[at] = u;
			if (pair) ((float *)cache)[at + 1] = v;
		} else if (kept && live) {
			((u16 *)cache)[at] = toF16(u);
			if (pair) ((u16 *)cache)[at + 1] = toF16(v);
		}
	}
}
