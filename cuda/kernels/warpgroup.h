// Parts of products by a Hopper chip's warpgroups: barriers in shared memory, copies
// that end at one, and products of 64 rows by N columns, 16 deep.
#pragma once
#include "tensor.h"

DEVICE void initBarrier(u32 at, u32 count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count) : "memory"); }
DEVICE void barriersReady() { asm volatile("fence.mbarrier_init.release.cluster; fence.proxy.async;" ::: "memory"); }
DEVICE void arrive(u32 at) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory"); }
DEVICE void expect(u32 at, u32 bytes) { asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory"); }

// awaitBarrier returns when the barrier's phase of the given parity has ended.
DEVICE void awaitBarrier(u32 at, u32 parity) {
	asm volatile("{ .reg .pred done;\n"
		"again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
		"@!done bra again;\n}" ::"r"(at), "r"(parity) : "memory");
}

// copyBulk copies to shared memory and tells the barrier how many bytes came.
DEVICE void copyBulk(u32 to, u64 from, u32 bytes, u32 barrier) {
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(barrier) : "memory");
}

// descriptor is of a matrix whose rows are 128 bytes, 8 rows after another, in
// the 128-byte swizzle: 16-byte part p of row r lies at p^(r%8). 32 bytes further
// along the rows are 2 more.
DEVICE u64 descriptor(u32 at) { return (u64)((at & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

DEVICE void beginProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void commitProducts() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int n> DEVICE void awaitProducts() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(n) : "memory"); }

#define SUMS1(i) "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
#define SUMS4(i) SUMS1(i), SUMS1(i + 1), SUMS1(i + 2), SUMS1(i + 3)
#define SUMS16(i) SUMS4(i), SUMS4(i + 4), SUMS4(i + 8), SUMS4(i + 12)

// multiply adds a*b to c, whose lane i of warp w has rows 16*w+i/4 and 8 further,
// columns 8*j+i%4*2 and the next.
DEVICE void multiply(float (&c)[16][4], u64 a, u64 b) {
	asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
		"%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
		"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
		"%64, %65, 1, 1, 1, 0, 0;"
		: SUMS16(0) : "l"(a), "l"(b));
}
DEVICE void multiply(float (&c)[32][4], u64 a, u64 b) {
	asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
		"%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
		"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
		"%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
		"%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
		"%128, %129, 1, 1, 1, 0, 0;"
		: SUMS16(0), SUMS16(16) : "l"(a), "l"(b));
}
