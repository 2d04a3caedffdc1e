// Rotation of queries and keys, and the store of keys and values.
//
// A cache lies as [kv_head][position][width] of float16 or float32, width the
// head's dimension rounded up to 32, positions to 32. With a window it is a ring:
// the text's position p lies at p % positions.
#include "rope.h"

DEVICE void store(u64 cache, u64 at, float v, int kind) {
	if (kind) ((float *)cache)[at] = v;
	else ((u16 *)cache)[at] = toF16(v);
}

// rope is a block a token and head: queries, then keys and their values.
KERNEL BLOCK(64) rope(Rope a) {
	overlap();
	await();
	int head = blockX(), t = blockY(), position = param(a.params, POS) + param(a.params, SHIFT) + t;
	bool key = head >= a.heads;
	float *x = key ? (float *)a.k + (u64)(head - a.heads) * a.dim : (float *)a.q + (u64)head * a.dim;
	x += (u64)t * a.stride;
	u64 at = key ? ((u64)(head - a.heads) * a.positions + rowOf(a, t, position)) * a.width : 0;
	for (int i = thread(); i < (a.dim + 1) / 2; i += threads()) {
		int low, high;
		channels(a, i, low, high);
		float u = x[low], v = high < a.dim ? x[high] : 0;
		if (i < a.pairs) {
			float c, s;
			turn((double)position * ((const double *)a.freqs)[i], c, s);
			float w = u * c - v * s;
			v = v * c + u * s;
			u = w;
			x[low] = u;
			x[high] = v;
		}
		if (key) {
			store(a.keys, at + low, u, a.kind);
			if (high < a.dim) store(a.keys, at + high, v, a.kind);
		}
	}
	if (!key) return;
	const float *y = (const float *)a.v + (u64)t * a.stride + (u64)(head - a.heads) * a.dim;
	for (int i = thread(); i < a.dim; i += threads()) store(a.values, at + i, y[i], a.kind);
}
