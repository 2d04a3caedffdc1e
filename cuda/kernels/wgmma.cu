// Products with many tokens on a Hopper chip: a block is 128 tokens by N rows of
// the matrix, 64 columns at a time. Both come as tiles of bfloat16 (tiles.cu), so
// that a warp alone copies them while two warpgroups multiply 64 tokens each.
#include "warpgroup.h"

enum { TILE_BYTES = 16384 }; // bytes: 128 rows of 64 columns

struct Wgmma {
	u64 x, w; // tiles of the tokens and of the matrix
	u64 out, add;
	i32 tokens, rows, steps; // of 64 columns
	i32 xParts, wParts;      // that a value is the sum of
	i32 outStride, addStride, pairs; // pairs 1: rows come in twos at addresses of 8
};

DEVICE void keep(const Wgmma &a, int t, int r, float v) {
	if (r >= a.rows) return;
	if (a.add) v = ((const float *)a.add)[(u64)t * a.addStride + r] + v;
	((float *)a.out)[(u64)t * a.outStride + r] = v;
}

DEVICE void keepPair(const Wgmma &a, int t, int r, float v0, float v1) {
	if (!a.pairs) {
		keep(a, t, r, v0);
		keep(a, t, r + 1, v1);
		return;
	}
	if (r >= a.rows) return;
	Pair v = Pair{v0, v1};
	if (a.add) {
		Pair old = *(const Pair *)((const float *)a.add + (u64)t * a.addStride + r);
		v = Pair{old.x + v0, old.y + v1};
	}
	*(Pair *)((float *)a.out + (u64)t * a.outStride + r) = v;
}

// wgmma multiplies the parts i of weights and j of tokens with i+j at most 2: what
// is left out is below float32's precision.
template <int N, int STAGES, bool GATE> DEVICE void wgmma(const Wgmma &a) {
	extern SHARED u8 dynamic[];
	SHARED static u64 full[STAGES], empty[STAGES];
	const u32 SIZE = TILE_BYTES + N * 128;
	u32 base = (shared32(dynamic) + 1023) & ~1023u;
	int warp = thread() / 32, lane = thread() % 32;
	if (thread() == 0) {
		for (int i = 0; i < STAGES; i++) {
			initBarrier(shared32(&full[i]), 1);
			initBarrier(shared32(&empty[i]), 8);
		}
		barriersReady();
	}
	sync();
	int stage = 0, parity = 0;
	if (warp == 8) {
		if (lane != 0) return;
		u64 x = a.x + (u64)blockX() * a.xParts * a.steps * TILE_BYTES, w = a.w + (u64)blockY() * (N / 128) * a.wParts * a.steps * TILE_BYTES;
		for (int i = a.wParts - 1; i >= 0; i--)
			for (int j = least(a.xParts - 1, 2 - i); j >= 0; j--)
				for (int k = 0; k < a.steps; k++) {
					u32 to = base + stage * SIZE, ready = shared32(&full[stage]);
					awaitBarrier(shared32(&empty[stage]), parity ^ 1);
					expect(ready, SIZE);
					copyBulk(to, x + ((u64)j * a.steps + k) * TILE_BYTES, TILE_BYTES, ready);
					UNROLL for (int n = 0; n < N / 128; n++) copyBulk(to + (1 + n) * TILE_BYTES, w + ((u64)(n * a.wParts + i) * a.steps + k) * TILE_BYTES, TILE_BYTES, ready);
					if (++stage == STAGES) stage = 0, parity ^= 1;
				}
		return;
	}
	float acc[N / 8][4];
	UNROLL for (int j = 0; j < N / 8; j++) UNROLL for (int c = 0; c < 4; c++) acc[j][c] = 0;
	int products = 0;
	for (int i = 0; i < a.wParts; i++) products += least(a.xParts, 3 - i);
	u32 before = 0;
	for (int k = 0; k < products * a.steps; k++) {
		u64 x = descriptor(base + stage * SIZE + warp / 4 * (TILE_BYTES / 2)), w = descriptor(base + stage * SIZE + TILE_BYTES);
		awaitBarrier(shared32(&full[stage]), parity);
		beginProducts();
		UNROLL for (int d = 0; d < 4; d++) multiply(acc, x + d * 2, w + d * 2);
		commitProducts();
		awaitProducts<1>();
		if (k > 0 && lane == 0) arrive(before);
		before = shared32(&empty[stage]);
		if (++stage == STAGES) stage = 0, parity ^= 1;
	}
	awaitProducts<0>();
	UNROLL for (int j = 0; j < N / 8; j++) UNROLL for (int c = 0; c < 4; c++) asm volatile("" : "+f"(acc[j][c])::"memory");
	UNROLL for (int half = 0; half < 2; half++) {
		int t = blockX() * 128 + warp * 16 + lane / 4 + half * 8;
		if (t >= a.tokens) continue;
		UNROLL for (int j = 0; j < N / 8; j++) {
			if (GATE) {
				if (j % 2) continue; // 8 rows of the gate, then 8 of up
				int r = blockY() * (N / 2) + j / 2 * 8 + lane % 4 * 2;
				keepPair(a, t, r, silu(acc[j][half * 2]) * acc[j + 1][half * 2], silu(acc[j][half * 2 + 1]) * acc[j + 1][half * 2 + 1]);
			} else {
				keepPair(a, t, blockY() * N + j * 8 + lane % 4 * 2, acc[j][half * 2], acc[j][half * 2 + 1]);
			}
		}
	}
}

KERNEL BLOCKS(288, 1) wgmma_128(Wgmma a) { wgmma<128, 6, false>(a); }
KERNEL BLOCKS(288, 1) wgmma_256(Wgmma a) { wgmma<256, 4, false>(a); }
KERNEL BLOCKS(288, 1) wgmmagate_128(Wgmma a) { wgmma<128, 6, true>(a); }
KERNEL BLOCKS(288, 1) wgmmagate_256(Wgmma a) { wgmma<256, 4, true>(a); }
