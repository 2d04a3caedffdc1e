#include "product.h"

// Q8: a lane takes half a block of 32, 16 neighbours; blocks lie at even addresses.
struct Q8 : Scaled {
	FN int rowBytes(int cols) { return cols / 32 * 34; }
	FN int column(int s, int lane, int i) { return s * 512 + lane * 16 + i * 4; }
	FN void signedBytes(thread float *v, uint w) {
		UNROLL for (int i = 0; i < 4; i++) v[i] = float(int(w << (24 - 8 * i)) >> 24);
	}
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		device const uchar *p = row + (s * 16 + lane / 2) * 34;
		UNROLL for (int i = 0; i < 4; i++) signedBytes(w.v + 4 * i, wordAt(p + 2 + lane % 2 * 16 + 4 * i));
		w.scale[0] = w.scale[1] = halfAt(p);
		w.shift[0] = w.shift[1] = 0;
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		device const uchar *p = row + k * 34;
		float d = halfAt(p);
		UNROLL for (int i = 0; i < 4; i++) signedBytes(v + 4 * i, wordAt(p + 2 + h * 16 + 4 * i));
		UNROLL for (int i = 0; i < 16; i++) v[i] *= d;
	}
};
