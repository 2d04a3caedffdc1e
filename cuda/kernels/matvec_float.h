// Weights of float32, float16 and bfloat16, columns a multiple of 8, and float32
// activations. A lane takes 8 neighbouring values a step.
#pragma once
#include "matvec.h"

struct Floats {
	static const int bytes = 4, rows = 2;
	DEVICE int steps(int cols) { return (cols + 255) / 256; }
	struct Input { float v[8]; };
	DEVICE bool inside(int s, int lane, int cols) { return s * 256 + lane * 8 < cols; }
	DEVICE void fetch(Input &in, Token x, int s, int lane) {
		const float *p = (const float *)x.x + s * 256 + lane * 8;
		Quad a = fresh(p), b = fresh(p + 4);
		in = Input{{bits(a.x), bits(a.y), bits(a.z), bits(a.w), bits(b.x), bits(b.y), bits(b.z), bits(b.w)}};
	}
};

struct Float32 : Floats {
	static const int ahead = 2;
	struct Weights { Quad a, b; };
	DEVICE int rowBytes(int cols) { return cols * 4; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		const u8 *p = row + (s * 256 + lane * 8) * 4;
		v = Weights{quad(p), quad(p + 16)};
	}
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		acc = fma(bits(v.a.x), x.v[0], acc);
		acc = fma(bits(v.a.y), x.v[1], acc);
		acc = fma(bits(v.a.z), x.v[2], acc);
		acc = fma(bits(v.a.w), x.v[3], acc);
		acc = fma(bits(v.b.x), x.v[4], acc);
		acc = fma(bits(v.b.y), x.v[5], acc);
		acc = fma(bits(v.b.z), x.v[6], acc);
		return fma(bits(v.b.w), x.v[7], acc);
	}
};

template <bool brain> struct Halves : Floats {
	static const int ahead = 4;
	struct Weights { Quad a; };
	DEVICE int rowBytes(int cols) { return cols * 2; }
	DEVICE void load(Weights &v, const u8 *row, int s, int lane) {
		v.a = quad(row + (s * 256 + lane * 8) * 2);
	}
	DEVICE float low(u32 v) { return brain ? bits(v << 16) : f16((u16)v); }
	DEVICE float high(u32 v) { return brain ? bits(v & 0xffff0000) : f16((u16)(v >> 16)); }
	DEVICE float dot(const Weights &v, const Input &x, float acc) {
		acc = fma(low(v.a.x), x.v[0], acc);
		acc = fma(high(v.a.x), x.v[1], acc);
		acc = fma(low(v.a.y), x.v[2], acc);
		acc = fma(high(v.a.y), x.v[3], acc);
		acc = fma(low(v.a.z), x.v[4], acc);
		acc = fma(high(v.a.z), x.v[5], acc);
		acc = fma(low(v.a.w), x.v[6], acc);
		return fma(high(v.a.w), x.v[7], acc);
	}
};
