// The arguments of products, and how a lane of a simdgroup reads a row.
//
// A step is 512 columns, of which a lane takes four times four that lie together:
// column() says where each four begins. A type gives Weights, a lane's part of a
// step in registers; load; tile, half of 32 columns for products of many tokens;
// and, by its base, dot with one token's part.
#include "types.h"

struct MatVec {
	int ends[4]; // of each matrix's rows
	int cols, xStride, outStride, addStride;
	int tokens;      // of the pass
	int head;        // rows are logits, as many as the parameters say: 1 x begins with them, 2 x is the whole pass's
	int add;         // 1: there is a residual
	int kind, kind2; // of the matrices, read by the slow kernels only
	int normed;      // 1: x is normalized first
	float eps;
};

// Where a product's memory is bound.
#define PRODUCT(AS)                                                                                                     \
	constant MatVec &a AS(buffer(0)), device const int *params AS(buffer(1)), device const uchar *w0 AS(buffer(2)), \
		device const uchar *w1 AS(buffer(3)), device const uchar *w2 AS(buffer(4)),                                 \
		device const uchar *w3 AS(buffer(5)), device const float *x AS(buffer(6)),                                  \
		device const float *norm AS(buffer(7)), device const float *add AS(buffer(8)),                              \
		device float *out AS(buffer(9)), PLACE(AS)

// rowsOf is how many tokens a product has, after moving x to the first.
FN int rowsOf(constant MatVec &a, device const int *params, device const float *thread &x) {
	if (!a.head) return a.tokens;
	int n = params[LOGITS];
	if (a.head == 2) x += ulong(a.tokens - n) * a.xStride;
	return n;
}

// rowAt is where row r lies, of matrices whose rows follow each other.
FN device const uchar *rowAt(constant MatVec &a, int r, int bytes, device const uchar *w0, device const uchar *w1, device const uchar *w2, device const uchar *w3) {
	if (r < a.ends[0]) return w0 + ulong(r) * bytes;
	if (r < a.ends[1]) return w1 + ulong(r - a.ends[0]) * bytes;
	if (r < a.ends[2]) return w2 + ulong(r - a.ends[1]) * bytes;
	return w3 + ulong(r - a.ends[2]) * bytes;
}

// A product's norm is RMSNorm, W·(x * weight / sqrt(mean(x²) + eps)): every
// simdgroup multiplies x by the weight and adds up its squares as it reads it,
// and the sums of products by rootOf the squares' sum.
FN float rootOf(constant MatVec &a, float squares) { return 1 / sqrt(squares / float(a.cols) + a.eps); }

// Input is a lane's part of a token: x at its columns, and the sums of halves.
struct Input {
	float x[16], sums[2];
};

// fetch reads a lane's part of a token, or of a norm's weight.
template <class Type> FN void fetch(thread float (&v)[16], device const float *x, int s, int lane, int cols) {
	UNROLL for (int i = 0; i < 4; i++) {
		int c = Type::column(s, lane, i);
		float4 q = float4(0);
		if (c < cols) q = *(device const float4 *)(x + c);
		v[i * 4] = q.x, v[i * 4 + 1] = q.y, v[i * 4 + 2] = q.z, v[i * 4 + 3] = q.w;
	}
}

FN void halves(thread Input &in) {
	UNROLL for (int h = 0; h < 2; h++) {
		in.sums[h] = in.x[8 * h];
		UNROLL for (int i = 1; i < 8; i++) in.sums[h] += in.x[8 * h + i];
	}
}

// Plain weights are the values themselves.
struct Plain {
	struct Weights { float v[16]; };
	FN void clear(thread Weights &w) {
		UNROLL for (int i = 0; i < 16; i++) w.v[i] = 0;
	}
	FN float dot(const thread Weights &w, const thread Input &in, float acc) {
		UNROLL for (int i = 0; i < 16; i++) acc = fma(w.v[i], in.x[i], acc);
		return acc;
	}
};

// Scaled weights are scale*v+shift, with one scale and shift for each half.
struct Scaled {
	struct Weights { float v[16], scale[2], shift[2]; };
	FN void clear(thread Weights &w) {
		UNROLL for (int i = 0; i < 16; i++) w.v[i] = 0;
		UNROLL for (int h = 0; h < 2; h++) w.scale[h] = w.shift[h] = 0;
	}
	FN float dot(const thread Weights &w, const thread Input &in, float acc) {
		UNROLL for (int h = 0; h < 2; h++) {
			float s = w.v[8 * h] * in.x[8 * h];
			UNROLL for (int i = 1; i < 8; i++) s = fma(w.v[8 * h + i], in.x[8 * h + i], s);
			acc = fma(s, w.scale[h], acc);
			acc = fma(in.sums[h], w.shift[h], acc);
		}
		return acc;
	}
};

// bytesOf gives a word's four bytes as floats.
FN void bytesOf(thread float *v, uint w) {
	UNROLL for (int i = 0; i < 4; i++) v[i] = float(w >> (8 * i) & 255);
}

// wordAt is four bytes at an even address.
FN uint wordAt(device const uchar *p) {
	device const ushort *h = (device const ushort *)p;
	return h[0] | uint(h[1]) << 16;
}
