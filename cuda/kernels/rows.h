// Products of quantized rows with 1 to 16 tokens on tensor cores, int8 by int8.
//
// A warp takes 16 rows of a matrix, or of two, and neighbouring steps of 256
// columns; the warps of the same rows are added in their order at the end. A
// warp's steps come through shared memory, two on their way; the first of the
// weights set out before the launch before this one has ended.
//
// From chips of 9.0 on (HOPPER) one copy brings a row's next steps, one or two,
// which are on their way or in use; other warps fill the wait. Copies of 16 bytes
// a lane ask for so many lines that they, not memory, are the limit, and what a
// launch waits for queues behind them.
//
// A norm needs no launch of its own: it scales a row's products by one number.
// What makes an activation multiplies it by the norm's weights, makes it int8,
// and leaves a sum of squares for each 32; products end with the scale.
//
// Sums of integers are exact. Scaled, they are added in one order whatever the
// number of tokens: a step's eight sub-blocks of 32 columns in four sums of two
// neighbours each. Token slots beyond the pass's tokens are multiplied and
// thrown away. A single token instead has each sub-block in one of the eight
// slots, so that a lane finds the integers of two sub-blocks, not of two tokens.
#pragma once
#include "matvec.h"
#include "tensor.h"

#ifndef HOPPER
#define HOPPER 0
#endif

enum { STEP = 256, SUBS = STEP / 32, TALL = 16, STAGES = 2, LONE = 288 }; // LONE: bytes of a row of a single step by HOPPER's copies

DEVICE void copyAhead(u32 to, const void *from) {
	asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

// mmaInt adds products of 16 rows with 8 columns of b over 32 columns: a has
// words of rows lane/4 and lane/4+8 in turn.
template <bool positive> DEVICE void mmaInt(i32 (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
	if (positive)
		asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
			: "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
	else
		asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
			: "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
DEVICE void mmaHalf16(i32 (&c)[4], u32 a0, u32 a1, u32 b0) {
	asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
		: "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]) : "r"(a0), "r"(a1), "r"(b0));
}

// copyRow sets bytes, a multiple of 16, on their way; a barrier that expects them
// counts the copies that have come.
DEVICE void copyRow(u32 to, const u8 *from, u32 bytes, u32 barrier) {
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(barrier) : "memory");
}
DEVICE void makeBarrier(u32 barrier) {
	asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n\tfence.mbarrier_init.release.cluster;" ::"r"(barrier) : "memory");
}
DEVICE void expect(u32 barrier, u32 bytes) {
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
DEVICE void waitFor(u32 barrier, u32 phase) {
	asm volatile("{\n\t.reg .pred p;\nwait_%=:\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n\t@!p bra wait_%=;\n\t}" ::"r"(barrier), "r"(phase) : "memory");
}

DEVICE u32 load32(const u8 *p) { return *(const u32 *)p; }
DEVICE u32 load16(const u8 *p) { return *(const u16 *)p; }

// loose32 is the word at an even address.
DEVICE u32 loose32(const u8 *p) { return load16(p) | load16(p + 2) << 16; }

// A type gives: size, the bytes of 256 columns; pitch, of a row of a step in
// shared memory, pair, of two steps by HOPPER's copies; chunks, of 16 bytes that are copied of a
// step; and of a row of a step
//   words   the part that lane%4 = t multiplies of the sub-blocks 4q to 4q+3: a word of
//           each half, or of wide types the neighbouring words 2t and 2t+1;
//           positive types' are bytes without a sign
//   factor  of sub-block s: scale and minimum; factors, of 2t and 2t+1
//   finish  which adds a sub-block's integers, scaled.

struct Factor {
	float scale, min;
	i32 s0, s1; // of halves of a sub-block
};

struct RowsPlain {
	static const bool halves = false, positive = false;
	DEVICE float finish(i32 n, i32, const Factor &f, Pair x, float acc) { return fma((float)n * f.scale, x.x, acc); }
};

struct RowsQ8 : RowsPlain {
	static const int size = 272, pitch = 272, pair = 544, chunks = 17;
	static const bool wide = true;
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
	DEVICE Factor factor(const u8 *row, int s) { return Factor{f16((u16)load16(row + s * 34)), 0, 0, 0}; }
	DEVICE void factors(Factor &a, Factor &b, const u8 *row, int t) { a = factor(row, 2 * t), b = factor(row, 2 * t + 1); }
};

struct RowsQ4 : RowsPlain {
	static const int size = 144, pitch = 144, pair = 288, chunks = 9;
	static const bool wide = false;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int i = 0; i < 4; i++) {
			const u8 *p = row + (4 * q + i) * 18 + 2 + 4 * t;
			u32 w = i % 2 ? load32(p) : loose32(p);
			v[i][0] = (w << 4 & 0xf0f0f0f0) ^ 0x80808080; // 16 times the value
			v[i][1] = (w & 0xf0f0f0f0) ^ 0x80808080;
		}
	}
	DEVICE Factor factor(const u8 *row, int s) { return Factor{f16((u16)load16(row + s * 18)) * (1.0f / 16), 0, 0, 0}; }
	DEVICE void factors(Factor &a, Factor &b, const u8 *row, int t) { a = factor(row, 2 * t), b = factor(row, 2 * t + 1); }
};

// highs is the divisor of the factors of odd sub-blocks.
template <int highs> struct RowsK {
	static const bool wide = true, halves = false, positive = true;
	// two gives sub-blocks 2t and 2t+1, whose scales and minimums are the bytes of s and m.
	DEVICE void two(Factor &a, Factor &b, u32 head, u32 s, u32 m) {
		float d = f16((u16)head), least = -f16((u16)(head >> 16)), high = d * (1.0f / highs);
		a = Factor{d * (float)(s & 255), least * (float)(m & 255), 0, 0};
		b = Factor{high * (float)(s >> 8 & 255), least * (float)(m >> 8 & 255), 0, 0};
	}
	DEVICE void factors(Factor &a, Factor &b, const u8 *row, int t) {
		Quad h = *(const Quad *)row;
		int late = t / 2, shift = t % 2 * 16; // the last four's upper two bits lie with the first four's
		u32 s = (late ? h.w : h.y) >> shift, m = (late ? h.w : h.z) >> (shift + 4 * late);
		two(a, b, h.x, (s & 0x0f0f) | (h.y >> (shift + 2 * late) & 0x3030), (m & 0x0f0f) | (h.z >> (shift + 2 * late) & 0x3030));
	}
	DEVICE Factor factor(const u8 *row, int s) {
		Factor a, b;
		factors(a, b, row, s / 2);
		return s % 2 ? b : a;
	}
	DEVICE float finish(i32 n, i32, const Factor &f, Pair x, float acc) {
		return fma(f.min, x.y, fma((float)n * f.scale, x.x, acc));
	}
};

struct RowsQ4K : RowsK<16> {
	static const int size = 144, pitch = 160, pair = 288, chunks = 9;
	DEVICE void words(u32 (&v)[4][2], const u8 *row, int q, int t) {
		UNROLL for (int j = 0; j < 2; j++) {
			u64 w = *(const u64 *)(row + 16 + (2 * q + j) * 32 + 8 * t);
			UNROLL for (int k = 0; k < 2; k++) {
				u32 n = (u32)(w >> 32 * k);
				v[2 * j][k] = n & 0x0f0f0f0f;
				v[2 * j + 1][k] = n & 0xf0f0f0f0; // 16 times the value
			}
		}
	}
};

struct RowsQ5K : RowsK<1> {
	static const int size = 176, pitch = 176, pair = 352, chunks = 11;
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

// Q6_K's blocks lie at even addresses: a copy begins at the multiple of
// 16 before.
struct RowsQ6K {
	static const int size = 210, pitch = 240, pair = 464, chunks = 14;
	static const bool wide = false, halves = true, positive = false;
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
	DEVICE Factor factor(const u8 *row, int s) {
		u32 both = load16(row + 192 + 2 * s);
		return Factor{f16((u16)load16(row + 208)) * 0.25f, 0, (i8)both, (i8)(both >> 8)};
	}
	DEVICE void factors(Factor &a, Factor &b, const u8 *row, int t) { a = factor(row, 2 * t), b = factor(row, 2 * t + 1); }
	DEVICE float finish(i32 n0, i32 n1, const Factor &f, Pair x, float acc) {
		return fma((float)(n0 * f.s0 + n1 * f.s1) * f.scale, x.x, acc);
	}
};

struct Product {
	MatVec a;
	Quantized to;       // of the output, where the form is not FLOAT; its norm's
	u64 next, squares;  // weights, or 0, and where its sums of squares go
	u64 norm;           // sums of squares of the input, [tokens][cols/32], or 0
	float eps;
};

// normScale is a norm's factor of token t's products; a warp computes it.
DEVICE float normScale(const Product &f, int t) {
	if (!f.norm) return 1;
	const int blocks = f.a.cols / 32;
	const float *p = (const float *)f.norm + t * blocks;
	float s = 0;
	for (int i = thread() % 32; i < blocks; i += 256) {
		float v[8];
		UNROLL for (int k = 0; k < 8; k++) v[k] = i + 32 * k < blocks ? p[i + 32 * k] : 0;
		UNROLL for (int k = 0; k < 8; k++) s += v[k];
	}
	return 1 / __builtin_sqrtf(sum<32>(s) / (float)f.a.cols + f.eps);
}

// made stores a block's 32 rows of token t, a lane a row, and
// prepares it for the next product, whose norm's weight is next.
DEVICE void made(const Product &f, int t, int row, float v, float next) {
	((float *)f.a.out)[(u64)t * f.a.outStride + row] = v;
	if (f.to.form == FLOAT) return;
	if (f.squares) {
		float s = sum<32>(v * v);
		if (thread() % 32 == 0) ((float *)f.squares)[t * f.to.blocks + row / 32] = s;
		v *= next;
	}
	quantize(f.to, t, row / 32, v);
}

// firstRow is a tile's: the last tile of a matrix reaches back into the one
// before it.
template <int R> DEVICE int firstRow(int tile, int rows) { return least(tile * R * TALL, rows - R * TALL); }

// Tile is where a tile's rows lie: of a gate and its up, or of one of several
// matrices whose rows follow each other in the output.
template <int M> struct Tile {
	const u8 *w[M];
	int to; // first row of the output
};

template <int M, int R> DEVICE Tile<M> tileAt(const MatVec &a, int tile, u32 rowBytes) {
	int begin = 0, end = a.ends[0];
	u64 matrix = a.w[0];
	if (M == 1)
		UNROLL for (int m = 1; m < 4; m++) {
			int tiles = (end - begin + R * TALL - 1) / (R * TALL);
			if (tile < tiles) break;
			tile -= tiles, begin = end, end = a.ends[m], matrix = a.w[m];
		}
	int first = firstRow<R>(tile, end - begin);
	Tile<M> t;
	t.w[0] = (const u8 *)matrix + (u64)first * rowBytes;
	if (M > 1) t.w[M - 1] = (const u8 *)a.w[1] + (u64)first * rowBytes;
	t.to = begin + first;
	return t;
}

// M matrices, N token slots (1, 8, 16), W warps that share their columns, R times
// as many of the rows after each other.
template <class Type, int M, int N, int W, int R> struct Rows {
	// A copy brings two steps, of long rows of a gate and its up one: twice the
	// blocks fit a multiprocessor.
	static const int span = HOPPER && M == 2 && Type::pitch > 200 ? 1 : 2;
	static const int pitch = !HOPPER ? Type::pitch : span == 2 ? Type::pair : LONE, weights = TALL * pitch;
	static const int inputs = N * (STEP + SUBS * 8), inputsAt = (HOPPER ? 1 : STAGES) * M * weights; // of a warp's memory
	static const int memory = inputsAt + STAGES * inputs;
	static const int B = N > 8 ? 2 : 1, S = N > 1 ? 8 : 1; // groups of token slots, of so many slots
	// A lane's sums: of its rows lane/4 and lane/4+8 and tokens lane%4*2 and the
	// next, in fours by sub-block; of one token, of its own two sub-blocks.
	static const int sums = N > 1 ? 4 : 1, values = N > 1 ? 4 : 2;
	typedef float Sums[M][B][sums][values];

	// copySpan sets so many steps of the weights on their way, a lane a row.
	DEVICE void copySpan(u32 to, const u8 *const (&w)[M], u32 rowBytes, int step, int count, u32 barrier) {
		const int lane = thread() % 32;
		const u32 bytes = (count * Type::size + (Type::size % 16 ? 14 : 0) + 15) & ~15;
		if (lane == 0) expect(barrier, M * TALL * bytes);
		syncWarp();
		if (lane < M * TALL) {
			const u8 *from = (lane < TALL ? w[0] : w[M - 1]) + lane % TALL * rowBytes + step * Type::size;
			copyRow(to + lane * pitch, aligned(from), bytes, barrier);
		}
	}
	// copyStep does the same of one, a row's neighbouring bytes by neighbouring
	// lanes, then the rest of the rows by two lanes each.
	DEVICE void copyStep(u32 to, const u8 *const (&w)[M], u32 rowBytes, int step) {
		const int lane = thread() % 32, P = Type::chunks < 16 ? 8 : 16, rows = 32 / P;
		UNROLL for (int m = 0; m < M; m++) {
			const u8 *from = w[m] + step * Type::size;
			UNROLL for (int i = 0; i < TALL / rows; i++)
				copyAhead(to + m * weights + (i * rows + lane / P) * pitch + lane % P * 16, aligned(from + (i * rows + lane / P) * rowBytes) + lane % P * 16);
			UNROLL for (int c = P; c < Type::chunks; c += 2)
				if (c + 1 < Type::chunks || lane % 2 == 0)
					copyAhead(to + m * weights + lane / 2 * pitch + (c + lane % 2) * 16, aligned(from + lane / 2 * rowBytes) + (c + lane % 2) * 16);
		}
	}
	DEVICE const u8 *aligned(const u8 *p) { return (const u8 *)((u64)p & (Type::size % 16 ? ~15ull : ~0ull)); }
	// copyInput sets a step's activations and their scales on their way.
	DEVICE void copyInput(u32 to, const MatVec &a, int step) {
		const int lane = thread() % 32, chunks = S * STEP / 16, scales = S * SUBS * 8 / 16, blocks = a.cols / 32;
		to += lane * 16;
		UNROLL for (int g = 0; g < B; g++) {
			u32 at = (u32)((g * blocks + step * SUBS) * S);
			const u8 *x = (const u8 *)a.x + at * 32 + lane * 16;
			UNROLL for (int c = 0; c < (chunks + 31) / 32; c++)
				if (c * 32 + lane < chunks) copyAhead(to + g * S * STEP + c * 512, x + c * 512);
			if (lane < scales) copyAhead(to + N * STEP + g * S * SUBS * 8, (const u8 *)a.scales + at * 8 + lane * 16);
		}
	}

	// product adds a stage's products with activations x to a lane's sums.
	DEVICE void product(const u8 *stage, const u8 *x, const u8 *scales, const u32 (&skews)[M][2], Sums &acc) {
		const int lane = thread() % 32, g = lane / 4, t = lane % 4;
		if (N == 1) {
			u32 own[2];
			input(own, x + g * 32, t);
			i32 c[M][4], d[M][4];
			UNROLL for (int m = 0; m < M; m++) UNROLL for (int i = 0; i < 4; i++) c[m][i] = d[m][i] = 0;
			UNROLL for (int q = 0; q < 2; q++) {
				u32 b[4][2];
				UNROLL for (int i = 0; i < 4; i++) UNROLL for (int k = 0; k < 2; k++) b[i][k] = g == 4 * q + i ? own[k] : 0;
				UNROLL for (int m = 0; m < M; m++) {
					u32 u[4][2], v[4][2];
					Type::words(u, stage + m * weights + g * pitch + skews[m][0], q, t);
					Type::words(v, stage + m * weights + (g + 8) * pitch + skews[m][1], q, t);
					UNROLL for (int i = 0; i < 4; i++) multiply(c[m], d[m], u[i], v[i], b[i]);
				}
			}
			Four p = *(const Four *)(scales + t * 16);
			UNROLL for (int m = 0; m < M; m++) UNROLL for (int h = 0; h < 2; h++) {
				Factor f0, f1;
				Type::factors(f0, f1, stage + m * weights + (g + 8 * h) * pitch + skews[m][h], t);
				float s = Type::finish(c[m][2 * h], d[m][2 * h], f0, Pair{p.x, p.y}, acc[m][0][0][h]);
				acc[m][0][0][h] = Type::finish(c[m][2 * h + 1], d[m][2 * h + 1], f1, Pair{p.z, p.w}, s);
			}
			return;
		}
		UNROLL for (int q = 0; q < 2; q++) {
			u32 b[B][4][2];
			UNROLL for (int n = 0; n < B; n++) UNROLL for (int i = 0; i < 4; i++)
				input(b[n][i], x + n * S * STEP + ((4 * q + i) * S + g) * 32, t);
			UNROLL for (int m = 0; m < M; m++) {
				const u8 *r0 = stage + m * weights + g * pitch + skews[m][0], *r1 = stage + m * weights + (g + 8) * pitch + skews[m][1];
				u32 u[4][2], v[4][2];
				Type::words(u, r0, q, t);
				Type::words(v, r1, q, t);
				UNROLL for (int i = 0; i < 4; i++) {
					Factor f0 = Type::factor(r0, 4 * q + i), f1 = Type::factor(r1, 4 * q + i);
					UNROLL for (int n = 0; n < B; n++) {
						i32 c[4] = {0, 0, 0, 0}, d[4] = {0, 0, 0, 0};
						multiply(c, d, u[i], v[i], b[n][i]);
						Four p = *(const Four *)(scales + n * S * SUBS * 8 + ((4 * q + i) * S + 2 * t) * 8);
						float *s = acc[m][n][(2 * q + i / 2) % sums];
						s[0] = Type::finish(c[0], d[0], f0, Pair{p.x, p.y}, s[0]);
						s[1 % values] = Type::finish(c[1], d[1], f0, Pair{p.z, p.w}, s[1 % values]);
						s[2 % values] = Type::finish(c[2], d[2], f1, Pair{p.x, p.y}, s[2 % values]);
						s[3 % values] = Type::finish(c[3], d[3], f1, Pair{p.z, p.w}, s[3 % values]);
					}
				}
			}
		}
	}
	// input is the activations that lane%4 = t multiplies words with.
	DEVICE void input(u32 (&b)[2], const u8 *p, int t) {
		if (Type::wide) {
			u64 w = *(const u64 *)(p + 8 * t);
			b[0] = (u32)w, b[1] = (u32)(w >> 32);
		} else {
			b[0] = load32(p + 4 * t), b[1] = load32(p + 16 + 4 * t);
		}
	}
	DEVICE void multiply(i32 (&c)[4], i32 (&d)[4], const u32 (&u)[2], const u32 (&v)[2], const u32 (&b)[2]) {
		if (Type::halves) {
			mmaHalf16(c, u[0], v[0], b[0]);
			mmaHalf16(d, u[1], v[1], b[1]);
		} else {
			mmaInt<Type::positive>(c, u[0], v[0], u[1], v[1], b[0], b[1]);
		}
	}

	// run makes a block's tile of n tokens.
	DEVICE void run(const Product &f, u8 *shared, int n) {
		SHARED static float scale[N];
		SHARED static u64 barriers[HOPPER ? R * W : 1];
		const MatVec &a = f.a;
		const int lane = thread() % 32, warp = thread() / 32, g = lane / 4, t = lane % 4;
		const int steps = a.cols / STEP, per = (steps + W - 1) / W, begin = warp % W * per, mine = least(per, steps - begin); // may be none
		const u32 rowBytes = (u32)(steps * Type::size);
		u8 *mem = shared + warp * memory;
		const u32 at = shared32(mem), barrier = shared32((u8 *)(barriers + (HOPPER ? warp : 0)));
		Tile<M> tile = tileAt<M, R>(a, blockX(), rowBytes);
		UNROLL for (int m = 0; m < M; m++) tile.w[m] += warp / W * TALL * rowBytes;
		// Before the weights, behind which it would wait.
		float next = R == 2 && f.next && thread() < R * TALL ? ((const float *)f.next)[tile.to + thread()] : 0, add = 0;
		if (HOPPER) {
			if (lane == 0) makeBarrier(barrier);
			syncWarp();
			if (mine > 0) copySpan(at, tile.w, rowBytes, begin, least(span, mine), barrier);
		} else {
			UNROLL for (int i = 0; i < STAGES; i++) if (i < mine) copyStep(at + i * M * weights, tile.w, rowBytes, begin + i);
		}
		commit();
		await();
		UNROLL for (int i = 0; i < STAGES; i++) {
			if (i < mine) copyInput(at + inputsAt + i * inputs, a, begin + i);
			commit();
		}
		// Of a single token's output the block's first warp reads the addend while
		// the products are made: it is a long way to memory.
		if (N == 1 && a.add && thread() < R * TALL) add = ((const float *)a.add)[tile.to + thread()];
		for (int k = warp; k < n; k += R * W) {
			float v = normScale(f, k);
			if (lane == 0) scale[k] = v;
		}
		Sums acc;
		UNROLL for (int m = 0; m < M; m++) UNROLL for (int k = 0; k < B; k++) UNROLL for (int i = 0; i < sums; i++)
			UNROLL for (int v = 0; v < values; v++) acc[m][k][i][v] = 0;
		int s = 0; // the stage
		u32 phase = 0;
		_Pragma("unroll 1") for (int i = 0; i < mine; i++) {
			const int late = HOPPER ? i % span : 0; // the second of a span
			arrived<STAGES - 1>();
			if (HOPPER && !late) {
				waitFor(barrier, phase);
				phase ^= 1;
			}
			u32 skews[M][2]; // of the rows a lane multiplies, in the copy from the multiple of 16 before
			UNROLL for (int m = 0; m < M; m++) UNROLL for (int h = 0; h < 2; h++)
				skews[m][h] = Type::size % 16 ? ((u32)(u64)tile.w[m] + (g + 8 * h) * rowBytes + (begin + i - late) * Type::size) & 15 : 0;
			const u8 *x = mem + inputsAt + s * inputs;
			product(mem + (HOPPER ? late * Type::size : s * M * weights), x, x + N * STEP, skews, acc);
			syncWarp();
			if (HOPPER && (late == span - 1 && i + 1 < mine)) copySpan(at, tile.w, rowBytes, begin + i + 1, least(span, mine - i - 1), barrier);
			if (i + STAGES < mine) {
				if (!HOPPER) copyStep(at + s * M * weights, tile.w, rowBytes, begin + i + STAGES);
				copyInput(at + inputsAt + s * inputs, a, begin + i + STAGES);
			}
			commit();
			s = s + 1 < STAGES ? s + 1 : 0;
		}
		arrived<0>();
		sync();
		float *out = (float *)shared, *mineOut = out + warp * M * N * TALL;
		UNROLL for (int m = 0; m < M; m++) UNROLL for (int k = 0; k < B; k++) UNROLL for (int v = 0; v < values; v++) {
			float *p = &acc[m][k][0][v];
			if (N == 1) {
				float total = sum<2>(*p); // of lanes t and t^1, then t^2
				total += shuffle(total, 2);
				if (t == 0) mineOut[m * TALL + g + 8 * v] = total;
			} else {
				const int by = sums > 1 ? values : 0;
				float total = (p[0] + p[by]) + (p[2 * by] + p[3 * by]);
				mineOut[(m * N + k * 8 + 2 * t + v % 2) * TALL + g + v / 2 * 8] = total;
			}
		}
		sync();
		for (int i = thread(); i < R * TALL * n; i += R * W * 32) {
			int r = i % (R * TALL), k = i / (R * TALL), to = tile.to + r;
			float v = total(out, 0, k, r) * scale[k];
			if (M > 1) v = silu(v) * (total(out, M - 1, k, r) * scale[k]);
			if (a.add) v = (N == 1 ? add : ((const float *)a.add)[(u64)k * a.addStride + to]) + v;
			if (R == 2) made(f, k, to, v, next);
			else ((float *)a.out)[(u64)k * a.outStride + to] = v;
		}
	}

	// total adds the warps' sums of matrix m, token n, row r of the block.
	DEVICE float total(const float *out, int m, int n, int r) {
		float v = 0;
		UNROLL for (int w = 0; w < W; w++) v += out[((r / TALL * W + w) * M * N + m * N + n) * TALL + r % TALL];
		return v;
	}
};

// rows is Out = W·x (+ Add), tiles of several matrices after each other.
template <class Type, int N, int W, int R> DEVICE void rows(const Product &f, u8 *shared) {
	overlap();
	int n = liveTokens<N>(f.a, 0);
	if (n <= 0) return await();
	Rows<Type, 1, N, W, R>::run(f, shared, n);
}

// rowsgate is Out = silu(Gate·x) * (Up·x).
template <class Type, int N, int W, int R> DEVICE void rowsgate(const Product &f, u8 *shared) {
	overlap();
	Rows<Type, 2, N, W, R>::run(f, shared, least(N, f.a.tokens));
}

// Warps that share columns, fewer of a gate and its up.
template <int M> DEVICE constexpr int warps() { return M == 1 ? 8 : 4; }

// Copies to where a row is not aligned as it lies in memory are slow: rows are
// multiples of 32 bytes wherever they can be.
#define TILED extern __attribute__((shared)) __attribute__((aligned(128))) u8 tiles[]

// A single token's blocks make 32 rows, which are what one scale is for, or 16
// where nothing is prepared of them.
#define ROWS(NAME, TYPE, STRUCT, N, R, BLOCKS1)                                        \
	KERNEL BLOCKS((warps<1>() * R * 32), BLOCKS1) NAME##_##TYPE##_##N(Product f) { \
		TILED;                                                                           \
		rows<STRUCT, N, warps<1>(), R>(f, tiles);                                \
	}
#define SIZES_OF(TYPE, STRUCT, N, R, BLOCKS1, BLOCKS2)                                  \
	ROWS(rows, TYPE, STRUCT, N, R, BLOCKS1)                                              \
	KERNEL BLOCKS((warps<2>() * R * 32), BLOCKS2) rowsgate_##TYPE##_##N(Product f) { \
		TILED;                                                                           \
		rowsgate<STRUCT, N, warps<2>(), R>(f, tiles);                            \
	}

#ifdef FEW
#define PRODUCTS(TYPE, STRUCT) SIZES_OF(TYPE, STRUCT, 8, 1, 1, 2) SIZES_OF(TYPE, STRUCT, 16, 1, 1, 2)
#else
#define PRODUCTS(TYPE, STRUCT) SIZES_OF(TYPE, STRUCT, 1, 2, 1, 2) ROWS(rowshalf, TYPE, STRUCT, 1, 1, 4)
#endif
