// Rotation of queries and keys, and the store of keys and values.
//
// A cache lies as [kv_head][position][width] of float16 or float32, width the
// head's dimension rounded up to 32, positions to 32.
#include "common.h"

struct Rope {
	int stride;                                                // of q, k and v, one value's
	int heads, kvHeads, dim, pairs, width, positions, wide;    // wide 1: float32
};

// turn gives cosine and sine of a fraction of a turn, in 2^-64: the nearest
// quarter is taken off exactly, a series does the rest.
FN void turn(ulong angle, thread float &cosine, thread float &sine) {
	ulong eighth = 1ul << 61;
	int quarter = int((angle + eighth) >> 62);
	float r = float(long(angle - (ulong(quarter) << 62))) * (6.283185307179586f / 18446744073709551616.0f), q = r * r;
	float s = fma(fma(fma(fma(fma(-1.0f / 39916800, q, 1.0f / 362880), q, -1.0f / 5040), q, 1.0f / 120), q, -1.0f / 6) * q, r, r);
	float c = fma(fma(fma(fma(fma(-1.0f / 3628800, q, 1.0f / 40320), q, -1.0f / 720), q, 1.0f / 24), q, -0.5f), q, 1.0f);
	float a = quarter & 1 ? s : c, b = quarter & 1 ? c : s;
	cosine = quarter == 1 || quarter == 2 ? -a : a;
	sine = quarter >= 2 ? -b : b;
}

FN void store(device uchar *cache, ulong at, float v, int wide) {
	if (wide) ((device float *)cache)[at] = v;
	else ((device half *)cache)[at] = half(v);
}

// rope is a threadgroup a token and head: queries, then keys and their values.
kernel void rope(constant Rope &a [[buffer(0)]], device const int *params [[buffer(1)]], device float *q [[buffer(2)]],
	device float *k [[buffer(3)]], device const float *v [[buffer(4)]], device uchar *keys [[buffer(5)]],
	device uchar *values [[buffer(6)]], device const ulong *freqs [[buffer(7)]], PLACE) {
	int t = group.y, pos = params[POS] + t, head = int(group.x) - a.heads; // of keys
	device float *x = head >= 0 ? k + head * a.dim : q + int(group.x) * a.dim;
	x += ulong(t) * a.stride;
	ulong at = head >= 0 ? (ulong(head) * a.positions + pos) * a.width : 0;
	for (int i = tid; i < (a.dim + 1) / 2; i += 64) {
		float u = x[2 * i], w = 2 * i + 1 < a.dim ? x[2 * i + 1] : 0;
		if (i < a.pairs) {
			float c, s;
			turn(ulong(pos) * freqs[i], c, s);
			float turned = u * c - w * s;
			w = w * c + u * s;
			u = turned;
			x[2 * i] = u;
			x[2 * i + 1] = w;
		}
		if (head < 0) continue;
		store(keys, at + 2 * i, u, a.wide);
		if (2 * i + 1 < a.dim) store(keys, at + 2 * i + 1, w, a.wide);
	}
	if (head < 0) return;
	v += ulong(t) * a.stride + head * a.dim;
	for (int i = tid; i < a.dim; i += 64) store(values, at + i, v[i], a.wide);
}
