// Quantized weights, and activations of int8 with a scale for 32.
#pragma once
#include "matvec.h"

// Q8's blocks of 34 bytes lie at any even address, rows of a multiple of 256
// values at multiples of 16. A lane takes 16 bytes a step, whatever blocks they
// are part of: activations lie like the weights, 34 bytes a block, with zeros
// where those have their scales, so that every word belongs to one block.
struct Q8 {
	static const int bytes = 1, rows = 1, ahead = 4;
	struct Weights {
		Quad q;
		float d0, d1; // scales of the block the 16 bytes begin in, and the next
		int split;    // words of the first
	};
	struct Input {
		Quad q;
		float d0, d1;
	};
	DEVICE int rowBytes(int cols) { return cols / 32 * 34; }
	DEVICE int steps(int cols) { return (rowBytes(cols) + 511) / 512; }
	DEVICE bool inside(int s, int lane, int cols) { return s * 512 + lane * 16 < rowBytes(cols); }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		int at = s * 512 + lane * 16, b = at / 34, words = ((b + 1) * 34 - at + 3) / 4;
		v.q = quad(row + at);
		v.split = words;
		v.d0 = f16(half(row + b * 34));
		v.d1 = words < 4 ? f16(half(row + b * 34 + 34)) : 0;
	}
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		int at = s * 512 + lane * 16, b = at / 34, words = ((b + 1) * 34 - at + 3) / 4;
		in.q = fresh(x.x + at);
		in.d0 = pair(x.scales + b).x;
		in.d1 = words < 4 ? pair(x.scales + b + 1).x : 0;
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		int a = dp4a(v.q.x, x.q.x, 0), b = dp4a(v.q.y, x.q.y, 0), c = dp4a(v.q.z, x.q.z, 0), d = dp4a(v.q.w, x.q.w, 0);
		int all = a + b + c + d;
		int one = a + (v.split > 1 ? b : 0) + (v.split > 2 ? c : 0) + (v.split > 3 ? d : 0);
		acc = fma((float)one * v.d0, x.d0, acc);
		return fma((float)(all - one) * v.d1, x.d1, acc);
	}
};

// Q4K and Q5K take 16 bytes of nibbles: half of two sub-blocks of 32, eight
// lanes a block of 256. The minimums meet the sums of activations once.
struct KInput {
	Quad low, high;
	Pair d0, d1;
};

struct K {
	static const int bytes = 1, rows = 1;
	typedef KInput Input;
	DEVICE int steps(int cols) { return (cols + 1023) / 1024; }
	DEVICE bool inside(int s, int lane, int cols) { return s * 1024 + lane / 8 * 256 < cols; }
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		int b = s * 4 + lane / 8, j = lane % 8 / 2, h = lane % 2;
		const u8 *p = x.x + b * 256 + j * 64 + h * 16;
		const Pair *d = x.scales + b * 8 + j * 2;
		in = Input{fresh(p), fresh(p + 32), pair(d), pair(d + 1)};
	}
	// scales gives {scale, minimum} of sub-blocks 2j and 2j+1; the minimum is
	// left to the lane of the first half.
	DEVICE void scales(Quad head, int lane, Pair &s0, Pair &s1) {
		int j = lane % 8 / 2;
		u32 a, b, c, d;
		scaleMin(head.y, head.z, head.w, 2 * j, a, b);
		scaleMin(head.y, head.z, head.w, 2 * j + 1, c, d);
		float scale = f16((u16)head.x), min = lane % 2 ? 0 : -f16((u16)(head.x >> 16));
		s0 = Pair{scale * (float)a, min * (float)b};
		s1 = Pair{scale * (float)c, min * (float)d};
	}
	DEVICE float join(int low, int high, Pair s0, Pair s1, const Input &x, float acc) {
		acc = fma((float)low * s0.x, x.d0.x, acc);
		acc = fma((float)high * s1.x, x.d1.x, acc);
		acc = fma(s0.y, x.d0.y, acc);
		return fma(s1.y, x.d1.y, acc);
	}
};

struct Q4K : K {
	static const int ahead = 4;
	struct Weights { Quad head, q; };
	DEVICE int rowBytes(int cols) { return cols / 256 * 144; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		const u8 *p = row + (s * 4 + lane / 8) * 144;
		v = Weights{quad(p), quad(p + 16 + lane % 8 * 16)};
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		const u32 m = 0x0f0f0f0f;
		Pair s0, s1;
		scales(v.head, thread() % 32, s0, s1);
		int low = dp4a(v.q.x & m, x.low.x, dp4a(v.q.y & m, x.low.y, dp4a(v.q.z & m, x.low.z, dp4a(v.q.w & m, x.low.w, 0))));
		int high = dp4a(v.q.x >> 4 & m, x.high.x, dp4a(v.q.y >> 4 & m, x.high.y, dp4a(v.q.z >> 4 & m, x.high.z, dp4a(v.q.w >> 4 & m, x.high.w, 0))));
		return join(low, high, s0, s1, x, acc);
	}
};

struct Q5K : K {
	static const int ahead = 2;
	struct Weights { Quad head, q, h; };
	DEVICE int rowBytes(int cols) { return cols / 256 * 176; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		const u8 *p = row + (s * 4 + lane / 8) * 176;
		v = Weights{quad(p), quad(p + 48 + lane % 8 * 16), quad(p + 16 + lane % 2 * 16)};
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		Pair s0, s1;
		int lane = thread() % 32, shift = lane % 8 / 2 * 2;
		scales(v.head, lane, s0, s1);
		int low = 0, high = 0;
		step(v.q.x, v.h.x >> shift, x.low.x, x.high.x, low, high);
		step(v.q.y, v.h.y >> shift, x.low.y, x.high.y, low, high);
		step(v.q.z, v.h.z >> shift, x.low.z, x.high.z, low, high);
		step(v.q.w, v.h.w >> shift, x.low.w, x.high.w, low, high);
		return join(low, high, s0, s1, x, acc);
	}
	DEVICE void step(u32 q, u32 h, u32 x, u32 y, int &low, int &high) {
		low = dp4a((q & 0x0f0f0f0f) | (h << 4 & 0x10101010), x, low);
		high = dp4a((q >> 4 & 0x0f0f0f0f) | (h << 3 & 0x10101010), y, high);
	}
};

// Q6K: one block of 256 a step, eight values a lane: a word of low bits, whose
// nibbles are 64 values apart. Blocks lie at even addresses.
struct Q6K {
	static const int bytes = 1, rows = 1, ahead = 4;
	struct Weights {
		u32 q, h;
		float s0, s1;
	};
	struct Input {
		u32 low, high;
		float d0, d1;
	};
	DEVICE int rowBytes(int cols) { return cols / 256 * 210; }
	DEVICE int steps(int cols) { return cols / 256; }
	DEVICE bool inside(int s, int, int cols) { return s * 256 < cols; }
	DEVICE u32 halves(const u8 *p) { return half(p) | half(p + 2) << 16; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		const u8 *p = row + s * 210;
		int n = lane / 16, part = lane % 16 / 8, l = lane % 8 * 4;
		v.q = halves(p + n * 64 + part * 32 + l);
		v.h = halves(p + 128 + n * 32 + l) >> (2 * part);
		int g = n * 8 + part * 2 + l / 16;
		u32 s0 = half(p + 192 + g / 2 * 2), s1 = half(p + 196 + g / 2 * 2);
		float d = f16((u16)half(p + 208));
		v.s0 = d * (float)(i8)(s0 >> g % 2 * 8);
		v.s1 = d * (float)(i8)(s1 >> g % 2 * 8);
	}
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		int n = lane / 16, part = lane % 16 / 8, l = lane % 8 * 4, at = n * 128 + part * 32;
		const u32 *p = (const u32 *)(x.x + s * 256 + at + l);
		const Pair *d = x.scales + s * 8 + at / 32;
		in = Input{p[0], p[16], pair(d).x, pair(d + 2).x};
	}
	// signed6 takes 32 from each byte.
	DEVICE u32 signed6(u32 q) { return ((q | 0x80808080) - 0x20202020) ^ 0x80808080; }
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		int low = dp4a(signed6((v.q & 0x0f0f0f0f) | (v.h << 4 & 0x30303030)), x.low, 0);
		int high = dp4a(signed6((v.q >> 4 & 0x0f0f0f0f) | (v.h & 0x30303030)), x.high, 0);
		acc = fma((float)low * v.s0, x.d0, acc);
		return fma((float)high * v.s1, x.d1, acc);
	}
};

// Q4: eight blocks a step, four lanes a block, a word of nibbles 16 values apart.
struct Q4 {
	static const int bytes = 1, rows = 1, ahead = 4;
	struct Weights {
		u32 q;
		float d;
	};
	struct Input {
		u32 low, high;
		float d;
	};
	DEVICE int rowBytes(int cols) { return cols / 32 * 18; }
	DEVICE int steps(int cols) { return (cols + 255) / 256; }
	DEVICE bool inside(int s, int lane, int cols) { return s * 256 + lane / 4 * 32 < cols; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		const u8 *p = row + (s * 8 + lane / 4) * 18;
		v = Weights{Q6K::halves(p + 2 + lane % 4 * 4), f16((u16)half(p))};
	}
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		int b = s * 8 + lane / 4;
		const u32 *p = (const u32 *)(x.x + b * 32 + lane % 4 * 4);
		in = Input{p[0], p[4], pair(x.scales + b).x};
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		const u32 m = 0x0f0f0f0f, less8 = 0xf8f8f8f8;
		int n = dp4a(less8, x.low, dp4a(less8, x.high, dp4a(v.q & m, x.low, dp4a(v.q >> 4 & m, x.high, 0))));
		return fma((float)n * v.d, x.d, acc);
	}
};
