package backend

import "fmt"

// Recorder builds a program; model code calls its methods in order.
// Widths that do not fit are mistakes of the model code and panic.
type Recorder struct {
	p Program
}

// NewRecorder starts a program for passes of up to tokens tokens.
func NewRecorder(tokens, logitRows int) *Recorder {
	return &Recorder{Program{Tokens: tokens, LogitRows: logitRows, Logged: tokens <= MaxVerify}}
}

// NewShared starts a logged program for passes over several sequences, of up to
// tokens tokens in all.
func NewShared(tokens, logitRows int) *Recorder {
	return &Recorder{Program{Tokens: tokens, LogitRows: logitRows, Logged: true}}
}

// Program returns the recorded program.
func (r *Recorder) Program() *Program { return &r.p }

// Layer marks the start of a layer.
func (r *Recorder) Layer() { r.p.Layers = append(r.p.Layers, len(r.p.Nodes)) }

// State declares s as used by the program.
func (r *Recorder) State(s *State) *State {
	must(s.Kind != 0, "state %s has no kind", s.Name)
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
	must(n.fits(), "a ring of %d positions for a window of %d", n.Context, n.Window)
	kinds(StateKV, n.KCache, n.VCache)
	r.add(n)
}

// Attend records attention; it sets n.Out.
func (r *Recorder) Attend(n *Attend) Value {
	must(n.fits(), "a ring of %d positions for a window of %d", n.Context, n.Window)
	kinds(StateKV, n.KCache, n.VCache)
	n.Out = r.value(n.Q.N)
	r.add(n)
	return n.Out
}

// Conv records a convolution; it sets n.Out.
func (r *Recorder) Conv(n *Conv) Value {
	must(n.W.Cols == n.Taps && (n.Bias == nil || n.Bias.Cols == n.W.Rows), "convolution %s", n.W.Name)
	must(n.Map == nil && n.In.N == n.W.Rows || len(n.Map) == n.W.Rows, "convolution map of %s", n.W.Name)
	kinds(StateWindow, n.Window)
	n.Out = r.value(n.W.Rows)
	r.add(n)
	return n.Out
}

// Scan1 records a Mamba-1 recurrence; it sets n.Out.
func (r *Recorder) Scan1(n *Scan1) Value {
	must(n.A.Cols == n.N && n.A.Rows == n.Z.N && n.Dt.N == n.Z.N, "scan %s", n.A.Name)
	kinds(StateRecurrent, n.H)
	kinds(StateLog, n.Log)
	n.Out = r.value(n.Z.N)
	r.add(n)
	return n.Out
}

// Scan2 records a Mamba-2 recurrence; it sets n.Out.
func (r *Recorder) Scan2(n *Scan2) Value {
	must(n.Z.N == n.Heads*n.P && n.Dt.N == n.Heads && n.A.Cols == n.Heads, "scan %s", n.A.Name)
	kinds(StateRecurrent, n.H)
	kinds(StateLog, n.Log)
	n.Out = r.value(n.Z.N)
	r.add(n)
	return n.Out
}

// DeltaScan records a gated delta rule; it sets n.Out.
func (r *Recorder) DeltaScan(n *DeltaScan) Value {
	must(n.V.N == n.Heads*n.P && n.Z.N == n.V.N && n.Dt.N == n.Heads && n.Beta.N == n.Heads && n.A.Cols == n.Heads, "delta scan %s", n.A.Name)
	must(n.K.N == n.Q.N && n.K.N%n.N == 0 && n.Heads%(n.K.N/n.N) == 0, "%d heads of %d states in %d and %d channels", n.Heads, n.N, n.Q.N, n.K.N)
	must(n.NormWeight.Cols == n.P, "norm %s", n.NormWeight.Name)
	kinds(StateRecurrent, n.H)
	kinds(StateLog, n.Log)
	n.Out = r.value(n.V.N)
	r.add(n)
	return n.Out
}

// Reorder records a move of blocks of channels.
func (r *Recorder) Reorder(in Slice, block int, order []int32) Value {
	must(block > 0 && len(order)*block == in.N, "%d blocks of %d channels in %d", len(order), block, in.N)
	for _, from := range order {
		must(from >= 0 && int(from) < len(order), "there is no block %d of %d", from, len(order))
	}
	v := r.value(in.N)
	r.add(&Reorder{v, in, block, order})
	return v
}

// Logits records the head, the program's last node.
func (r *Recorder) Logits(in Slice, norm *Norm, w *Tensor) {
	must(w.Cols == in.N, "%s has %d columns, input %d channels", w.Name, w.Cols, in.N)
	r.p.Vocab = w.Rows
	r.add(&Logits{in, norm, w})
}

// kinds checks that states have the kind that a node needs.
func kinds(want StateKind, states ...*State) {
	for _, s := range states {
		must(s.Kind == want, "state %s is of kind %d, not %d", s.Name, s.Kind, want)
	}
}

func must(ok bool, format string, args ...any) {
	if !ok {
		panic("backend: " + fmt.Sprintf(format, args...))
	}
}
