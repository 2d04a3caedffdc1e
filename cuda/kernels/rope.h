// Rotation's arguments and angles.
#pragma once
#include "shift.h"

struct Rope {
	u64 q, k, v, keys, values, freqs, params; // freqs float64 [pairs]
	i32 stride;                               // of q, k and v, one value's
	i32 heads, kvHeads, dim, pairs, width, positions, kind; // kind 1: float32
	i32 halves; // 1: pairs are the channels i and pairs+i
	i32 window; // not 0: the cache is a ring of the text's positions
};

// rowOf is where a cache has token t, at a position of the text.
DEVICE int rowOf(const Rope &a, int t, int position) { return a.window ? position % a.positions : param(a.params, POS) + t; }

// channels are those of pair i of a head. Behind the turned ones channels are
// adjacent.
DEVICE void channels(const Rope &a, int i, int &low, int &high) {
	bool far = a.halves && i < a.pairs;
	low = far ? i : 2 * i;
	high = far ? a.pairs + i : 2 * i + 1;
}

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
