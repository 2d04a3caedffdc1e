// What dots and tiles share of how blocks are read.
#pragma once
#include "vec.h"

// The levels of IQ4_NL, IQ4_XS and MXFP4 by their code.
#define LEVELS4 (vb16){129, 152, 173, 191, 207, 221, 234, 246, 1, 13, 25, 38, 53, 69, 89, 113}
#define LEVELSMX (vb16){0, 1, 2, 3, 4, 6, 8, 12, 0, 255, 254, 253, 252, 250, 248, 244}

// scales2 unpacks Q2_K's scales, minima2 its minima times -1.
INLINE vf16 scales2(const uint8_t *w) { return __builtin_convertvector(load(vb16, w) & 15, vf16) * f16(w + 80); }
INLINE vf16 minima2(const uint8_t *w) { return __builtin_convertvector(load(vb16, w) >> 4, vf16) * -f16(w + 82); }

// scales3 unpacks Q3_K's 16 scales of 6 bits, 32 too large.
INLINE vf16 scales3(const uint8_t *w) {
	uint64_t low = load(uint64_t, w + 96);
	uint32_t high = load(uint32_t, w + 104);
	const uint64_t fours = 0x0f0f0f0f0f0f0f0f;
	const uint32_t twos = 0x03030303;
	typedef uint64_t two __attribute__((vector_size(16)));
	typedef uint32_t four __attribute__((vector_size(16)));
	vb16 a = (vb16)(two){low & fours, low >> 4 & fours};
	vb16 b = (vb16)(four){high & twos, high >> 2 & twos, high >> 4 & twos, high >> 6 & twos};
	vc16 n = (vc16)(a | b << 4) - 32;
	return __builtin_convertvector(n, vf16) * f16(w + 108);
}
