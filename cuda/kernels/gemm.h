// Products of quantized matrices with many tokens on tensor cores: a block
// takes 128 rows by TOKENS tokens, 64 columns at a time. Weights are unpacked
// to bfloat16 in shared memory while the columns before are multiplied,
// activations come as bfloat16; sums are float32.
#pragma once
#include "matvec.h"
#include "tensor.h"

enum { DEEP = 64, PITCH = DEEP + 8 }; // columns of a stage; of a row in shared memory

// number is byte i of w, at most 255, as a float: below 2^23 the last bits of a
// float are the integer.
DEVICE float number(u32 w, int i) { return bits(0x4b000000 | (w >> (8 * i) & 255)) - 8388608.0f; }

// A type gives: Raw, the part that one thread reads of 64 columns of a row, half of them;
// load; and unpack to 16 pairs. Nibbles of neighbours lie 32 columns apart in
// types with mixed, 16 values of each half's; else halves are 32 columns.

// scaled packs 4 values of w as scale*value+add.
DEVICE void scaled(u32 *out, u32 w, float scale, float add) {
	out[0] = pairBrain(fma(number(w, 0), scale, add), fma(number(w, 1), scale, add));
	out[1] = pairBrain(fma(number(w, 2), scale, add), fma(number(w, 3), scale, add));
}

// loose reads n words at an even address as the whole words they lie in.
template <int n> DEVICE void loose(u32 (&out)[n], const u8 *p) {
	const u32 *w = (const u32 *)((u64)p & ~3ull);
	u32 shift = (u32)((u64)p & 2) * 8, v[n + 1];
	UNROLL for (int i = 0; i <= n; i++) v[i] = whole(w + i);
	UNROLL for (int i = 0; i < n; i++) asm("shf.r.wrap.b32 %0, %1, %2, %3;" : "=r"(out[i]) : "r"(v[i]), "r"(v[i + 1]), "r"(shift));
}

struct TileQ8 {
	static const bool mixed = false;
	struct Raw { u32 d, q[8]; };
	DEVICE int rowBytes(int cols) { return cols / 32 * 34; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		const u8 *p = row + (k * 2 + h) * 34;
		r.d = half(p);
		loose(r.q, p + 2);
	}
	DEVICE void unpack(const Raw &r, u32 *out, int, int) {
		float d = f16((u16)r.d);
		UNROLL for (int i = 0; i < 8; i++) scaled(out + 2 * i, r.q[i] ^ 0x80808080, d, -128 * d);
	}
};

struct TileQ4 {
	static const bool mixed = false;
	struct Raw { u32 d, q[4]; };
	DEVICE int rowBytes(int cols) { return cols / 32 * 18; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		const u8 *p = row + (k * 2 + h) * 18;
		r.d = half(p);
		loose(r.q, p + 2);
	}
	DEVICE void unpack(const Raw &r, u32 *out, int, int) {
		float d = f16((u16)r.d);
		UNROLL for (int i = 0; i < 4; i++) {
			scaled(out + 2 * i, r.q[i] & 0x0f0f0f0f, d, -8 * d);
			scaled(out + 8 + 2 * i, r.q[i] >> 4 & 0x0f0f0f0f, d, -8 * d);
		}
	}
};

struct TileQ4K {
	static const bool mixed = true;
	struct Raw { Quad head, q; };
	DEVICE int rowBytes(int cols) { return cols / 256 * 144; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		const u8 *p = row + k / 4 * 144;
		r = Raw{quad(p), quad(p + 16 + k % 4 * 32 + h * 16)};
	}
	DEVICE void scales(Quad head, int k, float (&s)[2], float (&m)[2]) {
		float d = f16((u16)head.x), min = -f16((u16)(head.x >> 16));
		UNROLL for (int i = 0; i < 2; i++) {
			u32 a, b;
			scaleMin(head.y, head.z, head.w, k % 4 * 2 + i, a, b);
			s[i] = d * (float)a, m[i] = min * (float)b;
		}
	}
	DEVICE void unpack(const Raw &r, u32 *out, int k, int) {
		float s[2], m[2];
		scales(r.head, k, s, m);
		const u32 q[4] = {r.q.x, r.q.y, r.q.z, r.q.w};
		UNROLL for (int i = 0; i < 4; i++) {
			scaled(out + 2 * i, q[i] & 0x0f0f0f0f, s[0], m[0]);
			scaled(out + 8 + 2 * i, q[i] >> 4 & 0x0f0f0f0f, s[1], m[1]);
		}
	}
};

struct TileQ5K {
	static const bool mixed = true;
	struct Raw { Quad head, q, high; };
	DEVICE int rowBytes(int cols) { return cols / 256 * 176; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		const u8 *p = row + k / 4 * 176;
		r = Raw{quad(p), quad(p + 48 + k % 4 * 32 + h * 16), quad(p + 16 + h * 16)};
	}
	DEVICE void unpack(const Raw &r, u32 *out, int k, int) {
		float s[2], m[2];
		TileQ4K::scales(r.head, k, s, m);
		const u32 q[4] = {r.q.x, r.q.y, r.q.z, r.q.w}, high[4] = {r.high.x, r.high.y, r.high.z, r.high.w};
		int shift = k % 4 * 2;
		UNROLL for (int i = 0; i < 4; i++) {
			u32 h = high[i] >> shift;
			scaled(out + 2 * i, (q[i] & 0x0f0f0f0f) | (h << 4 & 0x10101010), s[0], m[0]);
			scaled(out + 8 + 2 * i, (q[i] >> 4 & 0x0f0f0f0f) | (h << 3 & 0x10101010), s[1], m[1]);
		}
	}
};

struct TileQ6K {
	static const bool mixed = false;
	struct Raw { u32 d, scales, q[8], high[8]; };
	DEVICE int rowBytes(int cols) { return cols / 256 * 210; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		const u8 *p = row + k / 4 * 210;
		int n = k % 4 / 2, part = k % 2 * 2 + h;
		loose(r.q, p + n * 64 + h * 32);
		loose(r.high, p + 128 + n * 32);
		r.scales = half(p + 192 + n * 8 + part * 2);
		r.d = half(p + 208);
	}
	DEVICE void unpack(const Raw &r, u32 *out, int k, int h) {
		int part = k % 2 * 2 + h;
		float d = f16((u16)r.d), s[2] = {d * (float)(i8)r.scales, d * (float)(i8)(r.scales >> 8)};
		UNROLL for (int i = 0; i < 8; i++) {
			u32 q = (r.q[i] >> (part / 2 * 4) & 0x0f0f0f0f) | (r.high[i] >> (2 * part) << 4 & 0x30303030);
			scaled(out + 2 * i, q, s[i / 4], -32 * s[i / 4]);
		}
	}
};

struct __attribute__((aligned(16))) Row { u16 v[PITCH]; };

// gemm: N times 8 tokens a warp, of 2 by 4 warps. With GATE the block's rows are
// 64 of the gate and the same of up, 32 and 32 for each warp.
template <class Type, int N, bool GATE> DEVICE void gemm(const MatVec &a) {
	extern SHARED Row rows[]; // two stages of weights, then two of activations
	const int TOKENS = N * 32;
	Row *x = rows + 256;
	int lane = thread() % 32, warp = thread() / 32, wr = warp % 2, wt = warp / 2;
	int live = a.head ? param(a.params, LOGITS) : a.tokens, t0 = blockY() * TOKENS;
	if (t0 >= live) return;

	// This thread unpacks half of a row's columns.
	int mine = thread() / 2, h = thread() % 2;
	u64 w;
	if (GATE) {
		int r = least(blockX() * 64 + mine / 64 * 32 + mine % 32, a.ends[0] - 1);
		w = (mine % 64 < 32 ? a.w[0] : a.w[1]) + (u64)r * Type::rowBytes(a.cols);
	} else {
		int r = least(blockX() * 128 + mine, a.ends[3] - 1), m = (r >= a.ends[0]) + (r >= a.ends[1]) + (r >= a.ends[2]);
		u64 base = m == 0 ? a.w[0] : m == 1 ? a.w[1] : m == 2 ? a.w[2] : a.w[3];
		w = base + (u64)(r - (m == 0 ? 0 : m == 1 ? a.ends[0] : m == 2 ? a.ends[1] : a.ends[2])) * Type::rowBytes(a.cols);
	}
	const u8 *row = (const u8 *)w;
	int o0 = Type::mixed ? h * 16 : h * 32, o1 = Type::mixed ? 32 + h * 16 : h * 32 + 16;
	typename Type::Raw raw;

	auto activations = [&](int k, int stage) {
		UNROLL for (int i = 0; i < N; i++) {
			int c = thread() + i * 256, t = c / 8, part = c % 8;
			const u16 *from = (const u16 *)a.x + (u64)least(t0 + t, live - 1) * a.xStride + k * DEEP + part * 8;
			copyAsync(shared32(&x[stage * TOKENS + t].v[part * 8]), from);
		}
	};
	auto weights = [&](int k, int stage) {
		u32 v[16];
		Type::unpack(raw, v, k, h);
		u32 to = shared32(&rows[stage * 128 + mine]);
		put(to + o0 * 2, v);
		put(to + o0 * 2 + 16, v + 4);
		put(to + o1 * 2, v + 8);
		put(to + o1 * 2 + 16, v + 12);
	};

	float acc[4][N][4];
	UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < N; j++) UNROLL for (int c = 0; c < 4; c++) acc[i][j][c] = 0;
	int steps = a.cols / DEEP;
	activations(0, 0);
	Type::load(raw, row, 0, h);
	weights(0, 0);
	copied();
	sync();
	for (int k = 0; k < steps; k++) {
		int stage = k % 2;
		if (k + 1 < steps) {
			activations(k + 1, 1 - stage);
			Type::load(raw, row, k + 1, h);
		}
		u32 at = shared32(&rows[stage * 128 + wr * 64 + lane % 16].v[lane / 16 * 8]);
		u32 bt = shared32(&x[stage * TOKENS + wt * N * 8 + lane / 16 * 8 + lane % 8].v[lane / 8 % 2 * 8]);
		UNROLL for (int d = 0; d < DEEP / 16; d++) {
			u32 m[4][4], b[N / 2][4];
			UNROLL for (int i = 0; i < 4; i++) matrices(m[i], at + i * 16 * PITCH * 2 + d * 32);
			UNROLL for (int j = 0; j < N / 2; j++) matrices(b[j], bt + j * 16 * PITCH * 2 + d * 32);
			UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < N; j++) mmaBrain(acc[i][j], m[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
		}
		if (k + 1 < steps) {
			weights(k + 1, 1 - stage);
			copied();
		}
		sync();
	}
	UNROLL for (int j = 0; j < N; j++) UNROLL for (int c = 0; c < 4; c++) {
		int t = t0 + wt * N * 8 + j * 8 + lane % 4 * 2 + c % 2;
		if (t >= live) continue;
		float *out = (float *)a.out + (u64)t * a.outStride;
		const float *add = a.add ? (const float *)a.add + (u64)t * a.addStride : 0;
		UNROLL for (int i = 0; i < (GATE ? 2 : 4); i++) {
			int r = blockX() * (GATE ? 64 : 128) + wr * (GATE ? 32 : 64) + i * 16 + lane / 4 + c / 2 * 8;
			if (r >= a.ends[3]) continue;
			float v = acc[i][j][c];
			if (GATE) v = silu(v) * acc[(i + 2) % 4][j][c];
			out[r] = add ? add[r] + v : v;
		}
	}
}

#define GEMM(TYPE, STRUCT)                                                                 \
	KERNEL BLOCKS(256, 2) gemm_##TYPE##_64(MatVec a) { gemm<STRUCT, 2, false>(a); } \
	KERNEL BLOCKS(256, 2) gemm_##TYPE##_128(MatVec a) { gemm<STRUCT, 4, false>(a); }     \
	KERNEL BLOCKS(256, 2) gemmgate_##TYPE##_64(MatVec a) { gemm<STRUCT, 2, true>(a); }   \
	KERNEL BLOCKS(256, 2) gemmgate_##TYPE##_128(MatVec a) { gemm<STRUCT, 4, true>(a); }
