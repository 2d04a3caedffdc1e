// Rows of a matrix with few tokens, read from memory as fast as it goes: a
// thread reads four parts of the matrix side by side, as one stream of reads
// does not fill the bus. Up to R rows, one of each part, are multiplied
// together, so that what was loaded of the activations serves them all.
#pragma once
#include "vec.h"

typedef struct {
	const uint8_t *w;     // the first part's first row
	int64_t stride, far;  // bytes from row to row, from part to part
	int64_t rows;         // of each of the 4 parts
	int64_t blocks;       // of a row
	const char *a;        // the activations of T tokens
	char *out;            // float32 of a row and a token
	int64_t ld, part;     // bytes there from token to token, from part to part
	int64_t ahead;        // bytes from the weights in use to those prefetched
	const char *begun;    // sums of the columns before these, or 0
	char *open;           // where sums go that columns after these add to, or 0
} Args;

// How many rows fit the registers beside T tokens, by how many vectors of
// constants unpacking a type takes: none, or some.
#if VB == 64
#define PLAIN_ROWS(T) (T <= 4 ? 4 : 2)
#define ROWS_WITH_CONSTANTS(T) (T <= 2 ? 4 : 2)
#elif VB == 32 && defined(__AVX512F__)
#define PLAIN_ROWS(T) (T == 1 ? 2 : 1)
#define ROWS_WITH_CONSTANTS(T) PLAIN_ROWS(T)
#elif VB == 32
#define PLAIN_ROWS(T) 1
#define ROWS_WITH_CONSTANTS(T) 1
#else
#define PLAIN_ROWS(T) (4 / T)
#define ROWS_WITH_CONSTANTS(T) (T == 1 ? 2 : 1)
#endif

// HERE keeps the compiler, for want of registers, from working out in advance
// where rows and what lies ahead of them are, and from holding the activations
// of several tokens from one row to the next.
#define HERE(T)                                     \
	if (T > 1 || VB < 64)                           \
		__asm__ volatile("" : "+r"(far) : : "memory"); \
	else                                            \
		__asm__("" : "+r"(far));

// ROWS is a kernel whose body adds the products of R = BY rows w + r*far with
// T tokens to acc[r][t]; k is the blocks of a row and q the activations.
#define ROWS(BY, NAME, T, ...)                                                       \
	KERNEL NAME##x##T(const Args *p) {                                                \
		enum { R = BY };                                                              \
		const uint8_t *row = p->w;                                                    \
		char *out = p->out;                                                           \
		int64_t rows = p->rows, far = p->far;                                         \
		const char *begun = p->begun;                                                 \
		char *open = p->open;                                                         \
		do {                                                                          \
			const uint8_t *first = row;                                               \
			char *to = out;                                                           \
			int64_t parts = 4;                                                        \
			do {                                                                      \
				const uint8_t *w = first;                                             \
				const char *q = p->a;                                                 \
				Acc acc[R][T] = {0};                                                  \
				int64_t k = p->blocks;                                                \
				if (begun) {                                                          \
					UNROLL for (int r = 0; r < R; r++)                                \
						UNROLL for (int t = 0; t < T; t++) acc[r][t] = load(Acc, begun + (r * T + t) * 64); \
					begun += R * T * 64;                                              \
				}                                                                     \
				__VA_ARGS__                                                           \
				if (open) {                                                           \
					UNROLL for (int r = 0; r < R; r++)                                \
						UNROLL for (int t = 0; t < T; t++) store(open + (r * T + t) * 64, acc[r][t]); \
					open += R * T * 64;                                               \
				} else {                                                              \
					UNROLL for (int r = 0; r < R; r++) {                              \
						char *o = to;                                                 \
						UNROLL for (int t = 0; t < T; t++) {                          \
							store(o, total(acc[r][t]));                               \
							o += p->ld;                                               \
						}                                                             \
						to += p->part;                                                \
					}                                                                 \
				}                                                                     \
				first += R * far;                                                     \
				parts -= R;                                                           \
			} while (R < 4 && parts > 0);                                             \
			out += 4;                                                                 \
			row += p->stride;                                                         \
		} while (--rows > 0);                                                         \
	}
