// How a block of the Mamba-2 recurrence holds a state.
#pragma once
#include "scan2.h"

enum { ROWS = 16, LANES = 8 };

// A block is ROWS rows of a head's state, LANES threads a row, K states a
// thread in registers: V neighbours, then LANES*V further on.
template <int K> struct State {
	static const int V = K < 4 ? K : 4;
	DEVICE int at(int lane, int j) { return j / V * LANES * V + lane * V + j % V; }
};

// held reads a thread's states of a row of n, keep writes them. Rows without a
// remainder go 16 bytes at a time: four times fewer sectors than word by word.
template <int K> DEVICE void held(float (&s)[K], const float *row, int lane, int n) {
	if constexpr (K >= 4)
		if (n == LANES * K) {
			UNROLL for (int j = 0; j < K; j += 4) {
				Four v = *(const Four *)(row + State<K>::at(lane, j));
				s[j] = v.x, s[j + 1] = v.y, s[j + 2] = v.z, s[j + 3] = v.w;
			}
			return;
		}
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		s[j] = k < n ? row[k] : 0;
	}
}
template <int K> DEVICE void keep(const float (&s)[K], float *row, int lane, int n) {
	if constexpr (K >= 4)
		if (n == LANES * K) {
			UNROLL for (int j = 0; j < K; j += 4) *(Four *)(row + State<K>::at(lane, j)) = Four{s[j], s[j + 1], s[j + 2], s[j + 3]};
			return;
		}
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		if (k < n) row[k] = s[j];
	}
}

template <int K> DEVICE void advance(float (&s)[K], float decay, float u, const float (&b)[K]) {
	UNROLL for (int j = 0; j < K; j++) s[j] = decay * s[j] + u * b[j];
}
template <int K> DEVICE void advance(float (&s)[K], float decay, float u, const float *b, int lane, int n) {
	float v[K];
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		v[j] = k < n ? b[k] : 0;
	}
	advance<K>(s, decay, u, v);
}

// replayed takes a row's state of n through the log's kept tokens, of which head
// is the row's, xAt its channel of x and bAt where its head of B begins; aligned
// are logs whose every part is a multiple of 16 bytes.
template <int K, bool aligned> DEVICE void replayed(float (&s)[K], const Scan2 &a, int replay, int head, float A, int xAt, int bAt, int lane, int n) {
	int width = a.heads + a.xs + a.bs;
	for (int r = 0; r < replay; r++) {
		const float *l = (const float *)a.log + (u64)r * width, *b = l + a.heads + a.xs + bAt;
		float decay = exp(l[head] * A), u = l[head] * l[a.heads + xAt];
		if constexpr (aligned) {
			float v[K];
			held<K>(v, b, lane, n);
			advance<K>(s, decay, u, v);
		} else {
			advance<K>(s, decay, u, b, lane, n);
		}
	}
}
