// Rotation of queries and keys, and the store of keys and values; attend.h says
// how a cache lies.
#include "types.h"

struct Rope {
	int stride; // of q, k and v, one value's
	int heads, kvHeads, dim, pairs, width, positions;
	int kind; // of the cache: F32, F16 or Q8_0
	int halves; // 1: pairs are the channels i and pairs+i
	int window; // not 0: the cache is a ring of the text's positions
};

// share is x/n as a float32 and the rest that it leaves, of x and its rest; part and
// partRest are 1/n.
FN float share(float x, float rest, float part, float partRest, thread float &left) {
	float v = x * part;
	left = fma(x, part, -v) + (x * partRest + rest * part);
	return v;
}

// turn gives cosine and sine of a fraction of a turn, in 2^-64: the nearest
// quarter is taken off exactly, a series does the rest. Angle and first terms
// have two parts, the lesser of which are added last: all but one in a thousand
// results are the nearest float32, as keys kept as int8 would round the other
// way for less.
FN void turn(ulong angle, thread float &cosine, thread float &sine) {
	int quarter = int((angle + (1ul << 61)) >> 62);
	long rest = long(angle - (ulong(quarter) << 62));
	const float ulp = 1.0f / 18446744073709551616.0f;
	float high = float(rest), e, r = share(high * ulp, float(rest - long(high)) * ulp, 6.28318548f, -1.74845553e-7f, e);
	float q = r * r, d = fma(r, r, -q) + 2 * r * e; // r² is q+d
	float cube = r * q, third, t = share(cube, fma(r, q, -cube) + (r * d + q * e), 1.0f / 6, -4.96705e-9f, third);
	float s = r - t;
	s = s + (((r - s) - t) + (e - third) + cube * q * fma(fma(fma(-1.0f / 39916800, q, 1.0f / 362880), q, -1.0f / 5040), q, 1.0f / 120));
	float fourth, u = share(q * q, fma(q, q, -(q * q)) + 2 * q * d, 1.0f / 24, -1.24176e-9f, fourth);
	float most = 1 - q / 2, c = most + u;
	float tail = q * q * q * fma(fma(fma(1.0f / 479001600, q, -1.0f / 3628800), q, 1.0f / 40320), q, -1.0f / 720);
	c = c + (((most - c) + u) + ((1 - most) - q / 2) + (fourth - d / 2) + tail);
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
	int t = group.y, pos = params[POS] + t, position = pos + params[SHIFT], head = int(group.x) - a.heads; // of keys
	device float *x = head >= 0 ? k + head * a.dim : q + int(group.x) * a.dim;
	x += ulong(t) * a.stride;
	for (int i = tid; i < (a.dim + 1) / 2; i += 64) {
		bool far = a.halves && i < a.pairs;
		int low = far ? i : 2 * i, high = far ? a.pairs + i : 2 * i + 1;
		float u = x[low], w = high < a.dim ? x[high] : 0;
		if (i < a.pairs) {
			float c, s;
			turn(ulong(position) * freqs[i], c, s);
			float turned = u * c - w * s;
			w = w * c + u * s;
			u = turned;
			x[low] = u;
			x[high] = w;
		}
		key[low] = u;
		key[high] = w;
	}
	if (head < 0) return;
	sync();
	v += ulong(t) * a.stride + head * a.dim;
	ulong row = ulong(head) * a.positions + (a.window ? position % a.positions : pos);
	for (int d = simd * 32; d < a.width; d += 64) {
		bool there = d + int(lane) < a.dim;
		store(keys, row, d, there ? key[d + lane] : 0, a, lane);
		store(values, row, d, there ? v[d + lane] : 0, a, lane);
	}
}
