// The best logits of every row, so that the rows themselves stay on the device.
//
// A block sorts a slice of a row and keeps its best; then a block a row sorts
// the results of the slices. The repeat penalty comes first, and the sum of the row's
// exponentials is left beside, for filters that want probabilities.
#include "common.h"

struct Rank {
	u64 logits, params, recent; // recent: the tokens before the pass, int32
	u64 keys, sums, out;        // [row][slice][KEEP], [row][slice] of {peak, sum}; see best, in host memory
	i32 vocab, tokens, slices;
};

enum { SLICE = 4096, KEEP = 128, WINDOW = 64, SORTERS = 1024 };
enum { RANKED = 5, TEMPERATURE, PENALTY, RECENT }; // of the parameter block: wanted or not, float32, float32, how many

// ordered is a key that sorts as the logit does, and of equal ones the lower
// token first; logitOf turns it back.
DEVICE u64 ordered(float v, u32 id) {
	u32 b = __builtin_bit_cast(u32, v + 0.0f);
	return (u64)(b >> 31 ? ~b : b | 0x80000000) << 32 | ~id;
}
DEVICE float logitOf(u64 key) {
	u32 b = (u32)(key >> 32);
	return bits(b >> 31 ? b & 0x7fffffff : ~b);
}

DEVICE void order(u64 *keys, int i, int j, bool down) {
	u64 a = keys[i], b = keys[j];
	if ((a < b) == down) keys[i] = b, keys[j] = a;
}

// sortRuns puts runs of KEEP keys in order, every other with the largest first.
DEVICE void sortRuns(u64 *keys) {
	for (int run = 2; run <= KEEP; run *= 2)
		for (int far = run / 2; far > 0; far /= 2) {
			sync();
			for (int k = thread(); k < SLICE / 2; k += SORTERS) {
				int i = k / far * far * 2 + k % far;
				order(keys, i, i + far, (i & run) == 0);
			}
		}
	sync();
}

// mergeRuns leaves the largest KEEP of such runs, the largest first: of two runs
// it takes the larger of the two values at one place, which are the largest of both,
// and puts them in order.
DEVICE void mergeRuns(u64 *keys) {
	for (int n = SLICE / 2; n >= KEEP; n /= 2) {
		u64 v[SLICE / 2 / SORTERS];
		UNROLL for (int m = 0; m < SLICE / 2 / SORTERS; m++) {
			int k = m * SORTERS + thread(), i = k / KEEP * KEEP * 2 + k % KEEP;
			if (k < n) v[m] = keys[i] > keys[i + KEEP] ? keys[i] : keys[i + KEEP];
		}
		sync();
		UNROLL for (int m = 0; m < SLICE / 2 / SORTERS; m++)
			if (m * SORTERS + thread() < n) keys[m * SORTERS + thread()] = v[m];
		for (int far = KEEP / 2; far > 0; far /= 2) {
			sync();
			for (int k = thread(); k < n / 2; k += SORTERS) {
				int i = k / far * far * 2 + k % far;
				order(keys, i, i + far, (i & KEEP) == 0);
			}
		}
		sync();
	}
}

// bestKey is the largest of the block's threads' keys.
DEVICE u64 bestKey(u64 key, u64 *keys) {
	keys[thread()] = key;
	for (int n = SORTERS / 2; n > 0; n /= 2) {
		sync();
		if (thread() < n && keys[thread()] < keys[thread() + n]) keys[thread()] = keys[thread() + n];
	}
	sync();
	return keys[0];
}

KERNEL BLOCK(SORTERS) rank(Rank a) {
	SHARED static u64 keys[SLICE];
	SHARED static float shared[32];
	overlap();
	await();
	int row = blockY(), rows = param(a.params, LOGITS), base = blockX() * SLICE, n = least(SLICE, a.vocab - base);
	if (row >= rows || !param(a.params, RANKED)) return;
	float temperature = bits(param(a.params, TEMPERATURE)), penalty = bits(param(a.params, PENALTY));
	const float *x = (const float *)a.logits + (u64)row * a.vocab + base;
	float lowest = bits(0xff800000); // minus infinity
	for (int i = thread(); i < SLICE; i += SORTERS) {
		float v = i < n ? x[i] : 0;
		keys[i] = i < n ? ordered(v == v ? v : lowest, base + i) : 0;
	}
	sync();
	if (penalty != 1) { // a thread a token of the window, which ends with the row's own
		int before = param(a.params, RECENT), end = before + a.tokens - rows + row + 1, from = end < WINDOW ? 0 : end - WINDOW, at = from + thread();
		if (at < end) {
			int id = at < before ? ((const i32 *)a.recent)[at] : param(a.params, IDS + at - before);
			bool first = true;
			for (int k = from; k < at; k++) first = first && id != (k < before ? ((const i32 *)a.recent)[k] : param(a.params, IDS + k - before));
			if (first && id >= base && id < base + n) {
				float v = logitOf(keys[id - base]);
				keys[id - base] = ordered(v > 0 ? v / penalty : v * penalty, id);
			}
		}
		sync();
	}
	u64 *kept = (u64 *)a.keys + ((u64)row * a.slices + blockX()) * KEEP;
	if (temperature == 0) { // the best alone
		u64 key = 0;
		for (int i = thread(); i < n; i += SORTERS) key = keys[i] > key ? keys[i] : key;
		sync();
		key = bestKey(key, keys);
		if (thread() == 0) *kept = key;
		return;
	}
	float peak = lowest, total = 0;
	for (int i = thread(); i < n; i += SORTERS) peak = higher(peak, logitOf(keys[i]));
	peak = most<32>(peak);
	if (thread() % 32 == 0) shared[thread() / 32] = peak;
	sync();
	peak = most<32>(shared[thread() % 32]);
	if (peak > lowest)
		for (int i = thread(); i < n; i += SORTERS) total += exp((logitOf(keys[i]) - peak) / temperature);
	total = sumBlock(total, shared);
	if (thread() == 0) ((Pair *)a.sums)[row * a.slices + blockX()] = Pair{peak, total};
	sortRuns(keys);
	mergeRuns(keys);
	if (thread() < KEEP) kept[thread()] = keys[thread()];
}

// best leaves of each row KEEP logits, KEEP tokens, and the sum of the row's
// exp((logit - the best) / temperature); without a temperature one of each.
KERNEL BLOCK(SORTERS) best(Rank a) {
	SHARED static u64 keys[SLICE];
	SHARED static float shared[32];
	overlap();
	await();
	int row = blockX(), all = a.slices * KEEP;
	if (row >= param(a.params, LOGITS) || !param(a.params, RANKED)) return;
	const u64 *from = (const u64 *)a.keys + (u64)row * all;
	float *out = (float *)a.out + row * (2 * KEEP + 1);
	float temperature = bits(param(a.params, TEMPERATURE));
	if (temperature == 0) {
		u64 key = 0;
		for (int i = thread(); i < a.slices; i += SORTERS) key = from[i * KEEP] > key ? from[i * KEEP] : key;
		key = bestKey(key, keys);
		if (thread() == 0) out[0] = logitOf(key), ((u32 *)out)[KEEP] = ~(u32)key;
		return;
	}
	for (int at = 0; at == 0 || at < all;) { // the slices' results are in order
		int kept = at ? KEEP : 0;            // of those before
		for (int i = kept + thread(); i < SLICE; i += SORTERS) {
			int k = at - kept + (i / KEEP % 2 ? i / KEEP * KEEP + KEEP - 1 - i % KEEP : i);
			keys[i] = k < all ? from[k] : 0;
		}
		at += SLICE - kept;
		sync();
		mergeRuns(keys);
	}
	float peak = logitOf(keys[0]), total = 0;
	for (int i = thread(); i < a.slices; i += SORTERS) {
		Pair p = ((const Pair *)a.sums)[row * a.slices + i];
		if (p.y > 0) total = fma(p.y, exp((p.x - peak) / temperature), total);
	}
	total = sumBlock(total, shared);
	if (thread() < KEEP) {
		out[thread()] = logitOf(keys[thread()]);
		((u32 *)out)[KEEP + thread()] = ~(u32)keys[thread()];
	}
	if (thread() == 0) out[2 * KEEP] = total;
}
