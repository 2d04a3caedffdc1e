#include "q4_k.h"

// Q5K has a fifth bit: bit s of a byte for 32 columns is of sub-block s.
struct Q5K : K {
	FN int rowBytes(int cols) { return cols / 256 * 176; }
	// join puts bit n of the bytes of high to the nibbles.
	FN uint join(uint nibbles, uint high, int n) { return (nibbles & 0x0f0f0f0f) | (high >> n & 0x01010101) << 4; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		device const uchar *p = row + (s * 2 + lane / 16) * 176;
		int j = lane % 16 / 4;
		header(w.scale, w.shift, p, 2 * j);
		uint2 high = *(device const uint2 *)(p + 16 + lane % 4 * 8), q = *(device const uint2 *)(p + 48 + j * 32 + lane % 4 * 8);
		bytesOf(w.v, join(q.x, high.x, 2 * j)), bytesOf(w.v + 4, join(q.y, high.y, 2 * j));
		bytesOf(w.v + 8, join(q.x >> 4, high.x, 2 * j + 1)), bytesOf(w.v + 12, join(q.y >> 4, high.y, 2 * j + 1));
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		device const uchar *p = row + k / 8 * 176;
		int i = k % 8;
		float scale[2], shift[2];
		header(scale, shift, p, i & ~1);
		uint4 high = *(device const uint4 *)(p + 16 + h * 16), q = *(device const uint4 *)(p + 48 + i / 2 * 32 + h * 16);
		uint n = i % 2 * 4;
		bytesOf(v, join(q.x >> n, high.x, i)), bytesOf(v + 4, join(q.y >> n, high.y, i));
		bytesOf(v + 8, join(q.z >> n, high.z, i)), bytesOf(v + 12, join(q.w >> n, high.w, i));
		UNROLL for (int c = 0; c < 16; c++) v[c] = fma(v[c], scale[i % 2], shift[i % 2]);
	}
};
