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

template <int K> DEVICE void advance(float (&s)[K], float decay, float u, const float *b, int lane, int n) {
	UNROLL for (int j = 0; j < K; j++) {
		int k = State<K>::at(lane, j);
		s[j] = decay * s[j] + u * (k < n ? b[k] : 0);
	}
}
