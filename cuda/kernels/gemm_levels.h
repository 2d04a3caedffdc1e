// How products with many tokens read the types of levels.h.
#pragma once
#include "gemm.h"
#include "levels.h"

template <class Type> struct TileLevels {
	static const bool mixed = false;
	struct Raw { Eight v[4]; };
	DEVICE int rowBytes(int cols) { return cols / Type::block * Type::bytes; }
	DEVICE void load(Raw &r, const u8 *row, int k, int h) {
		int at = k * 64 + h * 32;
		UNROLL for (int i = 0; i < 4; i++) r.v[i] = Type::eight(row + at / Type::block * Type::bytes, at % Type::block + 8 * i);
	}
	DEVICE void unpack(const Raw &r, u32 *out, int, int) {
		UNROLL for (int i = 0; i < 4; i++) {
			const Eight &v = r.v[i];
			const u32 flip = Type::shifted ? 0 : 0x80808080; // levels of the others are 128 too large then
			float add = Type::shifted ? v.shift : -128 * v.scale;
			scaled(out + 4 * i, v.a ^ flip, v.scale, add);
			scaled(out + 4 * i + 2, v.b ^ flip, v.scale, add);
		}
	}
};

// These types are met less often: products have one size.
#define GEMM64(TYPE, STRUCT)                                                                         \
	KERNEL BLOCKS(256, 2) gemm_##TYPE##_64(MatVec a) { gemm<TileLevels<STRUCT>, 2, false>(a); } \
	KERNEL BLOCKS(256, 2) gemmgate_##TYPE##_64(MatVec a) { gemm<TileLevels<STRUCT>, 2, true>(a); }
