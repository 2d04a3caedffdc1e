// Tiles of bfloat16 for wgmma.cu: 128 rows by 64 columns, 16384 bytes, 16-byte part
// p of row r at p^(r%8). A row of tiles lies along the columns, once for each part
// that a value is the sum of; float32 takes three, float16 two. Columns are a
// multiple of 8, zeros fill the last tile.
#include "gemm_levels.h"

enum { TILE_BYTES = 16384 };

DEVICE u8 *tileRow(u64 tiles, int row, int part, int parts, int steps, int k) {
	return (u8 *)tiles + (((u64)(row / 128) * parts + part) * steps + k) * TILE_BYTES + row % 128 * 128;
}
DEVICE void putPart(u8 *row, int r, int part, const u32 *v) { *(Quad *)(row + ((part ^ r) & 7) * 16) = Quad{v[0], v[1], v[2], v[3]}; }

struct Expand {
	u64 w[4]; // matrices of one type whose rows follow each other; or gate and up, 8 rows by 8
	u64 out;
	i32 ends[4]; // of each matrix's rows
	i32 cols, first, gate; // first of the rows
};

template <class Type> DEVICE const u8 *sourceRow(const Expand &a, int d) {
	int m, r;
	if (a.gate) {
		m = d / 8 % 2, r = least(d / 16 * 8 + d % 8, a.ends[0] - 1);
	} else {
		r = least(d, a.ends[3] - 1);
		m = (r >= a.ends[0]) + (r >= a.ends[1]) + (r >= a.ends[2]);
		r -= m == 0 ? 0 : m == 1 ? a.ends[0] : m == 2 ? a.ends[1] : a.ends[2];
	}
	return (const u8 *)(m == 0 ? a.w[0] : m == 1 ? a.w[1] : m == 2 ? a.w[2] : a.w[3]) + (u64)r * Type::rowBytes(a.cols);
}

// expand unpacks 16 rows of 512 columns, a warp two of them, a thread half of a
// tile's row. Through shared memory they become whole lines: a line is a tile's
// row, its part p at p^(line%8) there.
template <class Type> DEVICE void expand(const Expand &a) {
	SHARED static Quad lines[8][16][8];
	int lane = thread() % 32, warp = thread() / 32, line = lane / 2, h = lane % 2, steps = a.cols / 64;
	int row = blockX() * 16 + warp * 2, r = row + line / 8, k = blockY() * 8 + line % 8;
	if (k < steps) {
		typename Type::Raw raw;
		Type::load(raw, sourceRow<Type>(a, a.first + r), k, h);
		u32 v[16];
		Type::unpack(raw, v, k, h);
		UNROLL for (int i = 0; i < 4; i++) {
			int part = Type::mixed ? i / 2 * 4 + h * 2 + i % 2 : h * 4 + i;
			lines[warp][line][(part ^ r ^ line) & 7] = Quad{v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]};
		}
	}
	syncWarp();
	UNROLL for (int i = 0; i < 4; i++) {
		int line = i * 4 + lane / 8, part = lane % 8, k = blockY() * 8 + line % 8;
		if (k < steps) *(Quad *)(tileRow(a.out, row + line / 8, 0, 1, steps, k) + part * 16) = lines[warp][line][(part ^ line) & 7];
	}
}

struct FloatF32 {
	enum { parts = 3 };
	DEVICE int rowBytes(int cols) { return cols * 4; }
	DEVICE void load(float (&v)[8], const u8 *row, int i) {
		Quad a = quad(row + i * 4), b = quad(row + i * 4 + 16);
		const u32 w[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
		UNROLL for (int j = 0; j < 8; j++) v[j] = bits(w[j]);
	}
};
struct FloatF16 {
	enum { parts = 2 };
	DEVICE int rowBytes(int cols) { return cols * 2; }
	DEVICE void load(float (&v)[8], const u8 *row, int i) {
		Quad a = quad(row + i * 2);
		const u32 w[4] = {a.x, a.y, a.z, a.w};
		UNROLL for (int j = 0; j < 8; j++) v[j] = f16((u16)(w[j / 2] >> (j % 2 * 16)));
	}
};
struct FloatBF16 {
	enum { parts = 1 };
	DEVICE int rowBytes(int cols) { return cols * 2; }
	DEVICE void load(float (&v)[8], const u8 *row, int i) {
		Quad a = quad(row + i * 2);
		const u32 w[4] = {a.x, a.y, a.z, a.w};
		UNROLL for (int j = 0; j < 8; j++) v[j] = bf16((u16)(w[j / 2] >> (j % 2 * 16)));
	}
};

// putParts writes 8 values of a row as sums of so many bfloat16, of which each
// takes the rest that those before it leave.
DEVICE void putParts(u64 tiles, int row, int parts, int cols, int i, float (&v)[8]) {
	for (int p = 0; p < parts; p++) {
		u32 w[4];
		UNROLL for (int j = 0; j < 4; j++) {
			w[j] = pairBrain(v[2 * j], v[2 * j + 1]);
			v[2 * j] -= bf16((u16)w[j]);
			v[2 * j + 1] -= bf16((u16)(w[j] >> 16));
		}
		putPart(tileRow(tiles, row, p, parts, (cols + 63) / 64, i / 64), row, i / 8, w);
	}
}

// expandFloat is expand for types that need no unpacking, a thread 8 values.
template <class Type> DEVICE void expandFloat(const Expand &a) {
	int row = blockX() * 16 + thread() / 16;
	const u8 *from = sourceRow<Type>(a, a.first + row);
	UNROLL for (int g = 0; g < 4; g++) {
		int i = blockY() * 512 + g * 128 + thread() % 16 * 8;
		if (i >= (a.cols + 63) / 64 * 64) return;
		float v[8] = {};
		if (i < a.cols) Type::load(v, from, i);
		putParts(a.out, row, Type::parts, a.cols, i, v);
	}
}

#define EXPAND(TYPE, STRUCT) KERNEL BLOCK(256) expand_##TYPE(Expand a) { expand<STRUCT>(a); }
EXPAND(q8_0, TileQ8)
EXPAND(q4_0, TileQ4)
EXPAND(q4_k, TileQ4K)
EXPAND(q5_k, TileQ5K)
EXPAND(q6_k, TileQ6K)
EXPAND(q5_1, TileLevels<Q51>)
EXPAND(q5_0, TileLevels<Q50>)
EXPAND(q4_1, TileLevels<Q41>)
EXPAND(iq4_nl, TileLevels<IQ4NL>)
EXPAND(iq4_xs, TileLevels<IQ4XS>)
EXPAND(mxfp4, TileLevels<FP4>)
EXPAND(q3_k, TileLevels<Q3K>)
EXPAND(q2_k, TileLevels<Q2K>)
KERNEL BLOCK(256) expand_f32(Expand a) { expandFloat<FloatF32>(a); }
KERNEL BLOCK(256) expand_f16(Expand a) { expandFloat<FloatF16>(a); }
KERNEL BLOCK(256) expand_bf16(Expand a) { expandFloat<FloatBF16>(a); }

struct Spread {
	u64 x, weight; // float32; weight 0: not normalized
	u64 out;
	i32 cols, xStride, parts, aligned; // aligned 1: x lies at addresses of 16
	float eps;
};

DEVICE void eight(float (&v)[8], const float *x, bool aligned) {
	if (aligned) {
		Four a = *(const Four *)x, b = *(const Four *)(x + 4);
		v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
		return;
	}
	UNROLL for (int j = 0; j < 8; j++) v[j] = x[j];
}

// spread normalizes a token's channels and writes them as tiles; a block a token.
KERNEL BLOCK(256) spread(Spread a) {
	SHARED static float shared[32];
	int t = blockX();
	const float *x = (const float *)a.x + (u64)t * a.xStride, *w = (const float *)a.weight;
	float scale = 1, v[8], n[8];
	if (w) {
		float s = 0;
		for (int i = thread() * 8; i < a.cols; i += 2048) {
			eight(v, x + i, a.aligned);
			UNROLL for (int j = 0; j < 8; j++) s = fma(v[j], v[j], s);
		}
		s = sumBlock(s, shared);
		scale = 1 / __builtin_sqrtf(s / (float)a.cols + a.eps);
	}
	for (int i = thread() * 8; i < (a.cols + 63) / 64 * 64; i += 2048) {
		UNROLL for (int j = 0; j < 8; j++) v[j] = 0;
		if (i < a.cols) eight(v, x + i, a.aligned);
		if (w && i < a.cols) {
			eight(n, w + i, true);
			UNROLL for (int j = 0; j < 8; j++) v[j] = v[j] * scale * n[j];
		}
		putParts(a.out, t, a.parts, a.cols, i, v);
	}
}
