// Products of the types of levels.h with activations of int8: a lane takes eight
// neighbouring values a step.
#pragma once
#include "levels.h"
#include "matvec.h"

template <class Type> struct Levels {
	static const int bytes = 1, rows = 1, ahead = 4;
	typedef Eight Weights;
	struct Input {
		u32 a, b;
		float d;
	};
	DEVICE int rowBytes(int cols) { return cols / Type::block * Type::bytes; }
	DEVICE int steps(int cols) { return (cols + 255) / 256; }
	DEVICE bool inside(int s, int lane, int cols) { return s * 256 + lane * 8 < cols; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		int at = s * 256 + lane * 8;
		v = Type::eight(row + at / Type::block * Type::bytes, at % Type::block);
	}
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		int at = s * 256 + lane * 8;
		const u32 *p = (const u32 *)(x.x + at);
		in = Input{p[0], p[1], pair(x.scales + at / 32).x};
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		const u32 ones = 0x01010101;
		acc = fma((float)dp4a(v.a, x.a, dp4a(v.b, x.b, 0)) * v.scale, x.d, acc);
		if (Type::shifted) acc = fma((float)dp4a(ones, x.a, dp4a(ones, x.b, 0)) * v.shift, x.d, acc);
		return acc;
	}
};

// These types are met less often: passes of several tokens have one size.
#ifdef FEW
#define LEVELS(TYPE, STRUCT) SIZE(TYPE, Levels<STRUCT>, 4)
#else
#define LEVELS(TYPE, STRUCT) SIZE(TYPE, Levels<STRUCT>, 1)
#endif
