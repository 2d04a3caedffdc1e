// Rotation of queries and keys, and the store of keys and values.
//
// A cache lies as [kv_head][position][width] of float16 or float32, width the
// head's dimension rounded up to 32, positions to 32.
#include "common.h"

struct Rope {
	u64 q, k, v, keys, values, freqs, params; // freqs float64 [pairs]
	i32 stride;                               // of q, k and v, one value's
	i32 heads, kvHeads, dim, pairs, width, positions, wide; // wide 1: float32
};

// turn gives cosine and sine of an angle in float64: a quarter turn is taken
// off in two parts, a series does the rest.
DEVICE void turn(double angle, float &cosine, float &sine) {
	double k = __builtin_rint(angle * 0.63661977236758134308);
	double r = __builtin_fma(-k, 1.57079632679489655800, angle);
	r = __builtin_fma(-k, 6.12323399573676603587e-17, r);
	double q = r * r;
	double s = -1.0 / 39916800, c = -1.0 / 3628800;
	s = __builtin_fma(s, q, 1.0 / 362880);
	s = __builtin_fma(s, q, -1.0 / 5040);
	s = __builtin_fma(s, q, 1.0 / 120);
	s = __builtin_fma(s, q, -1.0 / 6);
	s = __builtin_fma(s * q, r, r);
	c = __builtin_fma(c, q, 1.0 / 40320);
	c = __builtin_fma(c, q, -1.0 / 720);
	c = __builtin_fma(c, q, 1.0 / 24);
	c = __builtin_fma(c, q, -0.5);
	c = __builtin_fma(c, q, 1.0);
	int n = (int)((long long)k & 3);
	double a = n & 1 ? s : c, b = n & 1 ? c : s;
	cosine = (float)(n == 1 || n == 2 ? -a : a);
	sine = (float)(n >= 2 ? -b : b);
}

DEVICE void store(u64 cache, u64 at, float v, int wide) {
	if (wide) ((float *)cache)[at] = v;
	else ((u16 *)cache)[at] = toF16(v);
}

// rope is a block a token and head: queries, then keys and their values.
KERNEL BLOCK(64) rope(Rope a) {
	overlap();
	await();
	int head = blockX(), t = blockY(), pos = param(a.params, POS) + t;
	bool key = head >= a.heads;
	float *x = key ? (float *)a.k + (u64)(head - a.heads) * a.dim : (float *)a.q + (u64)head * a.dim;
	x += (u64)t * a.stride;
	u64 at = key ? ((u64)(head - a.heads) * a.positions + pos) * a.width : 0;
	for (int i = thread(); i < (a.dim + 1) / 2; i += threads()) {
		float u = x[2 * i], v = 2 * i + 1 < a.dim ? x[2 * i + 1] : 0;
		if (i < a.pairs) {
			float c, s;
			turn((double)pos * ((const double *)a.freqs)[i], c, s);
			float w = u * c - v * s;
			v = v * c + u * s;
			u = w;
			x[2 * i] = u;
			x[2 * i + 1] = v;
		}
		if (key) {
			store(a.keys, at + 2 * i, u, a.wide);
			if (2 * i + 1 < a.dim) store(a.keys, at + 2 * i + 1, v, a.wide);
		}
	}
	if (!key) return;
	const float *y = (const float *)a.v + (u64)t * a.stride + (u64)(head - a.heads) * a.dim;
	for (int i = thread(); i < a.dim; i += threads()) store(a.values, at + i, y[i], a.wide);
}
