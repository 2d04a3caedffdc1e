#include "product.h"

// Q6K: two blocks of 256 a step, a lane takes eight bytes of low bits, whose
// nibbles are 64 values apart. Blocks lie at even addresses.
struct Q6K : Scaled {
	FN int rowBytes(int cols) { return cols / 256 * 210; }
	FN int column(int s, int lane, int i) {
		return s * 512 + lane / 16 * 256 + lane % 16 / 8 * 128 + lane % 8 * 8 + i / 2 * 64 + i % 2 * 4;
	}
	// join puts bits n and n+1 of the bytes of high to the nibbles.
	FN uint join(uint nibbles, uint high, int n) { return (nibbles & 0x0f0f0f0f) | (high >> n & 0x03030303) << 4; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		device const uchar *p = row + (s * 2 + lane / 16) * 210;
		int n = lane % 16 / 8, part = lane % 8 / 4, l = lane % 4 * 8;
		UNROLL for (int i = 0; i < 2; i++) {
			uint q = wordAt(p + n * 64 + part * 32 + l + 4 * i), high = wordAt(p + 128 + n * 32 + l + 4 * i);
			bytesOf(w.v + 4 * i, join(q, high, 2 * part));
			bytesOf(w.v + 8 + 4 * i, join(q >> 4, high, 2 * part + 4));
		}
		float d = halfAt(p + 208);
		UNROLL for (int h = 0; h < 2; h++) {
			w.scale[h] = d * float(char(p[192 + n * 8 + part * 2 + h * 4 + l / 16]));
			w.shift[h] = -32 * w.scale[h];
		}
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		device const uchar *p = row + k / 8 * 210;
		int n = k % 8 / 4, part = k % 4;
		float d = halfAt(p + 208) * float(char(p[192 + n * 8 + part * 2 + h]));
		UNROLL for (int i = 0; i < 4; i++) {
			uint q = wordAt(p + n * 64 + part % 2 * 32 + h * 16 + 4 * i) >> (part / 2 * 4);
			bytesOf(v + 4 * i, join(q, wordAt(p + 128 + n * 32 + h * 16 + 4 * i), 2 * part));
		}
		UNROLL for (int i = 0; i < 16; i++) v[i] = (v[i] - 32) * d;
	}
};
