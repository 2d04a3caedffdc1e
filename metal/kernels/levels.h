// Types of which a decoder gives eight neighbouring values at a time: levels, one
// scale and one shift for them. A lane takes 16 neighbours.
#include "product.h"

template <class Type> struct Levels : Scaled {
	FN int rowBytes(int cols) { return cols / Type::block * Type::bytes; }
	FN int column(int s, int lane, int i) { return s * 512 + lane * 16 + i * 4; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		int at = column(s, lane, 0);
		UNROLL for (int h = 0; h < 2; h++) Type::eight(w.v + 8 * h, w.scale[h], w.shift[h], row + at / Type::block * Type::bytes, at % Type::block + 8 * h);
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		int at = k * 32 + h * 16;
		UNROLL for (int g = 0; g < 2; g++) {
			float scale, shift;
			Type::eight(v + 8 * g, scale, shift, row + at / Type::block * Type::bytes, at % Type::block + 8 * g);
			UNROLL for (int i = 0; i < 8; i++) v[8 * g + i] = fma(v[8 * g + i], scale, shift);
		}
	}
};

// nibbles are the values from at on of the 32 that 16 bytes hold.
FN void nibbles(thread int *q, device const uchar *p, int at) {
	UNROLL for (int i = 0; i < 8; i++) q[i] = p[at % 16 + i] >> (at / 16 * 4) & 15;
}

// Blocks of 32. fives adds the fifth bits, those from at on of 4 bytes.
FN void fives(thread float *v, device const uchar *low, device const uchar *high, int at) {
	int q[8];
	nibbles(q, low, at);
	UNROLL for (int i = 0; i < 8; i++) v[i] = float(q[i] | (high[at / 8] >> i & 1) << 4);
}

struct Q41 {
	enum { block = 32, bytes = 20 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8];
		nibbles(q, b + 4, at);
		UNROLL for (int i = 0; i < 8; i++) v[i] = float(q[i]);
		scale = halfAt(b), shift = halfAt(b + 2);
	}
};

struct Q50 {
	enum { block = 32, bytes = 22 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		fives(v, b + 6, b + 2, at);
		scale = halfAt(b), shift = -16 * scale;
	}
};

struct Q51 {
	enum { block = 32, bytes = 24 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		fives(v, b + 8, b + 4, at);
		scale = halfAt(b), shift = halfAt(b + 2);
	}
};

struct IQ4NL {
	enum { block = 32, bytes = 18 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8];
		nibbles(q, b + 2, at);
		UNROLL for (int i = 0; i < 8; i++) v[i] = level4(q[i]);
		scale = halfAt(b), shift = 0;
	}
};

struct FP4 {
	enum { block = 32, bytes = 17 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8];
		nibbles(q, b + 1, at);
		UNROLL for (int i = 0; i < 8; i++) v[i] = levelMX(q[i]);
		scale = powerMX(b[0]), shift = 0;
	}
};

// Blocks of 256.
struct IQ4XS {
	enum { block = 256, bytes = 136 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8], g = at / 32, n = (b[4 + g / 2] >> (g % 2 * 4) & 15) | (b[2 + g / 4] >> (g % 4 * 2) & 3) << 4;
		nibbles(q, b + 8 + 16 * g, at % 32);
		UNROLL for (int i = 0; i < 8; i++) v[i] = level4(q[i]);
		scale = halfAt(b) * float(n - 32), shift = 0;
	}
};

// pairs are two bits of each of eight bytes, as Q2_K and Q3_K have them.
FN void pairs(thread int *q, device const uchar *p, int at) {
	UNROLL for (int i = 0; i < 8; i++) q[i] = p[at / 128 * 32 + at % 32 + i] >> (at % 128 / 32 * 2) & 3;
}

struct Q2K {
	enum { block = 256, bytes = 84 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8];
		pairs(q, b + 16, at);
		UNROLL for (int i = 0; i < 8; i++) v[i] = float(q[i]);
		scale = halfAt(b + 80) * float(b[at / 16] & 15), shift = -halfAt(b + 82) * float(b[at / 16] >> 4);
	}
};

struct Q3K {
	enum { block = 256, bytes = 110 };
	FN void eight(thread float *v, thread float &scale, thread float &shift, device const uchar *b, int at) {
		int q[8], g = at / 16, n = (b[96 + g % 8] >> (g / 8 * 4) & 15) | (b[104 + g % 4] >> (g / 4 * 2) & 3) << 4;
		pairs(q, b + 32, at);
		UNROLL for (int i = 0; i < 8; i++) v[i] = float(q[i] | (b[at % 32 + i] >> (at / 32) & 1) << 2);
		scale = halfAt(b + 108) * float(n - 32), shift = -4 * scale;
	}
};
