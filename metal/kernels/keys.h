// The best logits of a row: as keys that sort as they do, KEEP at a time in the
// registers of a simdgroup. A run is KEEP keys, the largest first; lane l has
// the four from 4l on.
#include "common.h"

enum { KEEP = 128, SIMDS = 8, THREADS = SIMDS * 32, LOWEST = 0x007fffff }; // LOWEST: of minus infinity

// ordered is a number that sorts as a logit does. Not a number counts as
// minus infinity, -0 as 0. Bits are looked at, since arithmetic may take what is
// smaller than float32's normal numbers for 0.
FN uint ordered(float v) {
	uint b = as_type<uint>(v);
	if (b << 1 > 0xff000000u) return LOWEST;
	if (b << 1 == 0) b = 0;
	return b >> 31 ? ~b : b | 0x80000000u;
}
FN float logitOf(uint v) { return as_type<float>(v >> 31 ? v & 0x7fffffffu : ~v); }

// keyOf sorts as the logit, of equal ones the lower token first; no two keys of a
// row are equal.
FN ulong keyOf(uint v, uint token) { return ulong(v) << 32 | uint(~token); }
FN uint valueOf(ulong key) { return uint(key >> 32); }
FN uint tokenOf(ulong key) { return ~uint(key); }

// order puts two keys in order, the larger first where down.
FN void order(thread ulong &a, thread ulong &b, bool down) {
	ulong x = a, y = b;
	if ((x < y) == down) a = y, b = x;
}

FN ulong across(ulong v, int mask) { return as_type<ulong>(simd_shuffle_xor(as_type<uint2>(v), ushort(mask))); }

// arrange orders a sequence that rises and then falls, or the other way, over
// the given number of lanes.
FN void arrange(thread ulong (&v)[4], int lanes, bool down, uint lane) {
	for (int far = lanes / 2; far > 0; far /= 2)
		UNROLL for (int i = 0; i < 4; i++) {
			ulong other = across(v[i], far);
			if ((v[i] < other) == (((lane & far) == 0) == down)) v[i] = other;
		}
	order(v[0], v[2], down);
	order(v[1], v[3], down);
	order(v[0], v[1], down);
	order(v[2], v[3], down);
}

// sort makes a run of any keys.
FN void sort(thread ulong (&v)[4], uint lane) {
	order(v[0], v[1], true);
	order(v[2], v[3], false);
	for (int lanes = 1; lanes <= 32; lanes *= 2) arrange(v, lanes, (lane & lanes) == 0, lane);
}

// merge leaves in v the largest of two runs: one from its beginning against the
// other from its end, the larger of each two.
FN void merge(thread ulong (&v)[4], const thread ulong (&w)[4], uint lane) {
	UNROLL for (int i = 0; i < 4; i++) {
		ulong other = across(w[3 - i], 31);
		if (v[i] < other) v[i] = other;
	}
	arrange(v, 32, true, lane);
}

// gather leaves with the first simdgroup the largest of the first n ones' runs.
// pool has a place for each.
FN void gather(thread ulong (&v)[4], int n, threadgroup ulong *pool, uint lane, uint simd) {
	for (int step = 1; step < n; step *= 2) {
		int s = simd, turn = s % (2 * step);
		if (turn == step && s < n)
			UNROLL for (int i = 0; i < 4; i++) pool[s * KEEP + i * 32 + lane] = v[i];
		sync();
		if (turn == 0 && s + step < n) {
			ulong w[4];
			UNROLL for (int i = 0; i < 4; i++) w[i] = pool[(s + step) * KEEP + i * 32 + lane];
			merge(v, w, lane);
		}
	}
}

// highest is the largest key of a simdgroup; bestOf of the threadgroup, shared has
// a place for each simdgroup.
FN ulong highest(ulong key) {
	uint v = simd_max(valueOf(key));
	return ulong(v) << 32 | simd_max(valueOf(key) == v ? uint(key) : 0u);
}
FN ulong bestOf(ulong key, threadgroup ulong *shared, uint lane, uint simd) {
	key = highest(key);
	if (lane == 0) shared[simd] = key;
	sync();
	return highest(lane < SIMDS ? shared[lane] : 0);
}
