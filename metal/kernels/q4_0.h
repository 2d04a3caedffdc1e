#include "product.h"

// Q4: a lane takes half a block's bytes, whose nibbles are 16 values apart.
struct Q4 : Scaled {
	FN int rowBytes(int cols) { return cols / 32 * 18; }
	FN int column(int s, int lane, int i) { return s * 512 + lane / 2 * 32 + lane % 2 * 8 + i / 2 * 16 + i % 2 * 4; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		device const uchar *p = row + (s * 16 + lane / 2) * 18;
		UNROLL for (int i = 0; i < 2; i++) {
			uint q = wordAt(p + 2 + lane % 2 * 8 + 4 * i);
			bytesOf(w.v + 4 * i, q & 0x0f0f0f0f);
			bytesOf(w.v + 8 + 4 * i, q >> 4 & 0x0f0f0f0f);
		}
		float d = halfAt(p);
		w.scale[0] = w.scale[1] = d;
		w.shift[0] = w.shift[1] = -8 * d;
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		device const uchar *p = row + k * 18;
		float d = halfAt(p);
		UNROLL for (int i = 0; i < 4; i++) bytesOf(v + 4 * i, wordAt(p + 2 + 4 * i) >> (4 * h) & 0x0f0f0f0f);
		UNROLL for (int i = 0; i < 16; i++) v[i] = (v[i] - 8) * d;
	}
};
