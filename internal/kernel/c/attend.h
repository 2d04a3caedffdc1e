// What attention's kernels share: how a cache's blocks and their scores lie.
#pragma once
#include "math.h"

#define STRIP 32
#define STRIDE 528 // float32 from row to row of a and of scores: a power of two would share cache sets

typedef _Float16 vh __attribute__((vector_size(VB / 2)));

// spread repeats the float32 at p over all lanes. As integers: 0 + x of floats is
// an addition to the compiler, because of -0.
INLINE vf spread(const float *p) { return (vf)((vi){0} + load(int32_t, p)); }
INLINE vf f32s(const char *w) { return load(vf, w); }
INLINE vf f16s(const char *w) { return __builtin_convertvector(load(vh, w), vf); }

// Row is the softmax of one query as far as it has come.
typedef struct {
	float max, sum; // of the scores; of e^(score - max)
	float factor;   // what to multiply earlier results with
	int32_t seen;   // columns of this block that count
} Row;

typedef struct {
	const float *a;  // [rows][STRIDE]
	const char *b;   // strips
	int64_t k;       // of a and b used
	int64_t strips;
	int64_t strip;   // bytes from strip to strip
	float *c;        // [rows], strip s's results at 32*s
	int64_t ld;      // bytes from row to row of c
	const Row *rows; // c starts as c times their factor; null: as 0
	const char *end, *next; // what to fetch after b's end
	int64_t ahead;
	float *work;     // [12][STRIP], for int8 values
} MulArgs;
