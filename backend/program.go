package backend

import (
	"fmt"

	"github.com/mil-run/mil/quant"
)

// Tensor is a weight matrix [Rows][Cols] (a vector has Rows 1) in mapped memory.
type Tensor struct {
	Name       string
	Type       quant.Type
	Rows, Cols int
	Buf        Buffer
	Off        int // bytes into Buf
}

// Bytes is the tensor's size in memory.
func (t *Tensor) Bytes() int {
	s, ok := t.Type.Spec()
	if !ok {
		panic("backend: tensor " + t.Name + " has " + t.Type.String())
	}
	return t.Rows * s.RowBytes(t.Cols)
}

// Value is an activation a node writes: [tokens][width] float32.
type Value int

// Slice is a range of a value's channels: [tokens][N] starting at Off.
type Slice struct {
	V      Value
	Off, N int
}

// State is memory that lives from pass to pass: a KV cache, a recurrence.
type State struct {
	Name  string
	Bytes int
	Buf   Buffer // set by the session before Compile
	// Rows is set by Compile for a KV cache: the bytes of positions [from, to),
	// which are multiples of CacheUnit. The bytes of the spans, in their order,
	// must mean the same in a cache of any other length, and those of one unit
	// at any other place. Layout names their form.
	Rows   func(from, to int) []Span
	Layout string
}

// CacheUnit is how many positions of a KV cache are read and written together.
const CacheUnit = 32

// Span is N bytes of a buffer from Off.
type Span struct{ Off, N int }

// AppendSpan adds a span to a list. It joins it to the last one where they
// touch.
func AppendSpan(list []Span, off, n int) []Span {
	if last := len(list) - 1; last >= 0 && list[last].Off+list[last].N == off {
		list[last].N += n
		return list
	}
	return append(list, Span{off, n})
}

// Norm is RMSNorm over all channels: x * Weight / sqrt(mean(x²) + Eps).
type Norm struct {
	Weight *Tensor // [1][width], F32
	Eps    float32
}

// Node is one step of a program. Each is the size of a good kernel.
type Node interface {
	// Reads lists the activations the node reads, Writes the one it writes
	// (or -1).
	Reads() []Value
	Writes() Value
}

// Embed looks up the pass's tokens: Out = Table[token].
type Embed struct {
	Out   Value
	Table *Tensor // [vocabulary][d_model]
}

// MatMul is Out = [W0·x | W1·x | ...] (+ Add), where x is In, normalized
// first when Norm is set.
type MatMul struct {
	Out  Value
	In   Slice
	Norm *Norm
	W    []*Tensor // each [rows][In.N]; their rows follow each other in Out
	Add  Value     // residual [tokens][rows], or None
}

// GateUp is the first half of SwiGLU: Out = silu(Gate·x) * (Up·x) with x the
// normalized In.
type GateUp struct {
	Out      Value
	In       Slice
	Norm     *Norm
	Gate, Up *Tensor // [d_ff][In.N]
}

// Heads is the geometry of grouped-query attention. Query head h reads
// key-value head h / (Heads/KVHeads).
type Heads struct {
	Heads, KVHeads, Dim int
	Context             int // positions the cache holds
	// KVType is the type of keys and values: F32, F16, or Q8_0. A block of Q8_0
	// is 32 dimensions of a head at one position, and the last block is filled
	// up with zeros. A backend that cannot keep a type says so with [ErrKVType]
	// when it compiles.
	KVType quant.Type
}

// CacheBytes is the size of one layer's keys, or of its values. Their layout is
// the backend's own. Context and Dim are rounded up to whole blocks of 32.
func (h *Heads) CacheBytes() int {
	s, ok := h.KVType.Spec()
	if !ok {
		panic("backend: a cache of " + h.KVType.String())
	}
	return (h.Context + 31) / 32 * 32 * h.KVHeads * s.RowBytes((h.Dim+31)/32*32)
}

// Rows is [State.Rows] of a cache that lies [kv_head][position][dim], both rounded
// up to blocks of 32.
func (h Heads) Rows(from, to int) (spans []Span) {
	positions := (h.Context + 31) / 32 * 32
	row := h.CacheBytes() / h.KVHeads / positions
	for head := range h.KVHeads {
		spans = AppendSpan(spans, (head*positions+from)*row, (to-from)*row)
	}
	return spans
}

// RopeStore turns adjacent pairs of q and k by position*Freqs[pair], q in
// place. It stores k and v in the cache as KVType. The cache's layout is the
// backend's own, and only its Attend reads it.
type RopeStore struct {
	Heads
	Q, K, V Slice     // of one value
	Freqs   []float64 // [Dim/2], radians a position; fewer leave the last dims alone
	KCache  *State
	VCache  *State
}

// Attend is causal softmax attention of Q over the cache, scale 1/sqrt(Dim).
type Attend struct {
	Heads
	Out            Value
	Q              Slice
	KCache, VCache *State
}

// Conv is a depthwise causal convolution followed by SiLU. Output channel c
// reads input channel Map[c], or c itself when Map is nil. Tap Taps-1
// multiplies the newest token.
//
// Window holds [Taps-1+Verify][In.N] float32: the Taps-1 inputs before the last
// logged pass, then that pass's inputs. Params.Replay is the row at which
// history starts.
type Conv struct {
	Out    Value
	In     Slice
	Map    []int32 // nil or [channels]
	W      *Tensor // [channels][Taps], F32
	Bias   *Tensor // [1][channels], F32
	Taps   int
	Window *State
}

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

// Scan2 is the Mamba-2 recurrence, with one decay a head, and its gated norm:
//
//	dt = softplus(Dt + DtBias)
//	S[h][p][n] = exp(dt[h]*A[h])*S[h][p][n] + dt[h]*x[h][p]*B[n]
//	y[h][p] = sum over n of S[h][p][n]*C[n] + D[h]*x[h][p]
//	Out = RMSNorm in NormGroups groups of (y * silu(Z)), times NormWeight
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
	NormWeight   *Tensor // [1][Heads*P], F32
	NormGroups   int
	NormEps      float32
	Heads, P, N  int
	H, Log       *State
}

// Logits is the head: W·norm(In) for the last Params.Logits tokens.
type Logits struct {
	In   Slice
	Norm *Norm
	W    *Tensor // [vocabulary][d_model]
}

// None takes the place of a value where a node has none.
const None Value = -1

// Program is one pass of a model over up to Tokens tokens.
type Program struct {
	Tokens    int // most tokens a pass may hold
	LogitRows int // most rows of logits
	// Logged passes leave the recurrent state as it was and log their inputs.
	// Other passes advance it through all their tokens.
	Logged bool
	Nodes  []Node
	Widths []int // of each Value
	States []*State
	Vocab  int
	// Layers[i] is the index of layer i's first node. Programs may be cut
	// there.
	Layers []int
	// Outputs are the values that must still be there after a pass, in the
	// first part of a program that was cut.
	Outputs []Value
}

// Recorder builds a program; model code calls its methods in order.
// Widths that do not fit are mistakes of the model code and panic.
type Recorder struct {
	p Program
}

// NewRecorder starts a program for passes of up to tokens tokens.
func NewRecorder(tokens, logitRows int) *Recorder {
	return &Recorder{Program{Tokens: tokens, LogitRows: logitRows, Logged: tokens <= Verify}}
}

// Program returns what was recorded.
func (r *Recorder) Program() *Program { return &r.p }

// Layer marks the start of a layer.
func (r *Recorder) Layer() { r.p.Layers = append(r.p.Layers, len(r.p.Nodes)) }

// State declares s as used by the program.
func (r *Recorder) State(s *State) *State {
	r.p.States = append(r.p.States, s)
	return s
}

func (r *Recorder) value(width int) Value {
	r.p.Widths = append(r.p.Widths, width)
	return Value(len(r.p.Widths) - 1)
}

// All is the whole of v.
func (r *Recorder) All(v Value) Slice { return Slice{v, 0, r.p.Widths[v]} }

// Cut is n channels of v from off.
func (r *Recorder) Cut(v Value, off, n int) Slice {
	must(off >= 0 && n > 0 && off+n <= r.p.Widths[v], "slice %d+%d of width %d", off, n, r.p.Widths[v])
	return Slice{v, off, n}
}

func (r *Recorder) add(n Node) { r.p.Nodes = append(r.p.Nodes, n) }

// Embed records a table lookup.
func (r *Recorder) Embed(table *Tensor) Value {
	v := r.value(table.Cols)
	r.add(&Embed{v, table})
	return v
}

// MatMul records a product; norm may be nil, add may be [None].
func (r *Recorder) MatMul(in Slice, norm *Norm, add Value, w ...*Tensor) Value {
	rows := 0
	for _, t := range w {
		must(t.Cols == in.N, "%s has %d columns, input %d channels", t.Name, t.Cols, in.N)
		rows += t.Rows
	}
	must(add == None || r.p.Widths[add] == rows, "residual does not fit %s", w[0].Name)
	v := r.value(rows)
	r.add(&MatMul{v, in, norm, w, add})
	return v
}

// GateUp records the first half of SwiGLU.
func (r *Recorder) GateUp(in Slice, norm *Norm, gate, up *Tensor) Value {
	must(gate.Cols == in.N && up.Cols == in.N && gate.Rows == up.Rows, "%s and %s differ", gate.Name, up.Name)
	v := r.value(gate.Rows)
	r.add(&GateUp{v, in, norm, gate, up})
	return v
}

// RopeStore records the rotation of q and k and the store of k and v.
func (r *Recorder) RopeStore(n *RopeStore) {
	must(n.Q.N == n.Heads.Heads*n.Dim && n.K.N == n.KVHeads*n.Dim && n.V.N == n.K.N && len(n.Freqs) <= n.Dim/2, "rope does not fit its heads")
	r.add(n)
}

// Attend records attention; it sets n.Out.
func (r *Recorder) Attend(n *Attend) Value {
	n.Out = r.value(n.Q.N)
	r.add(n)
	return n.Out
}

// Conv records a convolution; it sets n.Out.
func (r *Recorder) Conv(n *Conv) Value {
	must(n.W.Cols == n.Taps && n.Bias.Cols == n.W.Rows, "convolution %s", n.W.Name)
	must(n.Map == nil && n.In.N == n.W.Rows || len(n.Map) == n.W.Rows, "convolution map of %s", n.W.Name)
	n.Out = r.value(n.W.Rows)
	r.add(n)
	return n.Out
}

// Scan1 records a Mamba-1 recurrence; it sets n.Out.
func (r *Recorder) Scan1(n *Scan1) Value {
	must(n.A.Cols == n.N && n.A.Rows == n.Z.N && n.Dt.N == n.Z.N, "scan %s", n.A.Name)
	n.Out = r.value(n.Z.N)
	r.add(n)
	return n.Out
}

// Scan2 records a Mamba-2 recurrence; it sets n.Out.
func (r *Recorder) Scan2(n *Scan2) Value {
	must(n.Z.N == n.Heads*n.P && n.Dt.N == n.Heads && n.A.Cols == n.Heads, "scan %s", n.A.Name)
	n.Out = r.value(n.Z.N)
	r.add(n)
	return n.Out
}

// Logits records the head, the program's last node.
func (r *Recorder) Logits(in Slice, norm *Norm, w *Tensor) {
	must(w.Cols == in.N, "%s has %d columns, input %d channels", w.Name, w.Cols, in.N)
	r.p.Vocab = w.Rows
	r.add(&Logits{in, norm, w})
}

func must(ok bool, format string, args ...any) {
	if !ok {
		panic("backend: " + fmt.Sprintf(format, args...))
	}
}

// Scan1LogWidth is the number of float32 values one token logs.
func Scan1LogWidth(channels, x, b int) int { return channels + x + b }

// Scan2LogWidth is the number of float32 values one token logs.
func Scan2LogWidth(heads, x, b int) int { return heads + x + b }

func (n *Embed) Reads() []Value     { return nil }
func (n *Embed) Writes() Value      { return n.Out }
func (n *MatMul) Reads() []Value    { return some(n.In.V, n.Add) }
func (n *MatMul) Writes() Value     { return n.Out }
func (n *GateUp) Reads() []Value    { return some(n.In.V) }
func (n *GateUp) Writes() Value     { return n.Out }
func (n *RopeStore) Reads() []Value { return some(n.Q.V, n.K.V, n.V.V) }
func (n *RopeStore) Writes() Value  { return None }
func (n *Attend) Reads() []Value    { return some(n.Q.V) }
func (n *Attend) Writes() Value     { return n.Out }
func (n *Conv) Reads() []Value      { return some(n.In.V) }
func (n *Conv) Writes() Value       { return n.Out }
func (n *Scan1) Reads() []Value     { return some(n.X.V, n.Dt.V, n.B.V, n.C.V, n.Z.V) }
func (n *Scan1) Writes() Value      { return n.Out }
func (n *Scan2) Reads() []Value     { return some(n.X.V, n.B.V, n.C.V, n.Dt.V, n.Z.V) }
func (n *Scan2) Writes() Value      { return n.Out }
func (n *Logits) Reads() []Value    { return some(n.In.V) }
func (n *Logits) Writes() Value     { return None }

func some(vs ...Value) []Value {
	out := vs[:0]
	for _, v := range vs {
		if v != None {
			out = append(out, v)
		}
	}
	return out
}
