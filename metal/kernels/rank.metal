// The best logits of every row, so that the host need not look at the rest.
//
// A threadgroup finds the best of a slice of a row; then a threadgroup a row
// merges the slices' results. The repeat penalty comes first, and the sum of the
// row's exponentials is left beside, for filters that want probabilities.
#include "keys.h"

struct Rank {
	int vocab, tokens, slices;
	int recent; // where in the parameters the tokens before the pass begin
};

enum { SLICE = 4096, EACH = SLICE / THREADS, WINDOW = 64 }; // EACH: logits of a thread
enum { TEMPERATURE = 6, PENALTY, RECENT };                  // of the parameters: float32, float32, how many

// recentAt is token k of a text: the recent tokens, before in number, and then
// the tokens of the pass.
FN int recentAt(constant Rank &a, device const int *params, int before, int k) {
	return params[k < before ? a.recent + k : IDS + k - before];
}

// penalize changes those of a slice's values whose tokens are among the last
// WINDOW up to the row's own: a thread a token, of equal ones the first.
FN void penalize(threadgroup uint *values, constant Rank &a, device const int *params, int row, int base, int n, int tid) {
	int before = params[RECENT], end = before + a.tokens - params[LOGITS] + row + 1, from = max(0, end - int(WINDOW)), at = from + tid;
	if (at >= end) return;
	int token = recentAt(a, params, before, at);
	for (int k = from; k < at; k++)
		if (recentAt(a, params, before, k) == token) return;
	if (token < base || token >= base + n) return;
	float v = logitOf(values[token - base]), penalty = as_type<float>(params[PENALTY]);
	values[token - base] = ordered(v > 0 ? v / penalty : v * penalty);
}

kernel void rank(constant Rank &a [[buffer(0)]], device const int *params [[buffer(1)]], device const float *logits [[buffer(2)]],
	device ulong *keys [[buffer(3)]], device float *sums [[buffer(4)]], PLACE(GIVEN)) {
	SHARED ulong pool[SLICE / 2], peaks[SIMDS];
	SHARED float shared[SIMDS];
	SHARED uint counts[SIMDS];
	int row = group.y, base = group.x * SLICE, n = min(int(SLICE), a.vocab - base);
	if (row >= params[LOGITS]) return;
	float temperature = as_type<float>(params[TEMPERATURE]);
	device const float *x = logits + ulong(row) * a.vocab + base;
	uint v[EACH];
	UNROLL for (int k = 0; k < EACH; k++) {
		int i = k * THREADS + tid;
		v[k] = i < n ? ordered(x[i]) : 0;
	}
	if (as_type<float>(params[PENALTY]) != 1) {
		threadgroup uint *values = (threadgroup uint *)pool;
		UNROLL for (int k = 0; k < EACH; k++) values[k * THREADS + tid] = v[k];
		sync();
		penalize(values, a, params, row, base, n, tid);
		sync();
		UNROLL for (int k = 0; k < EACH; k++) v[k] = values[k * THREADS + tid];
	}
	ulong top = 0;
	UNROLL for (int k = 0; k < EACH; k++) {
		ulong key = keyOf(v[k], base + k * THREADS + tid);
		if (top < key) top = key;
	}
	ulong best = bestOf(top, peaks, lane, simd);
	int slice = row * a.slices + group.x;
	if (temperature == 0) { // the best alone
		if (tid == 0) keys[ulong(slice) * KEEP] = best;
		return;
	}
	float peak = logitOf(valueOf(best)), total = 0;
	UNROLL for (int k = 0; k < EACH; k++)
		if (v[k] > LOWEST) total += exp((logitOf(v[k]) - peak) / temperature);
	total = sumGroup(total, THREADS, shared, lane, simd);
	if (tid == 0) sums[2 * slice] = peak, sums[2 * slice + 1] = total;

	// The KEEP largest of the threads' best are a bound: no smaller key is among
	// the KEEP largest of all, and those that are not smaller lie with KEEP threads,
	// so that pool has room for them; mostly they are not many more than KEEP.
	ulong w[4];
	pool[tid] = top;
	sync();
	if (simd < 2) {
		UNROLL for (int i = 0; i < 4; i++) w[i] = pool[simd * KEEP + i * 32 + lane];
		sort(w, lane);
	}
	gather(w, 2, pool, lane, simd);
	if (tid == 31) peaks[0] = w[3];
	sync();
	ulong bound = peaks[0];
	uint count = 0;
	UNROLL for (int k = 0; k < EACH; k++) count += keyOf(v[k], base + k * THREADS + tid) >= bound;
	uint at = simd_prefix_exclusive_sum(count), all = 0;
	if (lane == 31) counts[simd] = at + count;
	sync();
	for (uint s = 0; s < SIMDS; s++) {
		if (s < simd) at += counts[s];
		all += counts[s];
	}
	UNROLL for (int k = 0; k < EACH; k++) {
		ulong key = keyOf(v[k], base + k * THREADS + tid);
		if (key >= bound) pool[at++] = key;
	}
	int runs = (all + KEEP - 1) / KEEP;
	for (int i = all + tid; i < runs * KEEP; i += THREADS) pool[i] = 0;
	sync();
	for (int run = simd; run < runs; run += SIMDS) {
		ulong u[4];
		UNROLL for (int i = 0; i < 4; i++) u[i] = pool[run * KEEP + i * 32 + lane];
		sort(u, lane);
		if (run >= SIMDS) merge(u, w, lane);
		UNROLL for (int i = 0; i < 4; i++) w[i] = u[i];
	}
	gather(w, min(runs, int(SIMDS)), pool, lane, simd);
	if (simd == 0)
		UNROLL for (int i = 0; i < 4; i++) keys[ulong(slice) * KEEP + lane * 4 + i] = w[i];
}

// rank_best leaves of each row KEEP logits, KEEP tokens, and the sum of the row's
// exp((logit - the best) / temperature); without a temperature one of each.
kernel void rank_best(constant Rank &a [[buffer(0)]], device const int *params [[buffer(1)]], device const ulong *keys [[buffer(2)]],
	device const float *sums [[buffer(3)]], device uint *out [[buffer(4)]], PLACE(GIVEN)) {
	SHARED ulong pool[SIMDS * KEEP], peaks[SIMDS];
	int row = group.x;
	if (row >= params[LOGITS]) return;
	float temperature = as_type<float>(params[TEMPERATURE]);
	keys += ulong(row) * a.slices * KEEP;
	sums += row * a.slices * 2;
	out += row * (2 * KEEP + 1);
	if (temperature == 0) {
		ulong top = 0;
		for (int i = tid; i < a.slices; i += THREADS)
			if (top < keys[ulong(i) * KEEP]) top = keys[ulong(i) * KEEP];
		top = bestOf(top, peaks, lane, simd);
		if (tid == 0) out[0] = as_type<uint>(logitOf(valueOf(top))), out[KEEP] = tokenOf(top);
		return;
	}
	ulong w[4];
	for (int run = simd; run < a.slices; run += SIMDS) {
		ulong u[4];
		UNROLL for (int i = 0; i < 4; i++) u[i] = keys[ulong(run) * KEEP + lane * 4 + i];
		if (run >= SIMDS) merge(u, w, lane);
		UNROLL for (int i = 0; i < 4; i++) w[i] = u[i];
	}
	gather(w, min(a.slices, int(SIMDS)), pool, lane, simd);
	if (simd > 0) return;
	UNROLL for (int i = 0; i < 4; i++) {
		out[lane * 4 + i] = as_type<uint>(logitOf(valueOf(w[i])));
		out[KEEP + lane * 4 + i] = tokenOf(w[i]);
	}
	float peak = simd_broadcast(logitOf(valueOf(w[0])), 0), total = 0;
	for (int i = lane; i < a.slices; i += 32)
		if (sums[2 * i + 1] > 0) total = fma(sums[2 * i + 1], exp((sums[2 * i] - peak) / temperature), total);
	total = simd_sum(total);
	if (lane == 0) out[2 * KEEP] = as_type<uint>(total);
}
