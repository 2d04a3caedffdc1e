// Definitions for every kernel. Compiled without contraction of a*b+c, so that a sum
// has one order and one rounding wherever it is made; where fusing is wanted
// fma() says so. common.h comes first in every text that Metal compiles.
#include <metal_stdlib>
using namespace metal;
#if defined(__METAL_VERSION__) && __METAL_VERSION__ >= 320
#pragma METAL fp contract(off)
#else
#pragma clang fp contract(off)
#endif

#define FN static inline __attribute__((always_inline))
#ifndef UNROLL
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#ifndef SHARED // a variable of a threadgroup, in a kernel's body
#define SHARED threadgroup
#endif

// TRAP is the value of weights of a type that a kernel does not know: a GPU
// cannot stop, so every sum with it becomes NaN. The stand-in stops.
#ifndef TRAP
#define TRAP NAN
#endif

// Lists of parameters are written once: GIVEN to kernels, with attributes that
// say which buffer is bound where, and PASSED on to functions.
#define GIVEN(...) [[__VA_ARGS__]]
#define PASSED(...)

// Where a thread is, at the end of the parameters.
#define PLACE(AS)                                     \
	uint3 group AS(threadgroup_position_in_grid),     \
		uint tid AS(thread_index_in_threadgroup),     \
		uint lane AS(thread_index_in_simdgroup),      \
		uint simd AS(simdgroup_index_in_threadgroup)

// The parameter block: the numbers that change from pass to pass.
enum { POS, REPLAY, LOGITS, TOKENS, SHIFT, IDS = 16 };

FN void sync() { threadgroup_barrier(mem_flags::mem_threadgroup); }

FN float half2float(ushort h) { return float(as_type<half>(h)); }
FN float brain2float(ushort h) { return as_type<float>(uint(h) << 16); }

FN float silu(float x) { return x / (1 + exp(-x)); }

// softplus is log(1+exp(x)) as max(x,0) + 2*atanh(e/(2+e)), e = exp(-|x|).
FN float softplus(float x) {
	float e = exp(x > 0 ? -x : x), s = e / (2 + e), q = s * s;
	float p = 1.0f / 17;
	p = fma(p, q, 1.0f / 15);
	p = fma(p, q, 1.0f / 13);
	p = fma(p, q, 1.0f / 11);
	p = fma(p, q, 1.0f / 9);
	p = fma(p, q, 1.0f / 7);
	p = fma(p, q, 1.0f / 5);
	p = fma(p, q, 1.0f / 3);
	p = fma(p, q, 1.0f);
	return (x > 0 ? x : 0) + 2 * s * p;
}

// sumGroup adds over a threadgroup of n threads; every thread gets it. shared
// has a place for each simdgroup.
FN float sumGroup(float v, int n, threadgroup float *shared, uint lane, uint simd) {
	v = simd_sum(v);
	if (lane == 0) shared[simd] = v;
	sync();
	return simd_sum(int(lane) < n / 32 ? shared[lane] : 0);
}
