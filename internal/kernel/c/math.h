// Exponential and its kin over vectors, to about one unit in the last place.
#pragma once
#include "vec.h"

// round to the nearest integer, halves to even.
INLINE vf round_(vf x) { return __builtin_elementwise_roundeven(x); }
INLINE vf min_(vf a, vf b) { return __builtin_elementwise_min(a, b); }
INLINE vf max_(vf a, vf b) { return __builtin_elementwise_max(a, b); }
INLINE vf abs_(vf a) { return __builtin_elementwise_abs(a); }
INLINE vf sqrt_(vf a) { return __builtin_elementwise_sqrt(a); }

// exp_ is e^x: 2^n times a polynomial in x - n ln 2 (n the nearest integer).
// Below -87.3 it is 0, above 88.37 infinite.
INLINE vf exp_(vf x) {
	vi none = x < -87.3f, all = x > 88.37f; // all ones where true
	x = max_(min_(x, splat(88.37f)), splat(-87.3f));
	vf n = round_(x * 1.44269504088896341f);
	vf r = fma_(n, splat(-0.693145751953125f), x); // ln 2 in two parts, the first exact
	r = fma_(n, splat(-1.428606765330187e-6f), r);
	vf p = splat(1.9875691500e-4f);
	p = fma_(p, r, splat(1.3981999507e-3f));
	p = fma_(p, r, splat(8.3334519073e-3f));
	p = fma_(p, r, splat(4.1665795894e-2f));
	p = fma_(p, r, splat(1.6666665459e-1f));
	p = fma_(p, r, splat(5.0000001201e-1f));
	p = fma_(p, r * r, r + 1);
	vi e = (__builtin_convertvector(n, vi) + 127) << 23;
	vf y = p * (vf)e;
	return (vf)(((vi)y & ~none & ~all) | (all & 0x7f800000));
}

// silu_ is x / (1 + e^-x).
INLINE vf silu_(vf x) { return x / (1 + exp_(-x)); }

// log1p_ is log(1+y) for y in [0, 1], also where y is tiny: twice the area
// tangent of s = y/(2+y), at most 1/3.
INLINE vf log1p_(vf y) {
	vf s = y / (2 + y), z = s * s;
	vf p = splat(1.0f / 13);
	p = fma_(p, z, splat(1.0f / 11));
	p = fma_(p, z, splat(1.0f / 9));
	p = fma_(p, z, splat(1.0f / 7));
	p = fma_(p, z, splat(1.0f / 5));
	p = fma_(p, z, splat(1.0f / 3));
	p = fma_(p * z, 2 * s, 2 * s);
	return p;
}

// softplus_ is log(1 + e^x).
INLINE vf softplus_(vf x) { return max_(x, splat(0)) + log1p_(exp_(-abs_(x))); }
