// Unpacks nibbles, some of which choose from 16 levels (see unpack.h).
#pragma once
#include "blocks.h"
#include "unpack.h"

// codes gives the nibbles of a step's blocks, whose 16 bytes are at w and at
// w + next; table their levels.
#if VB == 64
INLINE vbh nibbles(const uint8_t *w) {
	vu4 x = load(vu4, w);
	return (vbh)SHUFFLE(x, x >> 4, 0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE vq codes(const uint8_t *w, int64_t next, int s) { return (vq)join(nibbles(w), nibbles(w + next)) & BYTES_OF(0x0f); }
INLINE vi table(vq n, vb16 t) { return (vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)t), (__m512i)n); }
#elif VB == 32
INLINE vq codes(const uint8_t *w, int64_t next, int s) {
	vu4 x = load(vu4, w);
	return (vq)SHUFFLE(x, x >> 4, 0, 1, 2, 3, 4, 5, 6, 7) & BYTES_OF(0x0f);
}
INLINE vi table(vq n, vb16 t) { return (vi)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)t), (__m256i)n); }
#else
INLINE vq codes(const uint8_t *w, int64_t next, int s) {
	vq x = load(vq, w);
	return (s ? x >> 4 : x) & BYTES_OF(0x0f);
}
INLINE vi table(vq n, vb16 t) { return (vi)vqtbl1q_u8((uint8x16_t)t, (uint8x16_t)n); }
#endif
