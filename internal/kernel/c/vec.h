// Vectors of the width the target has, and the few operations that differ.
//
// Every sum of the kernels is made in 16 lanes whatever the width: N16 vectors
// of LANES lanes stand for them. So all instruction sets give the same bits.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

#if defined(__AVX512F__) && !defined(NARROW)
#define VB 64
#elif defined(__x86_64__)
#define VB 32
#else
#define VB 16
#endif
#define LANES (VB / 4)
#define N16 (16 / LANES)

typedef float vf __attribute__((vector_size(VB)));
typedef int32_t vi __attribute__((vector_size(VB)));
typedef uint64_t vq __attribute__((vector_size(VB)));
typedef uint32_t vu __attribute__((vector_size(VB)));
typedef uint32_t vuh __attribute__((vector_size(VB / 2))); // half as wide
typedef uint32_t vu4 __attribute__((vector_size(16)));
typedef uint32_t vu8 __attribute__((vector_size(32)));
typedef int32_t vi8 __attribute__((vector_size(32)));
typedef int32_t vi16 __attribute__((vector_size(64)));
typedef uint64_t vq4 __attribute__((vector_size(32)));
typedef float vf4 __attribute__((vector_size(16)));
typedef float vf8 __attribute__((vector_size(32)));
typedef float vf16 __attribute__((vector_size(64)));
typedef uint8_t vb16 __attribute__((vector_size(16)));
typedef int8_t vc16 __attribute__((vector_size(16)));

// Acc is 16 lanes.
typedef struct { vf v[N16]; } Acc;

// A KERNEL may use every register and no stack, so that Go can call it as a
// function without a frame and unwind a fault inside it.
#define KERNEL __attribute__((preserve_none)) void
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define SHUFFLE __builtin_shufflevector
#define BYTES_OF(x) (0x0101010101010101 * (uint64_t)(x))

// load and store take any address.
#define load(T, p) ({ T v_; __builtin_memcpy(&v_, (p), sizeof v_); v_; })
#define store(p, v) ({ __typeof__(v) v_ = (v); __builtin_memcpy((p), &v_, sizeof v_); })

INLINE float f16(const void *p) { return (float)load(_Float16, p); }

// splat repeats a float; as an integer, since 0 + x is an addition for floats.
INLINE vf splat(float x) {
	union { float f; int32_t i; } u = {x};
	return (vf)((vi){0} + u.i);
}
INLINE vf tofloat(vi x) { return __builtin_convertvector(x, vf); }

// fma_ is a*b + c, rounded once.
INLINE vf fma_(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

// total adds the lanes: 16 to 8 to 4 to 2 to 1.
INLINE float total(Acc a) {
#if N16 == 4
	vf4 x = (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
#else
#if N16 == 1
	vf8 h = SHUFFLE(a.v[0], a.v[0], 0, 1, 2, 3, 4, 5, 6, 7) + SHUFFLE(a.v[0], a.v[0], 8, 9, 10, 11, 12, 13, 14, 15);
#else
	vf8 h = a.v[0] + a.v[1];
#endif
	vf4 x = SHUFFLE(h, h, 0, 1, 2, 3) + SHUFFLE(h, h, 4, 5, 6, 7);
#endif
	return (x[0] + x[2]) + (x[1] + x[3]);
}

// part is vector i of 16 lanes.
INLINE vf part(vf16 s, int i) {
#if N16 == 1
	return s;
#elif N16 == 2
	return i ? SHUFFLE(s, s, 8, 9, 10, 11, 12, 13, 14, 15) : SHUFFLE(s, s, 0, 1, 2, 3, 4, 5, 6, 7);
#else
	return i == 0 ? SHUFFLE(s, s, 0, 1, 2, 3) : i == 1 ? SHUFFLE(s, s, 4, 5, 6, 7) : i == 2 ? SHUFFLE(s, s, 8, 9, 10, 11) : SHUFFLE(s, s, 12, 13, 14, 15);
#endif
}

// dotU adds to each lane the sum of its four products of bytes of w, 0 to 127,
// and signed bytes of a.
INLINE vi dotU(vi acc, vq w, vi a) {
#if defined(__ARM_NEON)
	return (vi)vdotq_s32((int32x4_t)acc, (int8x16_t)w, (int8x16_t)a);
#elif VB == 64
	return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, (__m512i)a);
#elif defined(__AVX512VNNI__)
	return (vi)_mm256_dpbusd_epi32((__m256i)acc, (__m256i)w, (__m256i)a);
#elif defined(__AVXVNNI__)
	return (vi)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)w, (__m256i)a);
#else
	__m256i s = _mm256_maddubs_epi16((__m256i)w, (__m256i)a);
	return acc + (vi)_mm256_madd_epi16(s, _mm256_set1_epi16(1));
#endif
}

// dotS is the same for signed bytes of w, passed through biased. Where the
// machine wants them unsigned (FIX) they are 128 too large, and acc must begin
// with -128 times the sum of the lane's a.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define FIX 1
#else
#define FIX 0
#endif
INLINE vq biased(vq w) { return FIX ? w ^ BYTES_OF(0x80) : w; }
INLINE vi dotS(vi acc, vq w, vi a) {
#if FIX || defined(__ARM_NEON)
	return dotU(acc, w, a);
#else
	__m256i s = _mm256_sign_epi8((__m256i)a, (__m256i)w);
	s = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)w), s);
	return acc + (vi)_mm256_madd_epi16(s, _mm256_set1_epi16(1));
#endif
}

// scales45 unpacks Q4_K's and Q5_K's header: two float16, and 6 bits for each of
// 8 scales and 8 minima. Gives the scales, and the minima times -1.
INLINE vf16 scales45(const uint8_t *w) {
	vu4 v = load(vu4, w), ab = SHUFFLE(v, v, 1, 2, 1, 2), c = SHUFFLE(v, v, 3, 3, 3, 3);
	vu4 lo = ab & 0x3f3f3f3f, hi = (ab >> 2 & 0x30303030) | (c >> (vu4){0, 0, 0, 4} & 0x0f0f0f0f);
	vb16 n = (vb16)SHUFFLE(lo, hi, 0, 6, 1, 7);
	vf4 d = {f16(w), -f16(w + 2)};
	return __builtin_convertvector(n, vf16) * SHUFFLE(d, d, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
}
