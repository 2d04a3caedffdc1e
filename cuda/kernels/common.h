// Definitions for every kernel. There are no CUDA headers: thread numbers, shuffles
// and conversions are builtins of the compiler or PTX. Compiled without
// contraction of a*b+c, so that a sum has one order and one rounding wherever
// it is made; where fusing is wanted fma() says so.
#pragma once

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;

#define KERNEL extern "C" __attribute__((global)) void
#define DEVICE static __attribute__((device)) __attribute__((always_inline)) inline
#define SHARED __attribute__((shared))
#define BLOCK(n) __attribute__((launch_bounds(n)))
#define BLOCKS(n, blocks) __attribute__((launch_bounds(n, blocks)))
#define UNROLL _Pragma("unroll")

struct __attribute__((aligned(16))) Quad { u32 x, y, z, w; };
struct __attribute__((aligned(16))) Four { float x, y, z, w; };
struct __attribute__((aligned(8))) Pair { float x, y; };

DEVICE u32 thread() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE u32 threads() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE u32 blockX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE u32 blockY() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE u32 blockZ() { return __nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE u32 blocksX() { return __nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE void sync() { __syncthreads(); }

// trap ends the launch with an error: a kernel does so where a number means
// nothing to it.
DEVICE void trap() { __builtin_trap(); }

// From chips of 9.0 on launches overlap: a kernel lets the next one start as
// soon as all its own blocks run, and waits for the one before only where it
// needs the data that it wrote, its weights already on their way. These are comments,
// which the host turns into instructions for such chips; elsewhere one launch
// follows the other. Every block awaits before it writes and before it ends.
DEVICE void overlap() { asm volatile("// griddepcontrol.launch_dependents;" ::: "memory"); }
DEVICE void await() { asm volatile("// griddepcontrol.wait;" ::: "memory"); }

// The parameter block: the numbers that change from pass to pass.
enum { POS, REPLAY, LOGITS, TOKENS, IDS = 16 };
DEVICE i32 param(u64 params, int i) { return ((const volatile i32 *)params)[i]; }

DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE float lower(float a, float b) { return a < b ? a : b; }
DEVICE float higher(float a, float b) { return a > b ? a : b; }
DEVICE int least(int a, int b) { return a < b ? a : b; }

DEVICE float shuffle(float v, int mask) {
	float r;
	asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=f"(r) : "f"(v), "r"(mask));
	return r;
}

// sum adds over groups of n lanes, n a power of two; every lane gets it.
template <int n> DEVICE float sum(float v) {
	UNROLL for (int m = n / 2; m > 0; m /= 2) v += shuffle(v, m);
	return v;
}
template <int n> DEVICE float most(float v) {
	UNROLL for (int m = n / 2; m > 0; m /= 2) v = higher(v, shuffle(v, m));
	return v;
}

// sumBlock adds over the block's threads, at most 1024; every thread gets it.
DEVICE float sumBlock(float v, float *shared) {
	v = sum<32>(v);
	sync();
	if (thread() % 32 == 0) shared[thread() / 32] = v;
	sync();
	return sum<32>(thread() % 32 < threads() / 32 ? shared[thread() % 32] : 0);
}

DEVICE int dp4a(u32 a, u32 b, int c) {
	int r;
	asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
	return r;
}

DEVICE float f16(u16 h) {
	float r;
	asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(h));
	return r;
}
DEVICE u16 toF16(float v) {
	u16 r;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(v));
	return r;
}
DEVICE float bits(u32 v) { return __builtin_bit_cast(float, v); }
DEVICE float bf16(u16 h) { return bits((u32)h << 16); }
DEVICE u16 toBF16(float v) { // to nearest, ties to even; no NaN comes here
	u32 b = __builtin_bit_cast(u32, v);
	return (u16)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

// Loads of data that no launch writes: weights.
DEVICE Quad quad(const void *p) {
	Quad r;
	asm volatile("ld.global.nc.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w) : "l"(p));
	return r;
}
DEVICE u32 whole(const void *p) {
	u32 r;
	asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(r) : "l"(p));
	return r;
}
DEVICE u32 half(const void *p) {
	u16 r;
	asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(r) : "l"(p));
	return r;
}

// Loads of data that earlier launches wrote.
DEVICE Quad fresh(const void *p) {
	Quad r;
	asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w) : "l"(p) : "memory");
	return r;
}
DEVICE Pair pair(const void *p) {
	Pair r;
	asm volatile("ld.global.v2.f32 {%0,%1}, [%2];" : "=f"(r.x), "=f"(r.y) : "l"(p) : "memory");
	return r;
}

DEVICE float exp2(float x) {
	float r;
	asm("ex2.approx.f32 %0, %1;" : "=f"(r) : "f"(x));
	return r;
}

// exp is right to a few units of the last place: the whole part of x*log2(e) is
// taken off before the hardware's exponential, which keeps absolute precision.
DEVICE float exp(float x) {
	x = lower(higher(x, -104.0f), 88.7f);
	float k = __builtin_rintf(x * 1.44269504f);
	float f = fma(x, 1.92596299e-8f, fma(x, 1.44269502f, -k));
	return exp2(f) * exp2(k);
}

DEVICE float silu(float x) { return x / (1 + exp(-x)); }

// softplus is log(1+exp(x)) as max(x,0) + 2*atanh(e/(2+e)), e = exp(-|x|).
DEVICE float softplus(float x) {
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

// scaleMin unpacks sub-block i's 6-bit scale and minimum of Q4_K and Q5_K from
// the header's last three words.
DEVICE void scaleMin(u32 a, u32 b, u32 c, int i, u32 &scale, u32 &min) {
	int s = i % 4 * 8;
	if (i < 4) {
		scale = a >> s & 63;
		min = b >> s & 63;
	} else {
		scale = (c >> s & 15) | (a >> (s + 6) & 3) << 4;
		min = (c >> (s + 4) & 15) | (b >> (s + 6) & 3) << 4;
	}
}

DEVICE u32 permute(u32 a, u32 b, u32 select) {
	u32 r;
	asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(select));
	return r;
}

DEVICE u32 word(const u8 *p) { return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24; }

// Forms of a product's input.
enum { FLOAT = 0, INT8 = 1, INT8_34 = 2, BRAIN = 3, TILE = 4 };

// Quantized is where int8 activations go: rows of stride bytes, and for each 32
// {scale, scale*sum}. INT8_34 keeps two zero bytes before each 32, where Q8_0
// has its scale. TILE lays stride tokens beside each other, 32 values of each,
// and their scales alike.
struct Quantized {
	u64 out, scales;
	i32 stride, form, blocks; // blocks of 32 a row
};

// quantize writes a warp's 32 values as block b of token t.
DEVICE void quantize(const Quantized &a, int t, int b, float v) {
	int lane = thread() % 32;
	float peak = most<32>(v < 0 ? -v : v);
	int q = peak > 0 ? (int)__builtin_rintf(v * (127 / peak)) : 0;
	float total = sum<32>((float)q), d = peak / 127;
	if (a.form == TILE) {
		u64 at = (u64)(t / a.stride * a.blocks + b) * a.stride + t % a.stride;
		if (lane == 0) ((Pair *)a.scales)[at] = Pair{d, d * total};
		((u8 *)a.out)[at * 32 + lane] = (u8)q;
		return;
	}
	u8 *out = (u8 *)a.out + (u64)t * a.stride;
	if (lane == 0) ((Pair *)a.scales)[(u64)t * a.blocks + b] = Pair{d, d * total};
	if (a.form == INT8) {
		out[b * 32 + lane] = (u8)q;
		return;
	}
	out[b * 34 + 2 + lane] = (u8)q;
	if (lane < 2) out[b * 34 + lane] = 0;
}
