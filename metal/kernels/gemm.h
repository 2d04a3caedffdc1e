// Products of matrices with many tokens: a threadgroup takes 64 rows by 32
// tokens, 32 columns at a time, unpacked to float32; of its four simdgroups each
// takes 32 rows by 16 tokens as products of 8 by 8.
#include "product.h"

enum { ROWS = 64, BATCH = 32, DEEP = 32 };

// A threadgroup's shared memory: weights [ROWS][DEEP] and activations [BATCH][DEEP]
// of a step, then products [BATCH][ROWS] and, of tokens that are normalized, a
// factor each.
enum { TILES = (ROWS + BATCH) * DEEP };

// gemm: with GATE the rows are 32 of the gate and the same of up.
template <class Type, bool GATE> FN void gemm(threadgroup float *ws, PRODUCT(PASSED)) {
	const int EACH = GATE ? ROWS / 2 : ROWS;
	int live = rowsOf(a, params, x), t0 = group.y * BATCH, r0 = group.x * EACH;
	if (t0 >= live) return;

	threadgroup float *xs = ws + ROWS * DEEP, *outs = ws, *factors = outs + BATCH * ROWS;
	// This thread unpacks half of a row's columns, and reads a quarter of a token's.
	int mine = tid / 2, h = tid % 2, bytes = Type::rowBytes(a.cols);
	device const uchar *row = GATE ? (mine < EACH ? w0 : w1) + ulong(min(r0 + mine % EACH, a.ends[0] - 1)) * bytes
	                               : rowAt(a, min(r0 + mine, a.ends[3] - 1), bytes, w0, w1, w2, w3);
	device const float *from = x + ulong(min(t0 + int(tid) / 4, live - 1)) * a.xStride;
	int quarter = tid % 4 * 8;
	float squares = 0; // of these

	simdgroup_float8x8 acc[4][2];
	UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 2; j++) acc[i][j] = make_filled_simdgroup_matrix<float, 8>(0.0f);
	int row8 = simd % 2 * 32, token8 = simd / 2 * 16;
	for (int k = 0; k * DEEP < a.cols; k++) {
		float v[16];
		Type::tile(v, row, k, h, a.cols);
		sync();
		UNROLL for (int i = 0; i < 16; i++) ws[mine * DEEP + h * 16 + i] = v[i];
		UNROLL for (int i = 0; i < 2; i++) {
			int c = quarter + i * 4, at = k * DEEP + c;
			threadgroup float *to = xs + tid / 4 * DEEP + c;
			float v[4];
			if (at + 4 <= a.cols) {
				float4 q = *(device const float4 *)(from + at);
				v[0] = q.x, v[1] = q.y, v[2] = q.z, v[3] = q.w;
			} else {
				UNROLL for (int j = 0; j < 4; j++) v[j] = at + j < a.cols ? from[at + j] : 0;
			}
			if (a.normed)
				UNROLL for (int j = 0; j < 4; j++) {
					squares = fma(v[j], v[j], squares);
					v[j] *= at + j < a.cols ? norm[at + j] : 0;
				}
			UNROLL for (int j = 0; j < 4; j++) to[j] = v[j];
		}
		sync();
		UNROLL for (int d = 0; d < DEEP / 8; d++) {
			simdgroup_float8x8 m[4], b[2];
			UNROLL for (int j = 0; j < 2; j++) simdgroup_load(b[j], xs + (token8 + j * 8) * DEEP + d * 8, DEEP, ulong2(0), true);
			UNROLL for (int i = 0; i < 4; i++) {
				simdgroup_load(m[i], ws + (row8 + i * 8) * DEEP + d * 8, DEEP);
				UNROLL for (int j = 0; j < 2; j++) simdgroup_multiply_accumulate(acc[i][j], m[i], b[j], acc[i][j]);
			}
		}
	}
	sync();
	UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 2; j++)
		simdgroup_store(acc[i][j], outs + (token8 + j * 8) * ROWS + row8 + i * 8, ROWS, ulong2(0), true);
	if (a.normed) {
		squares += simd_shuffle_xor(squares, ushort(1));
		squares += simd_shuffle_xor(squares, ushort(2));
		if (tid % 4 == 0) factors[tid / 4] = rootOf(a, squares);
	}
	sync();
	for (int i = tid; i < BATCH * EACH; i += 128) {
		int t = t0 + i / EACH, c = i % EACH, r = r0 + c;
		if (t >= live || r >= a.ends[3]) continue;
		float factor = a.normed ? factors[i / EACH] : 1, v = factor * outs[i / EACH * ROWS + c];
		if (GATE) v = silu(v) * (factor * outs[i / EACH * ROWS + EACH + c]);
		else if (a.add) v = add[ulong(t) * a.addStride + r] + v;
		out[ulong(t) * a.outStride + r] = v;
	}
}

#define GEMM(TYPE, STRUCT)                                                                            \
	kernel void gemm_##TYPE(PRODUCT(GIVEN)) {                                                                \
		SHARED float s[TILES];                                                                               \
		gemm<STRUCT, false>(s, a, params, w0, w1, w2, w3, x, norm, add, out, group, tid, lane, simd);       \
	}                                                                                                 \
	kernel void gemm_##TYPE##_gate(PRODUCT(GIVEN)) {                                                         \
		SHARED float s[TILES];                                                                               \
		gemm<STRUCT, true>(s, a, params, w0, w1, w2, w3, x, norm, add, out, group, tid, lane, simd);        \
	}
