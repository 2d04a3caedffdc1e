// Weights of float32, float16 and bfloat16, columns a multiple of 4 for a few
// tokens, any for many.
#include "product.h"

struct Floats : Plain {
	FN int column(int s, int lane, int i) { return s * 512 + i * 128 + lane * 4; }
};

struct Float32 : Floats {
	FN int rowBytes(int cols) { return cols * 4; }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int cols) {
		UNROLL for (int i = 0; i < 4; i++) {
			int c = column(s, lane, i);
			float4 v = float4(0);
			if (c < cols) v = *(device const float4 *)(row + c * 4);
			w.v[i * 4] = v.x, w.v[i * 4 + 1] = v.y, w.v[i * 4 + 2] = v.z, w.v[i * 4 + 3] = v.w;
		}
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int cols) {
		UNROLL for (int i = 0; i < 16; i++) {
			int c = k * 32 + h * 16 + i;
			v[i] = c < cols ? ((device const float *)row)[c] : 0;
		}
	}
};

template <bool brain> struct Float16 : Floats {
	FN int rowBytes(int cols) { return cols * 2; }
	FN float value(ushort h) { return brain ? brain2float(h) : half2float(h); }
	FN void load(thread Weights &w, device const uchar *row, int s, int lane, int cols) {
		UNROLL for (int i = 0; i < 4; i++) {
			int c = column(s, lane, i);
			ushort4 v = ushort4(0);
			if (c < cols) v = *(device const ushort4 *)(row + c * 2);
			w.v[i * 4] = value(v.x), w.v[i * 4 + 1] = value(v.y), w.v[i * 4 + 2] = value(v.z), w.v[i * 4 + 3] = value(v.w);
		}
	}
	FN void tile(thread float *v, device const uchar *row, int k, int h, int cols) {
		UNROLL for (int i = 0; i < 16; i++) {
			int c = k * 32 + h * 16 + i;
			v[i] = c < cols ? value(((device const ushort *)row)[c]) : 0;
		}
	}
};
