// Tensor cores, and the loads that feed them.
#pragma once
#include "common.h"

DEVICE u32 shared32(const void *p) { return (u32)(u64)(__attribute__((address_space(3))) const void *)p; }

DEVICE void copyAsync(u32 to, const void *from) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
DEVICE void copyWord(u32 to, const void *from) {
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
DEVICE void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
DEVICE void syncWarp() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// arrived waits until at most n of a warp's groups of copies are on their way.
template <int n> DEVICE void arrived() {
	asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
	syncWarp();
}
DEVICE void copied() { asm volatile("cp.async.wait_all;" ::: "memory"); }

DEVICE void put(u32 to, const u32 *v) {
	asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3]) : "memory");
}

// matrices loads four 8x8 matrices of 16-bit values, lane i the address of row
// i%8 of matrix i/8; turned transposes each.
DEVICE void matrices(u32 (&r)[4], u32 at) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}
DEVICE void turned(u32 (&r)[4], u32 at) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// Products of 16x16 and 16x8: lane i has rows i/4 and i/4+8 of a and c, columns
// i%4*2 and the next of c.
DEVICE void mmaBrain(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
DEVICE void mmaHalf(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Pairs of 16-bit floats, the first low.
DEVICE u32 pairBrain(float a, float b) {
	u32 r;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
	return r;
}
DEVICE u32 pairHalf(float a, float b) {
	u32 r;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
	return r;
}
// split gives a pair of float16 and the pair of the rests that they leave.
DEVICE void split(float a, float b, u32 &high, u32 &low) {
	high = pairHalf(a, b);
	low = pairHalf(a - f16((u16)high), b - f16((u16)(high >> 16)));
}
