// Every weight type element by element: the slow way that defines the others.
#include "common.h"

// Types of weights, numbered as in GGUF.
enum {
	F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14,
	IQ4_NL = 20, IQ4_XS = 23, BF16 = 30, MXFP4 = 39
};

// scaleMin unpacks sub-block i's 6-bit scale and minimum of Q4_K and Q5_K from
// the header's last three words.
FN void scaleMin(uint a, uint b, uint c, int i, thread float &scale, thread float &least) {
	int s = i % 4 * 8;
	if (i < 4) {
		scale = float(a >> s & 63);
		least = float(b >> s & 63);
	} else {
		scale = float((c >> s & 15) | (a >> (s + 6) & 3) << 4);
		least = float((c >> (s + 4) & 15) | (b >> (s + 6) & 3) << 4);
	}
}

FN int rowBytes(int kind, int cols) {
	switch (kind) {
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
	return 0; // weight traps
}

// halfAt is a float16 at an even address.
FN float halfAt(device const uchar *p) { return half2float(*(device const ushort *)p); }

// nibbleAt is value i of the 32 of which 16 bytes hold the first half in their low
// nibbles and the other in the high ones; bitAt is bit i.
FN int nibbleAt(device const uchar *p, int i) { return p[i % 16] >> (i / 16 * 4) & 15; }
FN int bitAt(device const uchar *p, int i) { return p[i / 8] >> (i % 8) & 1; }

// level4 is the level of a code of IQ4_NL and IQ4_XS, levelMX of MXFP4, powerMX
// its scale.
FN float level4(int q) {
	uint w = q & 8 ? (q & 4 ? 0x71594535 : 0x26190d01) : (q & 4 ? 0xf6eaddcf : 0xbfad9881);
	return float(char(w >> (q & 3) * 8 & 255));
}
FN float levelMX(int q) {
	float v = float((q & 4 ? 0x0c080604 : 0x03020100) >> (q & 3) * 8 & 255);
	return q & 8 ? 0 - v : v;
}
FN float powerMX(uint e) { return as_type<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23); }

// weight is element i of a row.
FN float weight(int kind, device const uchar *row, int i) {
	switch (kind) {
	case F32: return ((device const float *)row)[i];
	case F16: return half2float(((device const ushort *)row)[i]);
	case BF16: return brain2float(((device const ushort *)row)[i]);
	case Q8_0: {
		device const uchar *b = row + i / 32 * 34;
		return halfAt(b) * float(char(b[2 + i % 32]));
	}
	case Q4_0: {
		device const uchar *b = row + i / 32 * 18;
		int q = b[2 + i % 16] >> (i % 32 / 16 * 4) & 15;
		return halfAt(b) * float(q - 8);
	}
	case Q4_1: {
		device const uchar *b = row + i / 32 * 20;
		return halfAt(b) * float(nibbleAt(b + 4, i % 32)) + halfAt(b + 2);
	}
	case Q5_0: {
		device const uchar *b = row + i / 32 * 22;
		return halfAt(b) * float((nibbleAt(b + 6, i % 32) | bitAt(b + 2, i % 32) << 4) - 16);
	}
	case Q5_1: {
		device const uchar *b = row + i / 32 * 24;
		return halfAt(b) * float(nibbleAt(b + 8, i % 32) | bitAt(b + 4, i % 32) << 4) + halfAt(b + 2);
	}
	case IQ4_NL: {
		device const uchar *b = row + i / 32 * 18;
		return halfAt(b) * level4(nibbleAt(b + 2, i % 32));
	}
	case MXFP4: {
		device const uchar *b = row + i / 32 * 17;
		return powerMX(b[0]) * levelMX(nibbleAt(b + 1, i % 32));
	}
	case IQ4_XS: {
		device const uchar *b = row + i / 256 * 136;
		int g = i % 256 / 32, scale = nibbleAt(b + 4, g / 2 + g % 2 * 16) | (b[2 + g / 4] >> (g % 4 * 2) & 3) << 4;
		return halfAt(b) * float(scale - 32) * level4(nibbleAt(b + 8 + 16 * g, i % 32));
	}
	case Q2_K: {
		device const uchar *b = row + i / 256 * 84;
		int k = i % 256, q = b[16 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
		return halfAt(b + 80) * float(b[k / 16] & 15) * float(q) - halfAt(b + 82) * float(b[k / 16] >> 4);
	}
	case Q3_K: {
		device const uchar *b = row + i / 256 * 110;
		int k = i % 256, g = k / 16;
		int q = (b[32 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3) | (b[k % 32] >> (k / 32) & 1) << 2;
		int scale = (b[96 + g % 8] >> (g / 8 * 4) & 15) | (b[104 + g % 4] >> (g / 4 * 2) & 3) << 4;
		return halfAt(b + 108) * float(scale - 32) * float(q - 4);
	}
	case Q4_K: case Q5_K: {
		device const uchar *b = row + i / 256 * (kind == Q4_K ? 144 : 176);
		device const uint *head = (device const uint *)b;
		int k = i % 256, s = k / 32, l = k % 32;
		float scale, least;
		scaleMin(head[1], head[2], head[3], s, scale, least);
		int q = b[(kind == Q4_K ? 16 : 48) + s / 2 * 32 + l] >> (s % 2 * 4) & 15;
		if (kind == Q5_K) q |= (b[16 + l] >> s & 1) << 4;
		return halfAt(b) * scale * float(q) - halfAt(b + 2) * least;
	}
	case Q6_K: {
		device const uchar *b = row + i / 256 * 210;
		int k = i % 256, n = k / 128, p = k % 128 / 32, l = k % 32;
		int q = (b[n * 64 + p % 2 * 32 + l] >> (p / 2 * 4) & 15) | (b[128 + n * 32 + l] >> (p * 2) & 3) << 4;
		return halfAt(b + 208) * float(char(b[192 + k / 16])) * float(q - 32);
	}
	}
	return TRAP;
}
