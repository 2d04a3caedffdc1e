// Every type of weights element by element: the slow way that defines the others.
#pragma once
#include "common.h"

// Types of weights, numbered as in GGUF.
enum {
	F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14,
	IQ4_NL = 20, IQ4_XS = 23, BF16 = 30, MXFP4 = 39
};

DEVICE int rowBytes(int type, int cols) {
	switch (type) {
	case F32: return cols * 4;
	case F16: case BF16: return cols * 2;
	case Q8_0: return cols / 32 * 34;
	case Q4_0: case IQ4_NL: return cols / 32 * 18;
	case Q4_1: return cols / 32 * 20;
	case Q5_0: return cols / 32 * 22;
	case Q5_1: return cols / 32 * 24;
	case MXFP4: return cols / 32 * 17;
	case Q2_K: return cols / 256 * 84;
	case Q3_K: return cols / 256 * 110;
	case IQ4_XS: return cols / 256 * 136;
	case Q4_K: return cols / 256 * 144;
	case Q5_K: return cols / 256 * 176;
	case Q6_K: return cols / 256 * 210;
	}
	trap();
	return 0;
}

DEVICE float halfAt(const u8 *p) { return f16(*(const u16 *)p); }

// nibbleAt is value i of the 32 of which 16 bytes hold the first half in their low
// nibbles and the other in the high ones; bitAt is bit i.
DEVICE int nibbleAt(const u8 *p, int i) { return p[i % 16] >> (i / 16 * 4) & 15; }
DEVICE int bitAt(const u8 *p, int i) { return p[i / 8] >> (i % 8) & 1; }

// level4 is the level of a code of IQ4_NL and IQ4_XS, levelMX of MXFP4, powerMX
// its scale.
DEVICE float level4(int q) {
	u32 w = q & 8 ? (q & 4 ? 0x71594535 : 0x26190d01) : (q & 4 ? 0xf6eaddcf : 0xbfad9881);
	return (float)(i8)(w >> (q & 3) * 8);
}
DEVICE float levelMX(int q) {
	float v = (float)((q & 4 ? 0x0c080604 : 0x03020100) >> (q & 3) * 8 & 255);
	return q & 8 ? 0 - v : v;
}
DEVICE float powerMX(u32 e) { return bits(e < 2 ? 0x00200000u << e : (e - 1) << 23); }

// weight is element i of a row of any type.
DEVICE float weight(int type, const u8 *row, int i) {
	switch (type) {
	case F32: return ((const float *)row)[i];
	case F16: return f16(((const u16 *)row)[i]);
	case BF16: return bf16(((const u16 *)row)[i]);
	case Q8_0: {
		const u8 *b = row + i / 32 * 34;
		return halfAt(b) * (float)(i8)b[2 + i % 32];
	}
	case Q4_0: {
		const u8 *b = row + i / 32 * 18;
		return halfAt(b) * (float)(nibbleAt(b + 2, i % 32) - 8);
	}
	case Q4_1: {
		const u8 *b = row + i / 32 * 20;
		return halfAt(b) * (float)nibbleAt(b + 4, i % 32) + halfAt(b + 2);
	}
	case Q5_0: {
		const u8 *b = row + i / 32 * 22;
		return halfAt(b) * (float)((nibbleAt(b + 6, i % 32) | bitAt(b + 2, i % 32) << 4) - 16);
	}
	case Q5_1: {
		const u8 *b = row + i / 32 * 24;
		return halfAt(b) * (float)(nibbleAt(b + 8, i % 32) | bitAt(b + 4, i % 32) << 4) + halfAt(b + 2);
	}
	case IQ4_NL: {
		const u8 *b = row + i / 32 * 18;
		return halfAt(b) * level4(nibbleAt(b + 2, i % 32));
	}
	case MXFP4: {
		const u8 *b = row + i / 32 * 17;
		return powerMX(b[0]) * levelMX(nibbleAt(b + 1, i % 32));
	}
	case IQ4_XS: {
		const u8 *b = row + i / 256 * 136;
		int g = i % 256 / 32, scale = (b[4 + g / 2] >> (g % 2 * 4) & 15) | (b[2 + g / 4] >> (g % 4 * 2) & 3) << 4;
		return halfAt(b) * (float)(scale - 32) * level4(nibbleAt(b + 8 + 16 * g, i % 32));
	}
	case Q2_K: {
		const u8 *b = row + i / 256 * 84;
		int k = i % 256, q = b[16 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
		return halfAt(b + 80) * (float)(b[k / 16] & 15) * (float)q - halfAt(b + 82) * (float)(b[k / 16] >> 4);
	}
	case Q3_K: {
		const u8 *b = row + i / 256 * 110;
		int k = i % 256, g = k / 16;
		int q = (b[32 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3) | (b[k % 32] >> (k / 32) & 1) << 2;
		int scale = (b[96 + g % 8] >> (g / 8 * 4) & 15) | (b[104 + g % 4] >> (g / 4 * 2) & 3) << 4;
		return halfAt(b + 108) * (float)(scale - 32) * (float)(q - 4);
	}
	case Q4_K: case Q5_K: {
		const u8 *b = row + i / 256 * (type == Q4_K ? 144 : 176);
		int k = i % 256, s = k / 32, l = k % 32;
		u32 scale, min;
		scaleMin(word(b + 4), word(b + 8), word(b + 12), s, scale, min);
		int q = b[(type == Q4_K ? 16 : 48) + s / 2 * 32 + l] >> (s % 2 * 4) & 15;
		if (type == Q5_K) q |= (b[16 + l] >> s & 1) << 4;
		return halfAt(b) * (float)scale * (float)q - halfAt(b + 2) * (float)min;
	}
	case Q6_K: {
		const u8 *b = row + i / 256 * 210;
		int k = i % 256, n = k / 128, p = k % 128 / 32, l = k % 32;
		int q = (b[n * 64 + p % 2 * 32 + l] >> (p / 2 * 4) & 15) | (b[128 + n * 32 + l] >> (p * 2) & 3) << 4;
		return halfAt(b + 208) * (float)(i8)b[192 + k / 16] * (float)(q - 32);
	}
	}
	trap();
	return 0;
}
