// The Mamba-2 recurrence of many tokens, CHUNK at a time as products of
// matrices. Chunks begin at multiples of CHUNK in the text, so that a token's bits
// do not depend on where a prompt is cut. With a[t] = dt[t]*A, E(t,s) = exp(a[s+1]+...+a[t]) and S the state
// before the chunk, its outputs are
//
//	y[t] = E(t,-1)*S·c[t] + sum over s <= t of E(t,s)*(c[t]·b[s])*dt[s]*x[s]
//
// and the state after it is E(last,-1)*S + sum over s of E(last,s)*dt[s]*x[s]⊗b[s].
// Exponents are summed from s+1 to t anew for each pair, never subtracted, so
// that a long way down costs no precision.
#include "scan2.h"

enum { CHUNK = 32, WIDE = 32, PITCH = 32 }; // tokens; rows of the state; states of a slice

// A threadgroup's shared memory: a slice of b and c [CHUNK][PITCH] each, the pairs
// [CHUNK][CHUNK], x [CHUNK][WIDE], as it is and weighted for the state, outputs
// [CHUNK][WIDE]; and of each token dt, a, E(t,-1) and E(last,t); two diagonal
// matrices.
enum { TILE = CHUNK * PITCH, CHUNKED = 5 * TILE + 4 * CHUNK + 5 * 64 };

// chunked is a head and WIDE rows of its state, of which each of four simdgroups
// has eight, transposed, in registers.
template <int N> FN void chunked(threadgroup float *shared, SCAN2(PASSED)) {
	threadgroup float *bs = shared, *cs = bs + TILE, *pairs = cs + TILE, *xs = pairs + TILE, *ys = xs + TILE;
	threadgroup float *dts = ys + TILE, *steps = dts + CHUNK, *decays = steps + CHUNK, *rests = decays + CHUNK;
	threadgroup float *diagonals = rests + CHUNK; // E(t,-1) by 8 tokens, then E(last,-1)
	int head = group.y, p0 = group.x * WIDE, n = a.n, mine = simd * 8;
	int xAt = head * (a.xs / a.p) / a.heads * a.p + p0, wide = min(int(WIDE), a.p - p0);
	int bAt = head * (a.bs / n) / a.heads * n, cAt = head * (a.cs / n) / a.heads * n;
	float decay = as[head], d = ds[head], bias = biases[head];
	h += (ulong(head) * a.p + p0) * n;

	// The state behind the replayed tokens, a slice at a time through bs: [states][WIDE].
	simdgroup_float8x8 state[N / 8];
	int width = a.heads + a.xs + a.bs, replay = params[REPLAY];
	UNROLL for (int k0 = 0; k0 < N; k0 += PITCH) {
		sync();
		for (int i = tid; i < TILE; i += 128) {
			int k = k0 + i / WIDE, r = i % WIDE;
			float s = 0;
			if (k < n && r < wide) {
				s = h[ulong(r) * n + k];
				for (int u = 0; u < replay; u++) {
					device const float *l = log + ulong(u) * width;
					s = exp(l[head] * decay) * s + l[head] * l[a.heads + xAt + r] * l[a.heads + a.xs + bAt + k];
				}
			}
			bs[i] = s;
		}
		sync();
		UNROLL for (int i = 0; i < PITCH / 8; i++) simdgroup_load(state[k0 / 8 + i], bs + i * 8 * WIDE + mine, WIDE);
	}
	for (int i = tid; i < 5 * 64; i += 128) diagonals[i] = 0;
	int begin = params[POS] + params[SHIFT];
	for (int t0 = 0, live; t0 < a.tokens; t0 += live) {
		live = min(CHUNK - (begin + t0) % CHUNK, a.tokens - t0);
		for (int i = tid; i < TILE; i += 128) {
			int t = i / WIDE, r = i % WIDE;
			xs[i] = t < live && r < wide ? x[ulong(t0 + t) * a.xStride + xAt + r] : 0;
		}
		if (tid < CHUNK) {
			float step = int(tid) < live ? softplus(dt[ulong(t0 + tid) * a.dtStride + head] + bias) : 0;
			dts[tid] = step;
			steps[tid] = step * decay;
		}
		sync();
		if (simd == 0) {
			float before = 0, after = 0;
			for (int s = 0; s <= int(lane); s++) before += steps[s];
			for (int s = CHUNK - 1; s > int(lane); s--) after += steps[s];
			float e = exp(before);
			diagonals[lane / 8 * 64 + lane % 8 * 9] = e;
			decays[lane] = e;
			rests[lane] = exp(after) * dts[lane];
		}
		sync();
		if (tid < 8) diagonals[4 * 64 + tid * 9] = decays[CHUNK - 1];
		for (int i = tid; i < TILE; i += 128) ys[i] = xs[i] * rests[i / WIDE]; // the part that x adds to the state

		// Slices of states: pairs c·b of this simdgroup's tokens, outputs of its rows
		// of the state, the state after the chunk.
		simdgroup_float8x8 pair[CHUNK / 8], y[CHUNK / 8];
		UNROLL for (int i = 0; i < CHUNK / 8; i++) {
			pair[i] = make_filled_simdgroup_matrix<float, 8>(0.0f);
			y[i] = make_filled_simdgroup_matrix<float, 8>(0.0f);
		}
		UNROLL for (int k0 = 0; k0 < N; k0 += PITCH) {
			sync();
			for (int i = tid; i < TILE; i += 128) {
				int t = i / PITCH, k = k0 + i % PITCH;
				bool there = t < live && k < n;
				bs[i] = there ? b[ulong(t0 + t) * a.bStride + bAt + k] : 0;
				cs[i] = there ? c[ulong(t0 + t) * a.cStride + cAt + k] : 0;
			}
			sync();
			simdgroup_float8x8 m, w, keep;
			simdgroup_load(keep, diagonals + 4 * 64, 8);
			UNROLL for (int i = 0; i < PITCH / 8; i++) {
				simdgroup_load(m, cs + mine * PITCH + i * 8, PITCH);
				UNROLL for (int j = 0; j < CHUNK / 8; j++) {
					simdgroup_load(w, bs + j * 8 * PITCH + i * 8, PITCH, ulong2(0), true);
					simdgroup_multiply_accumulate(pair[j], m, w, pair[j]);
				}
				UNROLL for (int j = 0; j < CHUNK / 8; j++) {
					simdgroup_load(m, cs + j * 8 * PITCH + i * 8, PITCH);
					simdgroup_multiply_accumulate(y[j], m, state[k0 / 8 + i], y[j]);
				}
				simdgroup_multiply(state[k0 / 8 + i], keep, state[k0 / 8 + i]);
				UNROLL for (int j = 0; j < CHUNK / 8; j++) {
					simdgroup_load(m, bs + j * 8 * PITCH + i * 8, PITCH, ulong2(0), true);
					simdgroup_load(w, ys + j * 8 * WIDE + mine, WIDE);
					simdgroup_multiply_accumulate(state[k0 / 8 + i], m, w, state[k0 / 8 + i]);
				}
			}
		}
		UNROLL for (int j = 0; j < CHUNK / 8; j++) simdgroup_store(pair[j], pairs + mine * CHUNK + j * 8, CHUNK);
		sync();
		// A thread has a column, a token s, and eight tokens t.
		int s = lane;
		float e = 0;
		for (int t = s + 1; t < mine; t++) e += steps[t];
		for (int t = mine; t < mine + 8; t++) {
			if (t > s) e += steps[t];
			int i = t * CHUNK + s;
			pairs[i] = t < s ? 0 : pairs[i] * exp(e) * dts[s];
		}
		sync();
		UNROLL for (int i = 0; i < CHUNK / 8; i++) {
			simdgroup_float8x8 m, w;
			simdgroup_load(m, diagonals + i * 64, 8);
			simdgroup_multiply(y[i], m, y[i]);
			UNROLL for (int j = 0; j <= i; j++) {
				simdgroup_load(m, pairs + i * 8 * CHUNK + j * 8, CHUNK);
				simdgroup_load(w, xs + j * 8 * WIDE + mine, WIDE);
				simdgroup_multiply_accumulate(y[i], m, w, y[i]);
			}
			simdgroup_store(y[i], ys + i * 8 * WIDE + mine, WIDE);
		}
		sync();
		for (int i = tid; i < TILE; i += 128) {
			int t = i / WIDE, r = i % WIDE, to = head * a.p + p0 + r;
			if (t >= live || r >= wide) continue;
			out[ulong(t0 + t) * a.outStride + to] = (ys[i] + d * xs[i]) * silu(z[ulong(t0 + t) * a.zStride + to]);
		}
	}
	UNROLL for (int k0 = 0; k0 < N; k0 += PITCH) {
		sync();
		UNROLL for (int i = 0; i < PITCH / 8; i++) simdgroup_store(state[k0 / 8 + i], bs + i * 8 * WIDE + mine, WIDE);
		sync();
		for (int i = tid; i < TILE; i += 128) {
			int k = k0 + i / WIDE, r = i % WIDE;
			if (k < n && r < wide) h[ulong(r) * n + k] = bs[i];
		}
	}
}

#define CHUNKS(N)                           \
	kernel void scan2_chunk_##N(SCAN2(GIVEN)) {    \
		SHARED float shared[CHUNKED];       \
		chunked<N>(shared, WITH);           \
	}
CHUNKS(32)
CHUNKS(64)
CHUNKS(128)
