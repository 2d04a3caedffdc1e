// The work before products: the parameter block, the table's rows, normalized
// and quantized activations.
#include "types.h"

struct Load {
	u64 from, to; // from: host memory
	i32 words;
};

// load_params copies the parameter block to the device, as the first launch of a
// pass. A copy in its place takes as long (H200). The launch after it must not
// overlap: those that follow read the block before they wait.
KERNEL BLOCK(256) load_params(Load a) {
	int i = blockX() * 256 + thread();
	if (i < a.words) ((i32 *)a.to)[i] = param(a.from, i);
}

struct Embed {
	u64 table, out, params;
	i32 cols, type;
};

// embed is Out[t] = Table[token t]; a block a token.
KERNEL BLOCK(256) embed(Embed a) {
	overlap();
	await();
	int t = blockX(), id = param(a.params, IDS + t);
	const u8 *row = (const u8 *)a.table + (u64)id * rowBytes(a.type, a.cols);
	float *out = (float *)a.out + (u64)t * a.cols;
	for (int i = thread(); i < a.cols; i += threads()) out[i] = weight(a.type, row, i);
}

struct Prepare {
	u64 x, weight; // float32; weight 0: not normalized
	u64 params, squares; // of TILE with a norm: a sum of squares for each 32
	Quantized to;        // as float32 and bfloat16 too
	i32 cols, xStride, share; // columns of a block, a multiple of 32
	i32 tokens, head; // head 1: rows are the pass's last, as many as logits are wanted
	float eps;
};

// prepare normalizes a token's channels and writes them as float32, as int8 with
// one scale for 32 values, or as bfloat16; blocks of share columns for each
// token, which all add up the whole token's squares.
KERNEL BLOCK(256) prepare(Prepare a) {
	SHARED static float shared[32];
	overlap();
	await();
	int t = blockY(), from = t;
	if (a.head) {
		int rows = param(a.params, LOGITS);
		if (t >= rows) return;
		from = a.tokens - rows + t;
	}
	const float *x = (const float *)a.x + (u64)from * a.xStride, *w = (const float *)a.weight;
	float scale = 1;
	if (a.to.form == TILE) { // the norm's scale is left to the product
		for (int i = blockX() * a.share + thread(); i < least((blockX() + 1) * a.share, a.cols); i += 256) {
			float v = x[i];
			if (w) {
				float s = sum<32>(v * v);
				if (thread() % 32 == 0) ((float *)a.squares)[t * a.to.blocks + i / 32] = s;
				v *= w[i];
			}
			quantize(a.to, t, i / 32, v);
		}
		return;
	}
	if (w) {
		float s = 0;
		for (int i = thread(); i < a.cols; i += 256 * 8) {
			float v[8];
			UNROLL for (int g = 0; g < 8; g++) v[g] = i + g * 256 < a.cols ? x[i + g * 256] : 0;
			UNROLL for (int g = 0; g < 8; g++) s = fma(v[g], v[g], s);
		}
		s = sumBlock(s, shared);
		scale = 1 / __builtin_sqrtf(s / (float)a.cols + a.eps);
	}
	u8 *out = (u8 *)a.to.out + (u64)t * a.to.stride;
	int end = least((blockX() + 1) * a.share, (a.cols + 31) / 32 * 32);
	for (int i = blockX() * a.share + thread(); i < end; i += 256) {
		float v = 0;
		if (i < a.cols) {
			v = x[i];
			if (w) v = v * scale * w[i];
		}
		if (a.to.form == FLOAT) {
			if (i < a.cols) ((float *)out)[i] = v;
		} else if (a.to.form == BRAIN) {
			if (i < a.cols) ((u16 *)out)[i] = toBF16(v);
		} else {
			quantize(a.to, t, i / 32, v);
		}
	}
}
