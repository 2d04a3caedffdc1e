// Every weight type element by element: the slow way that defines the others.
#include "common.h"

// Types of weights, numbered as in GGUF.
enum { F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30 };

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
	case Q4_0: return cols / 32 * 18;
	case Q4_K: return cols / 256 * 144;
	case Q5_K: return cols / 256 * 176;
	default: return cols / 256 * 210;
	}
}

// halfAt is a float16 at an even address.
FN float halfAt(device const uchar *p) { return half2float(*(device const ushort *)p); }

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
	default: {
		device const uchar *b = row + i / 256 * 210;
		int k = i % 256, n = k / 128, p = k % 128 / 32, l = k % 32;
		int q = (b[n * 64 + p % 2 * 32 + l] >> (p / 2 * 4) & 15) | (b[128 + n * 32 + l] >> (p * 2) & 3) << 4;
		return halfAt(b + 208) * float(char(b[192 + k / 16])) * float(q - 32);
	}
	}
}
