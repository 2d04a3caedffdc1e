package backend

import (
	"math"
	"slices"
)

// Norm is RMSNorm over all channels: x * Weight / sqrt(mean(x²) + Eps).
type Norm struct {
	Weight *Tensor // [1][width], F32
	Eps    float32
}

// weights are those of a product, and behind them the norm's own where there is
// one.
func (n *Norm) weights(w ...*Tensor) []*Tensor {
	if n == nil {
		return slices.Clone(w)
	}
	return append(slices.Clone(w), n.Weight)
}

// Node is one step of a program. Each is the size of a good kernel.
type Node interface {
	// Reads lists the activations the node reads.
	Reads() []Value
	// Writes is the activation the node writes, or [None].
	Writes() Value
	// Weights lists the tensors the node reads.
	Weights() []*Tensor
	// States lists the states the node reads or writes.
	States() []*State
}

// Embed looks up the pass's tokens: Out = Table[token].
type Embed struct {
	Out   Value
	Table *Tensor // [vocabulary][d_model]
}

// Reads implements [Node].
func (n *Embed) Reads() []Value { return nil }

// Writes implements [Node].
func (n *Embed) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Embed) Weights() []*Tensor { return []*Tensor{n.Table} }

// States implements [Node].
func (n *Embed) States() []*State { return nil }

// MatMul is Out = [W0·x | W1·x | ...] (+ Add), where x is In, normalized
// first when Norm is set.
type MatMul struct {
	Out  Value
	In   Slice
	Norm *Norm
	W    []*Tensor // each [rows][In.N]; their rows follow each other in Out
	Add  Value     // residual [tokens][rows], or None
}

// Reads implements [Node].
func (n *MatMul) Reads() []Value { return some(n.In.V, n.Add) }

// Writes implements [Node].
func (n *MatMul) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *MatMul) Weights() []*Tensor { return n.Norm.weights(n.W...) }

// States implements [Node].
func (n *MatMul) States() []*State { return nil }

// GateUp is the first half of SwiGLU: Out = silu(Gate·x) * (Up·x) with x the
// normalized In.
type GateUp struct {
	Out      Value
	In       Slice
	Norm     *Norm
	Gate, Up *Tensor // [d_ff][In.N]
}

// Reads implements [Node].
func (n *GateUp) Reads() []Value { return some(n.In.V) }

// Writes implements [Node].
func (n *GateUp) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *GateUp) Weights() []*Tensor { return n.Norm.weights(n.Gate, n.Up) }

// States implements [Node].
func (n *GateUp) States() []*State { return nil }

// RopeStore turns pairs of q and k by position*Freqs[pair], q in place: adjacent
// channels, or with Halves the channels i and len(Freqs)+i of a head. It stores k
// and v in the cache as KVType. The cache's layout is the backend's own, and only
// its Attend reads it.
type RopeStore struct {
	Heads
	Q, K, V Slice     // of one value
	Freqs   []float64 // [Dim/2], radians a position; fewer leave the last dims alone
	Halves  bool
	KCache  *State
	VCache  *State
}

// Reads implements [Node].
func (n *RopeStore) Reads() []Value { return some(n.Q.V, n.K.V, n.V.V) }

// Writes implements [Node].
func (n *RopeStore) Writes() Value { return None }

// Weights implements [Node].
func (n *RopeStore) Weights() []*Tensor { return nil }

// States implements [Node].
func (n *RopeStore) States() []*State { return []*State{n.KCache, n.VCache} }

// Attend is causal softmax attention of Q over the cache, or over the last Window
// positions of it.
type Attend struct {
	Heads
	Out            Value
	Q              Slice
	KCache, VCache *State
	Scale          float32 // of scores; 0: 1/sqrt(Dim)
}

// Factor is Scale as a number to multiply with.
func (n *Attend) Factor() float32 {
	if n.Scale == 0 {
		return float32(1 / math.Sqrt(float64(n.Dim)))
	}
	return n.Scale
}

// Reads implements [Node].
func (n *Attend) Reads() []Value { return some(n.Q.V) }

// Writes implements [Node].
func (n *Attend) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Attend) Weights() []*Tensor { return nil }

// States implements [Node].
func (n *Attend) States() []*State { return []*State{n.KCache, n.VCache} }

// Conv is a depthwise causal convolution followed by SiLU. Output channel c
// reads input channel Map[c], or c itself when Map is nil. Tap Taps-1
// multiplies the newest token.
//
// Window holds [Taps-1+MaxVerify][In.N] float32: the Taps-1 inputs before the last
// logged pass, then that pass's inputs. Segment.Replay is the row at which
// history starts.
type Conv struct {
	Out    Value
	In     Slice
	Map    []int32 // nil or [channels]
	W      *Tensor // [channels][Taps], F32
	Bias   *Tensor // [1][channels], F32, or nil
	Taps   int
	Window *State
}

// Reads implements [Node].
func (n *Conv) Reads() []Value { return some(n.In.V) }

// Writes implements [Node].
func (n *Conv) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Conv) Weights() []*Tensor {
	if n.Bias == nil {
		return []*Tensor{n.W}
	}
	return []*Tensor{n.W, n.Bias}
}

// States implements [Node].
func (n *Conv) States() []*State { return []*State{n.Window} }

// Scan1 is the Mamba-1 recurrence over channels i and states n:
//
//	dt = softplus(Dt + DtBias)
//	h[i][n] = exp(dt[i]*A[i][n])*h[i][n] + dt[i]*x[i]*B[n]
//	Out[i] = (sum over n of h[i][n]*C[n] + D[i]*x[i]) * silu(Z[i])
//
// B and C come in heads of N states; channel i reads head i*heads/channels.
// x comes in heads of N channels, repeated like grouped-query keys when
// X is narrower than Out.
//
// H is the committed state [channels][N] float32; Log holds, for each token of
// the last logged pass, dt [channels], x [X.N] and B [B.N], float32.
type Scan1 struct {
	Out         Value
	X, Dt, B, C Slice
	Z           Slice
	A           *Tensor // [channels][N], F32, already -exp(A_log)
	D, DtBias   *Tensor // [1][channels], F32
	N           int
	H, Log      *State
}

// Reads implements [Node].
func (n *Scan1) Reads() []Value { return some(n.X.V, n.Dt.V, n.B.V, n.C.V, n.Z.V) }

// Writes implements [Node].
func (n *Scan1) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Scan1) Weights() []*Tensor { return []*Tensor{n.A, n.D, n.DtBias} }

// States implements [Node].
func (n *Scan1) States() []*State { return []*State{n.H, n.Log} }

// Scan2 is the Mamba-2 recurrence, with one decay a head, and its gated norm:
//
//	dt = softplus(Dt + DtBias)
//	S[h][p][n] = exp(dt[h]*A[h])*S[h][p][n] + dt[h]*x[h][p]*B[n]
//	y[h][p] = sum over n of S[h][p][n]*C[n] + D[h]*x[h][p]
//	Out = RMSNorm in NormGroups groups of (y * silu(Z)), times NormWeight
//
// Without a NormWeight, Out is y * silu(Z).
//
// X has heads of P channels, B and C heads of N states; head h reads head
// h*their/Heads of each.
//
// H is the committed state [Heads][P][N] float32; Log holds, for each token of
// the last logged pass, dt [Heads], x [X.N] and B [B.N], float32.
type Scan2 struct {
	Out          Value
	X, B, C      Slice
	Dt, Z        Slice
	A, D, DtBias *Tensor // [1][Heads], F32; A already -exp(A_log)
	NormWeight   *Tensor // [1][Heads*P], F32, or nil
	NormGroups   int
	NormEps      float32
	Heads, P, N  int
	H, Log       *State
}

// Reads implements [Node].
func (n *Scan2) Reads() []Value { return some(n.X.V, n.B.V, n.C.V, n.Dt.V, n.Z.V) }

// Writes implements [Node].
func (n *Scan2) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Scan2) Weights() []*Tensor {
	w := []*Tensor{n.A, n.D, n.DtBias}
	if n.NormWeight != nil {
		w = append(w, n.NormWeight)
	}
	return w
}

// States implements [Node].
func (n *Scan2) States() []*State { return []*State{n.H, n.Log} }

// DeltaScan is the gated delta rule (Yang, Kautz and Hatamizadeh, "Gated Delta
// Networks", 2024) with its gated norm:
//
//	decay = exp(A[h] * softplus(Dt[h] + DtBias[h])), beta = sigmoid(Beta[h])
//	k = K/|K|, q = Q/|Q|/sqrt(N), where |x| = sqrt(sum of x² + 1e-6)
//	S[h][p][n] = decay*S[h][p][n]
//	u[p] = beta * (V[h][p] - sum over n of S[h][p][n]*k[n])
//	S[h][p][n] = S[h][p][n] + u[p]*k[n]
//	y[h][p] = sum over n of S[h][p][n]*q[n]
//	Out = RMSNorm of each head's y, times NormWeight, times silu(Z)
//
// V has Heads heads of P channels, Q and K heads of N states. Head h reads head
// h*their/Heads of Q and K, or with Tiled head h%their.
//
// H is the committed state [Heads][P][N] float32; Log holds, for each token of
// the last logged pass, decay [Heads], beta [Heads], V [V.N] and K [K.N], float32.
type DeltaScan struct {
	Out        Value
	Q, K, V    Slice
	Dt, Beta   Slice
	Z          Slice
	A, DtBias  *Tensor // [1][Heads], F32; A already -exp(A_log)
	NormWeight *Tensor // [1][P], F32, of every head
	NormEps    float32
	Heads      int
	P, N       int
	Tiled      bool
	H, Log     *State
}

// DeltaEps keeps the lengths of a [DeltaScan]'s k and q from being zero.
const DeltaEps = 1e-6

// From is the head of Q and K that head h reads.
func (n *DeltaScan) From(h int) int {
	theirs := n.K.N / n.N
	if n.Tiled {
		return h % theirs
	}
	return h * theirs / n.Heads
}

// Reads implements [Node].
func (n *DeltaScan) Reads() []Value { return some(n.Q.V, n.K.V, n.V.V, n.Dt.V, n.Beta.V, n.Z.V) }

// Writes implements [Node].
func (n *DeltaScan) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *DeltaScan) Weights() []*Tensor { return []*Tensor{n.A, n.DtBias, n.NormWeight} }

// States implements [Node].
func (n *DeltaScan) States() []*State { return []*State{n.H, n.Log} }

// Reorder moves blocks of channels: block i of Out is block Order[i] of In.
type Reorder struct {
	Out   Value
	In    Slice
	Block int     // channels of a block
	Order []int32 // [In.N/Block]
}

// Reads implements [Node].
func (n *Reorder) Reads() []Value { return some(n.In.V) }

// Writes implements [Node].
func (n *Reorder) Writes() Value { return n.Out }

// Weights implements [Node].
func (n *Reorder) Weights() []*Tensor { return nil }

// States implements [Node].
func (n *Reorder) States() []*State { return nil }

// Logits is the head: W·norm(In) for the last Segment.Logits tokens of each segment.
type Logits struct {
	In   Slice
	Norm *Norm
	W    *Tensor // [vocabulary][d_model]
}

// Reads implements [Node].
func (n *Logits) Reads() []Value { return some(n.In.V) }

// Writes implements [Node].
func (n *Logits) Writes() Value { return None }

// Weights implements [Node].
func (n *Logits) Weights() []*Tensor { return n.Norm.weights(n.W) }

// States implements [Node].
func (n *Logits) States() []*State { return nil }

// Scan1LogWidth is the number of float32 values one token logs.
func Scan1LogWidth(channels, x, b int) int { return channels + x + b }

// Scan2LogWidth is the number of float32 values one token logs.
func Scan2LogWidth(heads, x, b int) int { return heads + x + b }

// DeltaLogWidth is the number of float32 values one token logs.
func DeltaLogWidth(heads, v, k int) int { return 2*heads + v + k }

func some(vs ...Value) []Value {
	out := vs[:0]
	for _, v := range vs {
		if v != None {
			out = append(out, v)
		}
	}
	return out
}
