// Products of a matrix with a few tokens, one warp a row.
//
// A lane's share of a row does not depend on the number of tokens, nor does the
// order in which its parts and then the lanes are added, so a token's bits are
// the same whatever shares its pass.
//
// A type gives: steps, how many a warp takes along a row; rows of a warp; Weights, a
// lane's part of a step in registers; load, and dot with one token's part.
// Several steps are loaded before the first is used, to keep reads in flight:
// faster, on an H100, than loading a step again as soon as it is used.
#pragma once
#include "common.h"

struct MatVec {
	u64 w[4]; // matrices of one type whose rows follow each other; or gate and up
	u64 x;    // float32 [tokens][xStride], or int8 of xStride bytes a token
	u64 scales; // of int8: [tokens][cols/32] of {scale, scale*sum}
	u64 out, add, params;
	i32 ends[4]; // of each matrix's rows
	i32 cols, xStride, outStride, addStride;
	i32 tokens;     // of the pass
	i32 head;       // 1: rows of logits, as many as the parameters say
	i32 type, type2; // of w[0] and w[1], read by the slow kernels only
};

enum { WARPS = 4 };

// token is one token's activations.
struct Token {
	const u8 *x;
	const Pair *scales; // {scale, scale*sum} of each 32
};

DEVICE Token tokenAt(const MatVec &a, int t, int bytes) {
	return Token{(const u8 *)a.x + (u64)t * a.xStride * bytes, (const Pair *)a.scales + (u64)t * (a.cols / 32)};
}

template <class Type, int R, int T> DEVICE void row(const MatVec &a, const u8 *const *w, float (&acc)[R][T], int first, int tokens) {
	const int ahead = T > 1 ? Type::ahead / R : Type::ahead; // steps in flight, as registers allow
	const int lane = thread() % 32, steps = Type::steps(a.cols);
	typename Type::Weights v[ahead][R];
	UNROLL for (int r = 0; r < R; r++) UNROLL for (int t = 0; t < T; t++) acc[r][t] = 0;
	for (int s = 0; s < steps; s += ahead) {
		UNROLL for (int i = 0; i < ahead; i++)
			UNROLL for (int r = 0; r < R; r++) if (Type::inside(s + i, lane, a.cols)) Type::load(v[i][r], w[r], s + i, lane);
		if (s == 0) await();
		UNROLL for (int t = 0; t < T; t++) {
			if (t >= tokens) continue;
			Token x = tokenAt(a, first + t, Type::bytes);
			UNROLL for (int i = 0; i < ahead; i++)
				if (Type::inside(s + i, lane, a.cols)) {
					typename Type::Input in;
					Type::fetch(in, x, s + i, lane);
					UNROLL for (int r = 0; r < R; r++) acc[r][t] = Type::dot(v[i][r], in, acc[r][t]);
				}
		}
	}
	UNROLL for (int r = 0; r < R; r++) UNROLL for (int t = 0; t < T; t++) acc[r][t] = sum<32>(acc[r][t]);
}

// live is how many of the launch's tokens, from first, there are.
template <int T> DEVICE int liveTokens(const MatVec &a, int first) {
	int n = (a.head ? param(a.params, LOGITS) : a.tokens) - first;
	return n < T ? n : T;
}

// matvec is Out = W·x (+ Add); where several tokens share a pass, a type's rows
// of them share each read of the activations.
template <class Type, int T> DEVICE void matvec(const MatVec &a) {
	const int R = T > 1 ? Type::rows : 1;
	int row0 = (blockX() * WARPS + thread() / 32) * R, first = blockY() * T, n = liveTokens<T>(a, first);
	overlap();
	if (row0 >= a.ends[3] || n <= 0) return await();
	const u8 *p[R];
	UNROLL for (int i = 0; i < R; i++) {
		int r = least(row0 + i, a.ends[3] - 1), m = (r >= a.ends[0]) + (r >= a.ends[1]) + (r >= a.ends[2]);
		u64 w = m == 0 ? a.w[0] : m == 1 ? a.w[1] : m == 2 ? a.w[2] : a.w[3];
		int begin = m == 0 ? 0 : m == 1 ? a.ends[0] : m == 2 ? a.ends[1] : a.ends[2];
		p[i] = (const u8 *)w + (u64)(r - begin) * Type::rowBytes(a.cols);
	}
	float acc[R][T];
	row<Type, R, T>(a, p, acc, first, n);
	int lane = thread() % 32;
	UNROLL for (int t = 0; t < T; t++) if (t < n && t == lane)
		UNROLL for (int i = 0; i < R; i++) {
			int r = row0 + i;
			if (r >= a.ends[3]) continue;
			float v = acc[i][t];
			if (a.add) v = ((const float *)a.add)[(u64)(first + t) * a.addStride + r] + v;
			((float *)a.out)[(u64)(first + t) * a.outStride + r] = v;
		}
}

// gateup is Out = silu(Gate·x) * (Up·x).
template <class Type, int T> DEVICE void gateup(const MatVec &a) {
	int r = blockX() * WARPS + thread() / 32, first = blockY() * T, n = liveTokens<T>(a, first);
	overlap();
	if (r >= a.ends[3] || n <= 0) return await();
	const u8 *p[2] = {(const u8 *)a.w[0] + (u64)r * Type::rowBytes(a.cols), (const u8 *)a.w[1] + (u64)r * Type::rowBytes(a.cols)};
	float acc[2][T];
	row<Type, 2, T>(a, p, acc, first, n);
	int lane = thread() % 32;
	UNROLL for (int t = 0; t < T; t++) if (t < n && t == lane)
		((float *)a.out)[(u64)(first + t) * a.outStride + r] = silu(acc[0][t]) * acc[1][t];
}

#define SIZE(TYPE, STRUCT, T)                                                        \
	KERNEL BLOCKS(WARPS * 32, T > 4 ? 3 : T > 1 ? 4 : 6) matvec_##TYPE##_##T(MatVec a) { matvec<STRUCT, T>(a); } \
	KERNEL BLOCKS(WARPS * 32, T > 4 ? 3 : 4) gateup_    ##TYPE##_##T(MatVec a) { gateup<STRUCT, T>(a); }

// One token has a module of its own, the only one that generating loads.
#ifdef FEW
#define SIZES(TYPE, STRUCT) SIZE(TYPE, STRUCT, 2) SIZE(TYPE, STRUCT, 4) SIZE(TYPE, STRUCT, 8)
#else
#define SIZES(TYPE, STRUCT) SIZE(TYPE, STRUCT, 1)
#endif
