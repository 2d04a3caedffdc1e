// Rotation of queries and keys, and the store of keys and values; attend.h says
// how a cache lies.
#include "types.h"

struct Rope {
	int stride; // of q, k and v, one value's
	int heads, kvHeads, dim, pairs, width, positions;
	int kind; // of the cache: F32, F16 or Q8_0
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

// store writes a simdgroup's 32 values, from dimension d on, to a row of a cache.
FN void store(device uchar *cache, ulong row, int d, float v, constant Rope &a, int lane) {
	ulong at = row * a.width + d + lane;
	if (a.kind == F32) {
		((device float *)cache)[at] = v;
		return;
	}
	if (a.kind == F16) {
		((device half *)cache)[at] = half(v);
		return;
	}
	float peak = simd_max(v < 0 ? -v : v);
	half scale = half(peak / 127);
	ushort bits = as_type<ushort>(scale);
	if (bits < 0x0400 && float(scale) < peak / 127) bits++; // subnormal, and too small
	float size = half2float(bits);
	device uchar *p = cache + (row * (a.width / 32) + d / 32) * 34;
	if (lane == 0) *(device ushort *)p = bits;
	p[2 + lane] = size > 0 ? uchar(char(max(-127.0f, min(rint(v * (1 / size)), 127.0f)))) : 0;
}

// rope is a threadgroup a token and head: queries, then keys and their values.
kernel void rope(constant Rope &a [[buffer(0)]], device const int *params [[buffer(1)]], device float *q [[buffer(2)]],
	device float *k [[buffer(3)]], device const float *v [[buffer(4)]], device uchar *keys [[buffer(5)]],
	device uchar *values [[buffer(6)]], device const ulong *freqs [[buffer(7)]], PLACE(GIVEN)) {
	SHARED float key[256];
	int t = group.y, pos = params[POS] + t, head = int(group.x) - a.heads; // of keys
	device float *x = head >= 0 ? k + head * a.dim : q + int(group.x) * a.dim;
	x += ulong(t) * a.stride;
	for (int i = tid; i < (a.dim + 1) / 2; i += 64) {
		float u = x[2 * i], w = 2 * i + 1 < a.dim ? x[2 * i + 1] : 0;
		if (i < a.pairs) {
			float c, s;
			turn(ulong(pos + params[SHIFT]) * freqs[i], c, s);
			float turned = u * c - w * s;
			w = w * c + u * s;
			u = turned;
			x[2 * i] = u;
			x[2 * i + 1] = w;
		}
		key[2 * i] = u;
		key[2 * i + 1] = w;
	}
	if (head < 0) return;
	sync();
	v += ulong(t) * a.stride + head * a.dim;
	ulong row = ulong(head) * a.positions + pos;
	for (int d = simd * 32; d < a.width; d += 64) {
		bool there = d + int(lane) < a.dim;
		store(keys, row, d, there ? key[d + lane] : 0, a, lane);
		store(values, row, d, there ? v[d + lane] : 0, a, lane);
	}
}
