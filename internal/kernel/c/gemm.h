// Products of a tile of weights with many tokens, for prompts.
//
// A tile is 2 times LANES rows, unpacked once: for every block of 32 columns,
// 8 quads of columns times 2 groups of rows times LANES rows times 4 bytes, then
// for each row a scale, then (where the type has them) a constant. Rows are
// lanes, so that no sum crosses lanes; G tokens go through together.
//
// Their activations: for every 32 columns, G times 32 int8, then for each token
// one of these: its scale, -128 times the sum of the int8, scale times that sum
// (float32 both but the second), and -32 times the sum of each half.
#pragma once
#include "group.h"

#define SPLAT(p) ((vi){0} + load(int32_t, p))

#define EACH UNROLL for (int t = 0; t < G; t++) UNROLL for (int g = 0; g < 2; g++)

// HEAD and TAIL stand around the loop over blocks.
#define HEAD(NAME)                                                             \
	KERNEL NAME(const GemmArgs *p) {                                               \
		const char *a = p->a, *add = (const char *)p->add;                     \
		char *out = (char *)p->out;                                            \
		const char *next = p->next;                                            \
		int64_t groups = p->groups;                                            \
		do {                                                                   \
			OUTPUTS                                                            \
			const char *w = p->tile, *q = a;                                   \
			int64_t k = p->blocks;                                             \
			vf acc[G][2] = {0};                                                \
			do {                                                               \
				__builtin_prefetch(next, 0, 2);                                \
				next += p->step;
#define TAIL(BYTES)                                                            \
				w += BYTES;                                                    \
				q += 52 * G;                                                   \
			} while (--k > 0);                                                 \
			FINISH                                                             \
			a += p->groupA;                                                    \
		} while (--groups > 0);                                                \
	}

// PRODUCTS adds N quads from FROM to the integer sums n.
#define PRODUCTS(DOT, FROM, N)                                                 \
	UNROLL for (int c = FROM; c < FROM + N; c++) {                             \
		vq u[2] = {load(vq, w + 2 * c * VB), load(vq, w + (2 * c + 1) * VB)};  \
		UNROLL for (int t = 0; t < G; t++) {                                   \
			vi b = SPLAT(q + 32 * t + 4 * c);                                  \
			UNROLL for (int g = 0; g < 2; g++) n[t][g] = DOT(n[t][g], u[g], b); \
		}                                                                      \
	}

// SCALED adds the integer sums, times the rows' scales at S, times the tokens'.
#define SCALED(S)                                                              \
	{                                                                          \
		vf s[2] = {load(vf, w + S), load(vf, w + S + VB)};                     \
		UNROLL for (int t = 0; t < G; t++) {                                   \
			vf b = splat(load(float, q + 32 * G + 4 * t));                     \
			UNROLL for (int g = 0; g < 2; g++) acc[t][g] = fma_(tofloat(n[t][g]) * s[g], b, acc[t][g]); \
		}                                                                      \
	}

// CONSTANT adds the rows' constants at S times the tokens' sums.
#define CONSTANT(S)                                                            \
	{                                                                          \
		vf s[2] = {load(vf, w + S), load(vf, w + S + VB)};                     \
		UNROLL for (int t = 0; t < G; t++) {                                   \
			vf b = splat(load(float, q + 40 * G + 4 * t));                     \
			UNROLL for (int g = 0; g < 2; g++) acc[t][g] = fma_(s[g], b, acc[t][g]); \
		}                                                                      \
	}
