// Causal attention of many tokens on tensor cores, over caches of float16: a
// block is 64 tokens of one head, a warp 16 of them, and walks the context 64
// positions at a time with a running maximum and sum. Queries and weights of
// values are float16 in two parts, which keeps float32's precision to 2^-21.
#include "attend.h"
#include "tensor.h"

// fill unpacks KEYS cached rows of int8 to float16, and their scales.
template <int D, int KEYS, class Row> DEVICE void fill(Row (&to)[KEYS], float (&scales)[KEYS][D / 32], const Attend &a, u64 cache, u64 base, int row) {
	const u16 *from = (const u16 *)(cache + (u64)a.kvHeads * a.positions * D);
	for (int c = thread(); c < KEYS * D / 16; c += 128) {
		int p = c / (D / 16), d = c % (D / 16) * 16;
		u64 at = base + (u64)least(row + p, a.positions - 1) * D + d;
		Quad q = fresh((const u8 *)cache + at);
		const u32 w[4] = {q.x, q.y, q.z, q.w};
		u32 v[8];
		UNROLL for (int i = 0; i < 8; i++) {
			// 1024 and the value above -128 are a float16 whose last bits are the value's.
			u32 both = (w[i / 2] ^ 0x80808080) >> (i % 2 * 16);
			asm("sub.f16x2 %0, %1, %2;" : "=r"(v[i]) : "r"(0x64006400 | (both & 255) | (both & 0xff00) << 8), "r"(0x64806480));
		}
		put(shared32(&to[p].v[d]), v);
		put(shared32(&to[p].v[d + 8]), v + 4);
		if (d % 32 == 0) scales[p][d / 32] = f16(((const volatile u16 *)from)[at / 32]);
	}
}

// prompt walks KEYS positions at a time. Scales of an INT8 cache meet sums over
// 32 dimensions of a key, and the weights of 32 dimensions of a value.
template <int D, int KEYS, bool INT8_CACHE> DEVICE void prompt(const Attend &a) {
	struct __attribute__((aligned(16))) Row { u16 v[D + 8]; };
	SHARED static Row keys[KEYS], values[KEYS];
	SHARED static float keyScales[KEYS][D / 32], valueScales[KEYS][D / 32];
	int lane = thread() % 32, warp = thread() / 32, head = blockY(), kv = head / (a.heads / a.kvHeads);
	int pos = positionOf(a), tokens = param(a.params, TOKENS), t0 = blockX() * 64, row = t0 + warp * 16 + lane / 4;
	const float scale = a.scale * 1.44269504f; // exponentials are of 2
	u32 qh[D / 16][4], ql[D / 16][4];
	UNROLL for (int k = 0; k < D / 16; k++) UNROLL for (int i = 0; i < 4; i++) {
		int t = least(row + i % 2 * 8, tokens - 1), d = k * 16 + i / 2 * 8 + lane % 4 * 2;
		const float *q = (const float *)a.q + (u64)t * a.qStride + head * a.dim + d;
		split(d < a.dim ? q[0] * scale : 0, d + 1 < a.dim ? q[1] * scale : 0, qh[k][i], ql[k][i]);
	}
	float o[D / 8][4], peak[2] = {-1e29f, -1e29f}, total[2] = {0, 0}; // more than the score of a position that is not seen
	UNROLL for (int i = 0; i < D / 8; i++) UNROLL for (int c = 0; c < 4; c++) o[i][c] = 0;
	u64 base = (u64)kv * a.positions * D;
	int last = pos + least(t0 + 63, tokens - 1);
	for (int block = lowest(a, pos + t0) / KEYS * KEYS; block <= last; block += KEYS) {
		int from = block % a.positions; // a ring's rows up to the block's end follow
		sync();
		if (INT8_CACHE) {
			fill<D, KEYS>(keys, keyScales, a, a.keys, base, from);
			fill<D, KEYS>(values, valueScales, a, a.values, base, from);
		} else {
			UNROLL for (int i = 0; i < KEYS * D / 8 / 128; i++) {
				int c = thread() + i * 128, p = c / (D / 8), d = c % (D / 8) * 8;
				u64 at = base + (u64)least(from + p, a.positions - 1) * D + d;
				copyAsync(shared32(&keys[p].v[d]), (const u16 *)a.keys + at);
				copyAsync(shared32(&values[p].v[d]), (const u16 *)a.values + at);
			}
			copied();
		}
		sync();
		float s[KEYS / 8][4];
		UNROLL for (int i = 0; i < KEYS / 8; i++) UNROLL for (int c = 0; c < 4; c++) s[i][c] = 0;
		UNROLL for (int n = 0; n < D / 32; n++) UNROLL for (int j = 0; j < KEYS / 16; j++) {
			float part[2][4]; // of 32 dimensions
			UNROLL for (int i = 0; i < 2; i++) UNROLL for (int c = 0; c < 4; c++) part[i][c] = INT8_CACHE ? 0 : s[j * 2 + i][c];
			UNROLL for (int k = 2 * n; k < 2 * n + 2; k++) {
				u32 b[4];
				matrices(b, shared32(&keys[j * 16 + lane / 16 * 8 + lane % 8].v[k * 16 + lane / 8 % 2 * 8]));
				UNROLL for (int i = 0; i < 2; i++) {
					mmaHalf(part[i], qh[k], b[2 * i], b[2 * i + 1]);
					mmaHalf(part[i], ql[k], b[2 * i], b[2 * i + 1]);
				}
			}
			UNROLL for (int i = 0; i < 2; i++) UNROLL for (int c = 0; c < 4; c++) {
				float &v = s[j * 2 + i][c];
				v = INT8_CACHE ? fma(part[i][c], keyScales[j * 16 + i * 8 + lane % 4 * 2 + c % 2][n], v) : part[i][c];
			}
		}
		UNROLL for (int r = 0; r < 2; r++) {
			int seen = pos + row + r * 8 - block, low = lowest(a, pos + row + r * 8) - block; // the last position of the block the token sees, and the first
			float m = peak[r];
			UNROLL for (int j = 0; j < KEYS / 8; j++) UNROLL for (int c = 0; c < 2; c++) {
				float &v = s[j][r * 2 + c];
				int p = j * 8 + lane % 4 * 2 + c;
				if (p > seen || p < low) v = -1e30f;
				m = higher(m, v);
			}
			m = most<4>(m);
			float f = exp2(peak[r] - m), sums = 0;
			peak[r] = m;
			UNROLL for (int j = 0; j < KEYS / 8; j++) UNROLL for (int c = 0; c < 2; c++) {
				float &v = s[j][r * 2 + c];
				v = exp2(v - m);
				sums += v;
			}
			total[r] = total[r] * f + sum<4>(sums);
			UNROLL for (int i = 0; i < D / 8; i++) UNROLL for (int c = 0; c < 2; c++) o[i][r * 2 + c] *= f;
		}
		UNROLL for (int k = 0; k < KEYS / 16; k++) {
			u32 ph[4], pl[4];
			UNROLL for (int j = 0; j < D / 16; j++) {
				if (INT8_CACHE ? j % 2 == 0 : j == 0)
					UNROLL for (int i = 0; i < 4; i++) {
						float v0 = s[k * 2 + i / 2][i % 2 * 2], v1 = s[k * 2 + i / 2][i % 2 * 2 + 1];
						int p = k * 16 + i / 2 * 8 + lane % 4 * 2;
						if (INT8_CACHE) v0 *= valueScales[p][j / 2], v1 *= valueScales[p + 1][j / 2];
						split(v0, v1, ph[i], pl[i]);
					}
				u32 b[4];
				turned(b, shared32(&values[k * 16 + lane % 16].v[j * 16 + lane / 16 * 8]));
				UNROLL for (int i = 0; i < 2; i++) {
					mmaHalf(o[j * 2 + i], ph, b[2 * i], b[2 * i + 1]);
					mmaHalf(o[j * 2 + i], pl, b[2 * i], b[2 * i + 1]);
				}
			}
		}
	}
	UNROLL for (int r = 0; r < 2; r++) {
		int t = row + r * 8;
		if (t >= tokens) continue;
		float *out = (float *)a.out + (u64)t * a.outStride + head * a.dim;
		UNROLL for (int i = 0; i < D / 8; i++) UNROLL for (int c = 0; c < 2; c++) {
			int d = i * 8 + lane % 4 * 2 + c;
			if (d < a.dim) out[d] = o[i][r * 2 + c] / total[r];
		}
	}
}

KERNEL BLOCK(128) prompt_attend_f16_32(Attend a) { prompt<32, 64, false>(a); }
KERNEL BLOCK(128) prompt_attend_f16_64(Attend a) { prompt<64, 64, false>(a); }
KERNEL BLOCK(128) prompt_attend_f16_128(Attend a) { prompt<128, 64, false>(a); }
KERNEL BLOCK(128) prompt_attend_q8_0_32(Attend a) { prompt<32, 32, true>(a); }
KERNEL BLOCK(128) prompt_attend_q8_0_64(Attend a) { prompt<64, 32, true>(a); }
KERNEL BLOCK(128) prompt_attend_q8_0_128(Attend a) { prompt<128, 32, true>(a); }
