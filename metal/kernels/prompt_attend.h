// Causal attention of many tokens: a threadgroup is 32 tokens of one head, a
// simdgroup 8 of them, and walks the context 32 positions at a time with a
// running maximum and sum. Queries and outputs stay in registers as matrices.
#include "attend.h"

enum { KEYS = 32, BATCH = 32 };

// A threadgroup's shared memory: keys, then values, of a step [KEYS][D] (before, its
// queries), and of each simdgroup scores [8][KEYS] and a matrix of factors.
#define PROMPT(D) (KEYS * D + 4 * (8 * KEYS + 64))

// cached is dimension d of a row of a cache.
template <int KV, int D> FN float cached(device const uchar *cache, ulong row, int d) {
	if (KV == F32) return ((device const float *)cache)[row * D + d];
	if (KV == F16) return half2float(((device const ushort *)cache)[row * D + d]);
	device const uchar *p = cache + (row * (D / 32) + d / 32) * 34;
	return halfAt(p) * float(char(p[2 + d % 32]));
}

// rescale multiplies an output's rows by the factors.
template <int D> FN void rescale(thread simdgroup_float8x8 (&o)[D / 8], threadgroup float *factors) {
	simdgroup_float8x8 f;
	simdgroup_load(f, factors, 8);
	UNROLL for (int i = 0; i < D / 8; i++) simdgroup_multiply(o[i], f, o[i]);
}

template <int D, int KV> FN void prompt(threadgroup float *tile, ATTENTION(PASSED), PLACE(PASSED)) {
	threadgroup float *score = tile + KEYS * D + simd * (8 * KEYS + 64), *factors = score + 8 * KEYS;
	int head = group.y, kv = head / (a.heads / a.kvHeads), pos = positionOf(a, params), tokens = params[TOKENS], t0 = group.x * BATCH;
	for (int i = tid; i < BATCH * D; i += 128) {
		int t = t0 + i / D, d = i % D;
		tile[i] = t < tokens && d < a.dim ? q[ulong(t) * a.qStride + head * a.dim + d] * a.scale : 0;
	}
	factors[lane] = factors[lane + 32] = 0;
	sync();
	simdgroup_float8x8 qs[D / 8], o[D / 8];
	UNROLL for (int i = 0; i < D / 8; i++) {
		simdgroup_load(qs[i], tile + simd * 8 * D + i * 8, D);
		o[i] = make_filled_simdgroup_matrix<float, 8>(0.0f);
	}
	// Four lanes a token: every fourth position of its scores.
	int row = lane / 4, first = lane % 4, seen = pos + t0 + int(simd) * 8 + row;
	float peak = -1e29f, total = 0; // more than the score of a position that is not seen
	ulong base = ulong(kv) * a.positions;
	int last = pos + min(t0 + BATCH, tokens) - 1;
	int low = lowest(a, pos + t0), begin = lowest(a, seen); // of the threadgroup and of the token
	for (int block = low / KEYS * KEYS; block <= last; block += KEYS) {
		int from = block % a.positions - block; // a ring's rows up to the block's end follow
		sync();
		for (int i = tid; i < KEYS * D; i += 128) {
			int p = block + i / D;
			tile[i] = i % D < a.dim && p >= low && p <= last ? cached<KV, D>(keys, base + (from + p), i % D) : 0;
		}
		sync();
		UNROLL for (int j = 0; j < KEYS / 8; j++) {
			simdgroup_float8x8 s = make_filled_simdgroup_matrix<float, 8>(0.0f), k;
			UNROLL for (int i = 0; i < D / 8; i++) {
				simdgroup_load(k, tile + j * 8 * D + i * 8, D, ulong2(0), true);
				simdgroup_multiply_accumulate(s, qs[i], k, s);
			}
			simdgroup_store(s, score + j * 8, KEYS);
		}
		sync();
		for (int i = tid; i < KEYS * D; i += 128) {
			int p = block + i / D;
			tile[i] = i % D < a.dim && p >= low && p <= last ? cached<KV, D>(values, base + (from + p), i % D) : 0;
		}
		float v[KEYS / 4], before = peak, s = 0;
		UNROLL for (int j = 0; j < KEYS / 4; j++) {
			int p = first + j * 4;
			v[j] = block + p <= seen && block + p >= begin ? score[row * KEYS + p] : -1e30f;
			peak = max(peak, v[j]);
		}
		peak = max(peak, simd_shuffle_xor(peak, ushort(1)));
		peak = max(peak, simd_shuffle_xor(peak, ushort(2)));
		UNROLL for (int j = 0; j < KEYS / 4; j++) {
			v[j] = exp(v[j] - peak);
			score[row * KEYS + first + j * 4] = v[j];
			s += v[j];
		}
		s += simd_shuffle_xor(s, ushort(1));
		s += simd_shuffle_xor(s, ushort(2));
		float f = exp(before - peak);
		total = total * f + s;
		if (first == 0) factors[row * 9] = f;
		sync();
		rescale<D>(o, factors);
		UNROLL for (int j = 0; j < KEYS / 8; j++) {
			simdgroup_float8x8 w, m;
			simdgroup_load(w, score + j * 8, KEYS);
			UNROLL for (int i = 0; i < D / 8; i++) {
				simdgroup_load(m, tile + j * 8 * D + i * 8, D);
				simdgroup_multiply_accumulate(o[i], w, m, o[i]);
			}
		}
	}
	sync();
	if (first == 0) factors[row * 9] = 1 / total;
	simdgroup_barrier(mem_flags::mem_threadgroup);
	rescale<D>(o, factors);
	UNROLL for (int i = 0; i < D / 8; i++) simdgroup_store(o[i], tile + simd * 8 * D + i * 8, D);
	sync();
	for (int i = tid; i < BATCH * D; i += 128) {
		int t = t0 + i / D, d = i % D;
		if (t < tokens && d < a.dim) out[ulong(t) * a.outStride + head * a.dim + d] = tile[i];
	}
}

#define PROMPT_ATTEND(NAME, KV, D)                                                              \
	kernel void prompt_attend_##NAME##_##D(ATTENTION(GIVEN), PLACE(GIVEN)) {                                    \
		SHARED float shared[PROMPT(D)];                                                         \
		prompt<D, KV>(shared, a, params, q, keys, values, out, group, tid, lane, simd);       \
	}
