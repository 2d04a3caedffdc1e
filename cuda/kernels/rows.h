// Products of quantized rows with 1 to 16 tokens on tensor cores, int8 by int8.
//
// A block takes 16 rows of each of its matrices; its warps take every so many
// steps of 256 columns and are added in their order at the end. A warp's steps
// come through shared memory, two on their way; those of the weights set out
// before the launch before this one has ended.
//
// Sums of integers are exact. Scaled, they are added in one order whatever the
// number of tokens: sub-blocks of 32 columns in four sums, every fourth in each.
// Token slots beyond the pass's tokens are multiplied and thrown away.
#pragma once
#include "matvec.h"
#include "tensor.h"

enum { STEP = 256, SUBS = STEP / 32, TALL = 16, STAGES = 2 };

DEVICE void copyAhead(u32 to, const void *from) {
	asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
DEVICE void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> DEVICE void arrived() {
	asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
	asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
}

// mmaInt multiplies 16 rows by 8 tokens over 32 columns: a has words of rows
// lane/4 and lane/4+8 in turn.
DEVICE void mmaInt(i32 (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
		: "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "r"(0));
}
DEVICE void mmaInt16(i32 (&c)[4], u32 a0, u32 a1, u32 b0) {
	asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%7,%7,%7};"
		: "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3]) : "r"(a0), "r"(a1), "r"(b0), "r"(0));
}

DEVICE u32 load32(const u8 *p) { return *(const u32 *)p; }
DEVICE u32 load16(const u8 *p) { return *(const u16 *)p; }

// loose32 is the word at an even address.
DEVICE u32 loose32(const u8 *p) { return load16(p) | load16(p + 2) << 16; }

// A type gives: size, the bytes of 256 columns; pitch, of a row of a stage;
// chunks, of 16 bytes that are copied; and of a row of a stage
//   words   what lane%4 = t multiplies of the sub-blocks 4q to 4q+3: a word of
//           each half, or of wide types the neighbouring words 2t and 2t+1
//   factor  of a sub-block: scale and minimum
//   finish  which adds a sub-block's integers, scaled.

struct Factor {
	float scale, min;
	i32 s0, s1; // of halves of a sub-block
};

struct RowsQ8 {
	static const int size = 272, pitch = 272, chunks = 17;
	static const bool wide = true, halves = false;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int i = 0; i < 4; i++) {
			const u8 *p = row + (4 * q + i) * 34 + 2 + 8 * t;
			if (i % 2) {
				v[i][0] = load32(p), v[i][1] = load32(p + 4);
			} else { // in the middle of words
				u32 a = load32(p - 2), b = load32(p + 2), c = load32(p + 6);
				asm("prmt.b32 %0, %1, %2, 0x5432;" : "=r"(v[i][0]) : "r"(a), "r"(b));
				asm("prmt.b32 %0, %1, %2, 0x5432;" : "=r"(v[i][1]) : "r"(b), "r"(c));
			}
		}
	}
	DEVICE Factor factor(const u8 *row, int, int s) { return Factor{f16((u16)load16(row + s * 34)), 0, 0, 0}; }
	DEVICE float finish(i32 n, i32, const Factor &f, Pair x, float acc) { return fma((float)n * f.scale, x.x, acc); }
};

struct RowsQ4 {
	static const int size = 144, pitch = 144, chunks = 9;
	static const bool wide = false, halves = false;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int i = 0; i < 4; i++) {
			const u8 *p = row + (4 * q + i) * 18 + 2 + 4 * t;
			u32 w = i % 2 ? load32(p) : loose32(p);
			v[i][0] = (w << 4 & 0xf0f0f0f0) ^ 0x80808080; // 16 times the value
			v[i][1] = (w & 0xf0f0f0f0) ^ 0x80808080;
		}
	}
	DEVICE Factor factor(const u8 *row, int, int s) { return Factor{f16((u16)load16(row + s * 18)) * (1.0f / 16), 0, 0, 0}; }
	DEVICE float finish(i32 n, i32, const Factor &f, Pair x, float acc) { return fma((float)n * f.scale, x.x, acc); }
};

struct RowsK {
	static const bool wide = true, halves = false;
	DEVICE Factor factor(const u8 *row, int q, int s) {
		Quad head = *(const Quad *)row;
		u32 scale, min;
		int shift = s % 4 * 8;
		if (q == 0) {
			scale = head.y >> shift & 63;
			min = head.z >> shift & 63;
		} else {
			scale = (head.w >> shift & 15) | (head.y >> (shift + 2) & 0x30);
			min = (head.w >> (shift + 4) & 15) | (head.z >> (shift + 2) & 0x30);
		}
		return Factor{f16((u16)head.x) * (float)scale, -f16((u16)(head.x >> 16)) * (float)min, 0, 0};
	}
	DEVICE float finish(i32 n, i32, const Factor &f, Pair x, float acc) {
		return fma(f.min, x.y, fma((float)n * f.scale, x.x, acc));
	}
};

struct RowsQ4K : RowsK {
	static const int size = 144, pitch = 160, chunks = 9;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int j = 0; j < 2; j++) {
			u64 w = *(const u64 *)(row + 16 + (2 * q + j) * 32 + 8 * t);
			UNROLL for (int k = 0; k < 2; k++) {
				u32 n = (u32)(w >> 32 * k);
				v[2 * j][k] = n & 0x0f0f0f0f;
				v[2 * j + 1][k] = n >> 4 & 0x0f0f0f0f;
			}
		}
	}
};

struct RowsQ5K : RowsK {
	static const int size = 176, pitch = 176, chunks = 11;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		u64 high = *(const u64 *)(row + 16 + 8 * t);
		UNROLL for (int j = 0; j < 2; j++) {
			u64 w = *(const u64 *)(row + 48 + (2 * q + j) * 32 + 8 * t);
			UNROLL for (int k = 0; k < 2; k++) {
				u32 n = (u32)(w >> 32 * k), h = (u32)(high >> 32 * k) >> 4 * q;
				v[2 * j][k] = (n & 0x0f0f0f0f) | (h << (4 - 2 * j) & 0x10101010);
				v[2 * j + 1][k] = (n >> 4 & 0x0f0f0f0f) | (h << (3 - 2 * j) & 0x10101010);
			}
		}
	}
};

// Q6_K's blocks lie at even addresses: what is copied begins at the multiple of
// 16 before.
struct RowsQ6K {
	static const int size = 210, pitch = 240, chunks = 14;
	static const bool wide = false, halves = true;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int h = 0; h < 2; h++) {
			const u8 *p = row + q * 64 + 16 * h + 4 * t;
			u32 a = loose32(p), b = loose32(p + 32), high = loose32(row + 128 + q * 32 + 16 * h + 4 * t) ^ 0xaaaaaaaa;
			v[0][h] = (a << 2 & 0x3c3c3c3c) | (high << 6 & 0xc0c0c0c0); // 4 times the value
			v[1][h] = (b << 2 & 0x3c3c3c3c) | (high << 4 & 0xc0c0c0c0);
			v[2][h] = (a >> 2 & 0x3c3c3c3c) | (high << 2 & 0xc0c0c0c0);
			v[3][h] = (b >> 2 & 0x3c3c3c3c) | (high & 0xc0c0c0c0);
		}
	}
	DEVICE Factor factor(const u8 *row, int, int s) {
		u32 both = load16(row + 192 + 2 * s);
		return Factor{f16((u16)load16(row + 208)) * 0.25f, 0, (i8)both, (i8)(both >> 8)};
	}
	DEVICE float finish(i32 n0, i32 n1, const Factor &f, Pair x, float acc) {
		return fma((float)(n0 * f.s0 + n1 * f.s1) * f.scale, x.x, acc);
	}
};

// M matrices, N token slots (1, 8, 16) and W warps.
template <class Type, int M, int N, int W> struct Rows {
	static const int weights = TALL * Type::pitch, stage = M * weights + N * (STEP + SUBS * 8);
	static const int B = N > 8 ? 2 : 1, S = N > 1 ? 8 : 1; // groups of token slots, of so many slots
	// A lane's sums: of its rows lane/4 and lane/4+8 and tokens lane%4*2 and the
	// next, in fours by sub-block; of one token, by sub-block lane%4 of four.
	static const int sums = N > 1 ? 4 : 1, values = N > 1 ? 4 : 2;
	typedef float Sums[M][B][sums][values];

	DEVICE u32 skew(const u8 *p) { return Type::size % 16 ? (u32)(u64)p & 15 : 0; }

	// copyWeights sets a step's weights on their way: two lanes a row.
	DEVICE void copyWeights(u32 to, const u8 *const *w, int step) {
		int lane = thread() % 32, row = lane / 2, h = lane % 2;
		UNROLL for (int m = 0; m < M; m++) {
			const u8 *p = w[m] + (u64)step * Type::size;
			p -= skew(p);
			UNROLL for (int c = 0; c < (Type::chunks + 1) / 2; c++)
				if (2 * c + h < Type::chunks) copyAhead(to + m * weights + row * Type::pitch + (2 * c + h) * 16, p + (2 * c + h) * 16);
		}
	}
	// copyInput does the same of the activations and their scales.
	DEVICE void copyInput(u32 to, const MatVec &a, int step) {
		const int lane = thread() % 32, chunks = S * STEP / 16, scales = S * SUBS * 8 / 16, blocks = a.cols / 32;
		to += M * weights;
		UNROLL for (int g = 0; g < B; g++) {
			const u8 *x = (const u8 *)a.x + ((u64)g * blocks + step * SUBS) * S * 32, *d = (const u8 *)a.scales + ((u64)g * blocks + step * SUBS) * S * 8;
			UNROLL for (int c = 0; c < (chunks + 31) / 32; c++)
				if (c * 32 + lane < chunks) copyAhead(to + g * S * STEP + (c * 32 + lane) * 16, x + (c * 32 + lane) * 16);
			if (lane < scales) copyAhead(to + N * STEP + g * S * SUBS * 8 + lane * 16, d + lane * 16);
		}
	}

	// product adds a stage's products to a lane's sums.
	DEVICE void product(const u8 *stage, const u32 (&skews)[M][2], Sums &acc) {
		const int lane = thread() % 32, g = lane / 4, t = lane % 4;
		const u8 *x = stage + M * weights, *scales = x + N * STEP;
		UNROLL for (int q = 0; q < 2; q++) {
			u32 b[B][4][2];
			UNROLL for (int n = 0; n < B; n++) UNROLL for (int i = 0; i < 4; i++) {
				const u8 *p = x + n * S * STEP + ((4 * q + i) * S + (S > 1 ? g : 0)) * 32;
				if (Type::wide) {
					u64 w = *(const u64 *)(p + 8 * t);
					b[n][i][0] = (u32)w, b[n][i][1] = (u32)(w >> 32);
				} else {
					b[n][i][0] = load32(p + 4 * t), b[n][i][1] = load32(p + 16 + 4 * t);
				}
			}
			UNROLL for (int m = 0; m < M; m++) {
				const u8 *r0 = stage + m * weights + g * Type::pitch + skews[m][0], *r1 = stage + m * weights + (g + 8) * Type::pitch + skews[m][1];
				u32 u[4][2], v[4][2];
				Type::words(u, r0, q, t);
				Type::words(v, r1, q, t);
				if (N == 1) {
					// All lanes of a row have its sums: each takes one sub-block's.
					i32 n0[2], n1[2];
					UNROLL for (int i = 0; i < 4; i++) {
						i32 c[4], d[4];
						multiply(c, d, u[i], v[i], b[0][i]);
						if (i == 0 || t == i) n0[0] = c[0], n0[1] = c[2], n1[0] = d[0], n1[1] = d[2];
					}
					Pair p = *(const Pair *)(scales + (4 * q + t) * 8);
					acc[m][0][0][0] = Type::finish(n0[0], n1[0], Type::factor(r0, q, 4 * q + t), p, acc[m][0][0][0]);
					acc[m][0][0][1] = Type::finish(n0[1], n1[1], Type::factor(r1, q, 4 * q + t), p, acc[m][0][0][1]);
					continue;
				}
				UNROLL for (int i = 0; i < 4; i++) {
					Factor f0 = Type::factor(r0, q, 4 * q + i), f1 = Type::factor(r1, q, 4 * q + i);
					UNROLL for (int n = 0; n < B; n++) {
						i32 c[4], d[4];
						multiply(c, d, u[i], v[i], b[n][i]);
						Four p = *(const Four *)(scales + n * S * SUBS * 8 + ((4 * q + i) * S + 2 * t) * 8);
						float *s = acc[m][n][i % sums];
						s[0] = Type::finish(c[0], d[0], f0, Pair{p.x, p.y}, s[0]);
						s[1 % values] = Type::finish(c[1], d[1], f0, Pair{p.z, p.w}, s[1 % values]);
						s[2 % values] = Type::finish(c[2], d[2], f1, Pair{p.x, p.y}, s[2 % values]);
						s[3 % values] = Type::finish(c[3], d[3], f1, Pair{p.z, p.w}, s[3 % values]);
					}
				}
			}
		}
	}
	DEVICE void multiply(i32 (&c)[4], i32 (&d)[4], const u32 (&u)[2], const u32 (&v)[2], const u32 (&b)[2]) {
		if (Type::halves) {
			mmaInt16(c, u[0], v[0], b[0]);
			mmaInt16(d, u[1], v[1], b[1]);
		} else {
			mmaInt(c, u[0], v[0], u[1], v[1], b[0], b[1]);
			d[0] = d[1] = d[2] = d[3] = 0;
		}
	}

	// run leaves out[w][m][n][r] in shared memory: warp w's sum of row r of matrix
	// m and token n. w are the matrices' first rows of the tile, of rows rows.
	DEVICE float *run(const MatVec &a, u8 *shared, const u8 *const *w, int rows) {
		const int lane = thread() % 32, warp = thread() / 32, steps = a.cols / STEP, mine = (steps - warp + W - 1) / W;
		u8 *mem = shared + warp * STAGES * stage;
		u32 at = shared32(mem);
		const u64 rowBytes = (u64)steps * Type::size;
		const u8 *from[M], *row[M][2]; // of the row a lane copies, of those it multiplies
		UNROLL for (int m = 0; m < M; m++) {
			from[m] = w[m] + least(lane / 2, rows - 1) * rowBytes;
			UNROLL for (int h = 0; h < 2; h++) row[m][h] = w[m] + least(lane / 4 + 8 * h, rows - 1) * rowBytes;
		}
		UNROLL for (int i = 0; i < STAGES; i++) if (i < mine) copyWeights(at + i * stage, from, warp + i * W);
		commit();
		await();
		UNROLL for (int i = 0; i < STAGES; i++) if (i < mine) copyInput(at + i * stage, a, warp + i * W);
		commit();
		Sums acc;
		UNROLL for (int m = 0; m < M; m++) UNROLL for (int n = 0; n < B; n++) UNROLL for (int s = 0; s < sums; s++)
			UNROLL for (int v = 0; v < values; v++) acc[m][n][s][v] = 0;
		for (int i = 0; i < mine; i++) {
			int step = warp + i * W, s = i % STAGES;
			if (i) arrived<STAGES - 1>();
			else arrived<0>();
			u32 skews[M][2];
			UNROLL for (int m = 0; m < M; m++) UNROLL for (int h = 0; h < 2; h++) skews[m][h] = skew(row[m][h] + (u64)step * Type::size);
			product(mem + s * stage, skews, acc);
			asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
			if (i + STAGES < mine) {
				copyWeights(at + s * stage, from, step + STAGES * W);
				copyInput(at + s * stage, a, step + STAGES * W);
			}
			commit();
		}
		arrived<0>();
		sync();
		float *out = (float *)shared, *mineOut = out + warp * M * N * TALL;
		int g = lane / 4, t = lane % 4;
		UNROLL for (int m = 0; m < M; m++) UNROLL for (int n = 0; n < B; n++) UNROLL for (int v = 0; v < values; v++) {
			float *s = &acc[m][n][0][v], total;
			if (N == 1) {
				total = sum<4>(*s);
				if (t == 0) mineOut[m * TALL + g + 8 * v] = total;
			} else {
				total = (s[0] + s[values % (sums * values)]) + (s[2 * values % (sums * values)] + s[3 * values % (sums * values)]);
				mineOut[(m * N + n * 8 + 2 * t + v % 2) * TALL + g + v / 2 * 8] = total;
			}
		}
		sync();
		return out;
	}

	// total adds the warps' sums of matrix m, token n, row r.
	DEVICE float total(const float *out, int m, int n, int r) {
		float v = 0;
		UNROLL for (int w = 0; w < W; w++) v += out[((w * M + m) * N + n) * TALL + r];
		return v;
	}
};

#define TILED extern __attribute__((shared)) __attribute__((aligned(16))) u8 tiles[]

// rows is Out = W·x (+ Add): a block a tile, tiles of several matrices after
// each other.
template <class Type, int N, int W> DEVICE void rows(const MatVec &a, u8 *shared) {
	overlap();
	int m = 0, tile = blockX(), begin = 0, end = a.ends[0], n = liveTokens<N>(a, 0);
	while (tile >= (end - begin + TALL - 1) / TALL) {
		tile -= (end - begin + TALL - 1) / TALL;
		begin = end;
		m++;
		end = m == 1 ? a.ends[1] : m == 2 ? a.ends[2] : a.ends[3];
	}
	if (n <= 0) return await();
	int first = tile * TALL, rows = least(TALL, end - begin - first);
	const u8 *w = (const u8 *)(m == 0 ? a.w[0] : m == 1 ? a.w[1] : m == 2 ? a.w[2] : a.w[3]) + (u64)first * (a.cols / STEP) * Type::size;
	float *out = Rows<Type, 1, N, W>::run(a, shared, &w, rows);
	for (int i = thread(); i < TALL * n; i += W * 32) {
		int r = i % TALL, t = i / TALL, to = begin + first + r;
		if (r >= rows) continue;
		float v = Rows<Type, 1, N, W>::total(out, 0, t, r);
		if (a.add) v = ((const float *)a.add)[(u64)t * a.addStride + to] + v;
		((float *)a.out)[(u64)t * a.outStride + to] = v;
	}
}

// rowsgate is Out = silu(Gate·x) * (Up·x).
template <class Type, int N, int W> DEVICE void rowsgate(const MatVec &a, u8 *shared) {
	overlap();
	int first = blockX() * TALL, rows = least(TALL, a.ends[0] - first);
	u64 at = (u64)first * (a.cols / STEP) * Type::size;
	const u8 *w[2] = {(const u8 *)a.w[0] + at, (const u8 *)a.w[1] + at};
	float *out = Rows<Type, 2, N, W>::run(a, shared, w, rows);
	for (int i = thread(); i < TALL * least(N, a.tokens); i += W * 32) {
		int r = i % TALL, t = i / TALL;
		if (r >= rows) continue;
		float gate = Rows<Type, 2, N, W>::total(out, 0, t, r), up = Rows<Type, 2, N, W>::total(out, 1, t, r);
		((float *)a.out)[(u64)t * a.outStride + first + r] = silu(gate) * up;
	}
}

enum { SLICES = 8, GATES = 4 };

#define SIZES_OF(TYPE, STRUCT, N)                                                                                     \
	KERNEL BLOCK(SLICES * 32) rows_##TYPE##_##N(MatVec a) { TILED; rows<STRUCT, N, SLICES>(a, tiles); }                 \
	KERNEL BLOCK(GATES * 32) rowsgate_##TYPE##_##N(MatVec a) { TILED; rowsgate<STRUCT, N, GATES>(a, tiles); }

#ifdef FEW
#define PRODUCTS(TYPE, STRUCT) SIZES_OF(TYPE, STRUCT, 8) SIZES_OF(TYPE, STRUCT, 16)
#else
#define PRODUCTS(TYPE, STRUCT) SIZES_OF(TYPE, STRUCT, 1)
#endif
