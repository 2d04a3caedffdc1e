#include "product.h"

// K is the part that Q4_K and Q5_K share: two blocks of 256 a step, a lane takes eight
// bytes of nibbles, which are 32 values, a sub-block, apart.
struct K : Scaled {
	FN int column(int s, int lane, int i) { return s * 512 + lane / 16 * 256 + lane % 16 / 4 * 64 + lane % 4 * 8 + i / 2 * 32 + i % 2 * 4; }
	// header gives scales and minimums of sub-blocks i and i+1.
	FN void header(thread float *scale, thread float *shift, device const uchar *block, int i) {
		uint4 head = *(device const uint4 *)block;
		float d = half2float(ushort(head.x)), least = -half2float(ushort(head.x >> 16));
		UNROLL for (int h = 0; h < 2; h++) {
			scaleMin(head.y, head.z, head.w, i + h, scale[h], shift[h]);
			scale[h] *= d, shift[h] *= least;
		}
	}
};

struct Q4K : K {
	FN int rowBytes(int cols) { return cols / 256 * 144; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int) {
		device const uchar *p = row + (s * 2 + lane / 16) * 144;
		int j = lane % 16 / 4;
		header(w.scale, w.shift, p, 2 * j);
		uint2 q = *(device const uint2 *)(p + 16 + j * 32 + lane % 4 * 8);
		bytesOf(w.v, q.x & 0x0f0f0f0f), bytesOf(w.v + 4, q.y & 0x0f0f0f0f);
		bytesOf(w.v + 8, q.x >> 4 & 0x0f0f0f0f), bytesOf(w.v + 12, q.y >> 4 & 0x0f0f0f0f);
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int) {
		device const uchar *p = row + k / 8 * 144;
		int i = k % 8;
		float scale[2], shift[2];
		header(scale, shift, p, i & ~1);
		uint4 q = *(device const uint4 *)(p + 16 + i / 2 * 32 + h * 16);
		uint n = i % 2 * 4, m = 0x0f0f0f0f;
		bytesOf(v, q.x >> n & m), bytesOf(v + 4, q.y >> n & m), bytesOf(v + 8, q.z >> n & m), bytesOf(v + 12, q.w >> n & m);
		UNROLL for (int c = 0; c < 16; c++) v[c] = fma(v[c], scale[i % 2], shift[i % 2]);
	}
};
