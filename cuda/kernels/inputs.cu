// What stands before products: the table's rows, normalized and quantized
// activations.
#include "common.h"

struct Embed {
	u64 table, out, params;
	i32 cols, type;
};

// embed is Out[t] = Table[token t]; a block a token.
KERNEL BLOCK(256) embed(Embed a) {
	int t = blockX(), id = param(a.params, IDS + t);
	const u8 *row = (const u8 *)a.table + (u64)id * rowBytes(a.type, a.cols);
	float *out = (float *)a.out + (u64)t * a.cols;
	for (int i = thread(); i < a.cols; i += threads()) out[i] = weight(a.type, row, i);
}

enum { FLOAT = 0, INT8 = 1, INT8_34 = 2, BRAIN = 3 };

struct Prepare {
	u64 x, weight; // float32; weight 0: not normalized
	u64 out;       // [tokens][outStride] bytes
	u64 scales;    // [tokens][cols/32] of {scale, scale*sum}
	u64 params;
	i32 cols, xStride, outStride, form;
	i32 tokens, head; // head 1: rows are the pass's last, as many as logits are wanted
	float eps;
};

// prepare normalizes a token's channels and writes them as float32, as int8 with
// one scale for 32 values, or as bfloat16; a block a token. INT8_34 keeps two
// zero bytes before each 32, where Q8_0 has its scale.
KERNEL BLOCK(1024) prepare(Prepare a) {
	SHARED static float shared[32];
	int t = blockX(), from = t;
	if (a.head) {
		int rows = param(a.params, LOGITS);
		if (t >= rows) return;
		from = a.tokens - rows + t;
	}
	const float *x = (const float *)a.x + (u64)from * a.xStride, *w = (const float *)a.weight;
	float scale = 1;
	if (w) {
		float s = 0;
		for (int i = thread(); i < a.cols; i += threads()) s = fma(x[i], x[i], s);
		s = sumBlock(s, shared);
		scale = 1 / __builtin_sqrtf(s / (float)a.cols + a.eps);
	}
	u8 *out = (u8 *)a.out + (u64)t * a.outStride;
	for (int i = thread(); i < (a.cols + 31) / 32 * 32; i += threads()) {
		float v = 0;
		if (i < a.cols) {
			v = x[i];
			if (w) v = v * scale * w[i];
		}
		if (a.form == FLOAT) {
			if (i < a.cols) ((float *)out)[i] = v;
			continue;
		}
		if (a.form == BRAIN) {
			if (i < a.cols) ((u16 *)out)[i] = toBF16(v);
			continue;
		}
		float peak = most<32>(v < 0 ? -v : v), d = peak / 127;
		int q = peak > 0 ? (int)__builtin_rintf(v * (127 / peak)) : 0;
		float total = sum<32>((float)q);
		int b = i / 32, lane = i % 32;
		if (lane == 0) ((Pair *)a.scales)[(u64)t * (a.cols / 32) + b] = Pair{d, d * total};
		if (a.form == INT8) {
			out[i] = (u8)q;
		} else {
			out[b * 34 + 2 + lane] = (u8)q;
			if (lane < 2) out[b * 34 + lane] = 0;
		}
	}
}

struct GroupNorm {
	u64 x, weight; // [tokens][stride], normalized in place
	i32 stride, size;
	float eps;
};

// groupnorm is RMSNorm of each group of channels; a block a group and token.
KERNEL BLOCK(256) groupnorm(GroupNorm a) {
	SHARED static float shared[32];
	float *x = (float *)a.x + (u64)blockY() * a.stride + blockX() * a.size;
	const float *w = (const float *)a.weight + blockX() * a.size;
	float s = 0;
	for (int i = thread(); i < a.size; i += threads()) s = fma(x[i], x[i], s);
	s = sumBlock(s, shared);
	float scale = 1 / __builtin_sqrtf(s / (float)a.size + a.eps);
	for (int i = thread(); i < a.size; i += threads()) x[i] = x[i] * scale * w[i];
}
