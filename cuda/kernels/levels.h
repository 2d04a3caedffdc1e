// Types of which a decoder gives eight neighbouring values at a time: levels that
// are signed bytes, and one scale and one shift for them. A row's blocks lie at even
// addresses, of MXFP4 at any.
#pragma once
#include "types.h"

struct Eight {
	u32 a, b; // levels of the first four and of the last
	float scale, shift;
};

DEVICE u32 even32(const u8 *p) { return half(p) | half(p + 2) << 16; }

// less takes n from each byte, which is at most 127.
DEVICE u32 less(u32 q, u32 n) { return ((q | 0x80808080) - n * 0x01010101) ^ 0x80808080; }

// nibbles gives values from at on of the 32 that 16 bytes hold.
DEVICE u32 nibbles(u32 w, int at) { return w >> (at / 16 * 4) & 0x0f0f0f0f; }

// fives puts a bit of h above each of four nibbles.
DEVICE u32 fives(u32 q, u32 h) { return q | ((h & 15) * 0x00204081 & 0x01010101) << 4; }

// choose replaces each of four codes by its byte of a table of 16.
DEVICE u32 choose(u32 q, u32 t0, u32 t1, u32 t2, u32 t3) {
	u32 x = q & 0x07070707, high = (q >> 3 & 0x01010101) * 255;
	x = (x | x >> 4) & 0x00ff00ff;
	x |= x >> 8;
	return (permute(t0, t1, x) & ~high) | (permute(t2, t3, x) & high);
}
DEVICE u32 levels4(u32 q) { return choose(q, 0xbfad9881, 0xf6eaddcf, 0x26190d01, 0x71594535); }

// Blocks of 32.
struct Q41 {
	static const int block = 32, bytes = 20;
	static const bool shifted = true;
	DEVICE Eight eight(const u8 *b, int at) {
		const u8 *q = b + 4 + at % 16;
		return Eight{nibbles(even32(q), at), nibbles(even32(q + 4), at), f16((u16)half(b)), f16((u16)half(b + 2))};
	}
};

struct Q50 {
	static const int block = 32, bytes = 22;
	static const bool shifted = false;
	DEVICE Eight eight(const u8 *b, int at) {
		const u8 *q = b + 6 + at % 16;
		u32 h = b[2 + at / 8];
		return Eight{less(fives(nibbles(even32(q), at), h), 16), less(fives(nibbles(even32(q + 4), at), h >> 4), 16), f16((u16)half(b)), 0};
	}
};

struct Q51 {
	static const int block = 32, bytes = 24;
	static const bool shifted = true;
	DEVICE Eight eight(const u8 *b, int at) {
		const u8 *q = b + 8 + at % 16;
		u32 h = b[4 + at / 8];
		return Eight{fives(nibbles(even32(q), at), h), fives(nibbles(even32(q + 4), at), h >> 4), f16((u16)half(b)), f16((u16)half(b + 2))};
	}
};

struct IQ4NL {
	static const int block = 32, bytes = 18;
	static const bool shifted = false;
	DEVICE Eight eight(const u8 *b, int at) {
		const u8 *q = b + 2 + at % 16;
		return Eight{levels4(nibbles(even32(q), at)), levels4(nibbles(even32(q + 4), at)), f16((u16)half(b)), 0};
	}
};

struct FP4 {
	static const int block = 32, bytes = 17;
	static const bool shifted = false;
	DEVICE u32 levels(u32 q) { return choose(q, 0x03020100, 0x0c080604, 0xfdfeff00, 0xf4f8fafc); }
	DEVICE Eight eight(const u8 *b, int at) {
		const u8 *q = b + 1 + at % 16;
		return Eight{levels(nibbles(word(q), at)), levels(nibbles(word(q + 4), at)), powerMX(b[0]), 0};
	}
};

// Blocks of 256.
struct IQ4XS {
	static const int block = 256, bytes = 136;
	static const bool shifted = false;
	DEVICE Eight eight(const u8 *b, int at) {
		int g = at / 32, n = (b[4 + g / 2] >> (g % 2 * 4) & 15) | (b[2 + g / 4] >> (g % 4 * 2) & 3) << 4;
		const u8 *q = b + 8 + 16 * g + at % 16;
		return Eight{levels4(nibbles(even32(q), at % 32)), levels4(nibbles(even32(q + 4), at % 32)), f16((u16)half(b)) * (float)(n - 32), 0};
	}
};

// pairs are two bits of each of four bytes, as Q2_K and Q3_K have them.
DEVICE u32 pairs(const u8 *p, int at) { return even32(p + at / 128 * 32 + at % 32) >> (at % 128 / 32 * 2) & 0x03030303; }

struct Q2K {
	static const int block = 256, bytes = 84;
	static const bool shifted = true;
	DEVICE Eight eight(const u8 *b, int at) {
		u32 n = b[at / 16];
		return Eight{pairs(b + 16, at), pairs(b + 16, at + 4), f16((u16)half(b + 80)) * (float)(n & 15), -f16((u16)half(b + 82)) * (float)(n >> 4)};
	}
};

struct Q3K {
	static const int block = 256, bytes = 110;
	static const bool shifted = false;
	DEVICE u32 four(const u8 *b, int at) { return less(pairs(b + 32, at) | (even32(b + at % 32) >> (at / 32) & 0x01010101) << 2, 4); }
	DEVICE Eight eight(const u8 *b, int at) {
		int g = at / 16, n = (b[96 + g % 8] >> (g / 8 * 4) & 15) | (b[104 + g % 4] >> (g / 4 * 2) & 3) << 4;
		return Eight{four(b, at), four(b, at + 4), f16((u16)half(b + 108)) * (float)(n - 32), 0};
	}
};
