package backend

// Finish completes parts of values in place.
type Finish struct{ Parts []Part }

// Part is channels that a [Finish] completes. Whatever a part does not name is
// left out. In this order it does
//
//	X += Bias
//	X = X / sqrt(mean(X²) + Eps) * Weight, for every Dim channels by themselves
//	X = f(X)
//	X *= Up
//	X *= Scale
type Part struct {
	X     Slice
	Bias  *Tensor // [1][X.N], F32; not added where F is Floor
	Norm  *HeadNorm
	F     Activation
	Up    Slice   // as wide as X, or of no channels
	Scale float32 // 0: 1
	Least float32 // of X + Bias, where F is Floor
}

// HeadNorm is RMSNorm over each Dim channels.
type HeadNorm struct {
	Weight *Tensor // [1][Dim], F32, of every head; nil: ones
	Dim    int     // divides the channels
	Eps    float32
}

// Activation is a function of a value.
type Activation uint8

// Activations.
const (
	Identity Activation = iota
	SiLU                // x / (1 + exp(-x))
	ReLU2               // max(x, 0)²
	Floor               // max(x, Least - Bias): what adds Bias to it has Least or more
	Sigmoid             // 1 / (1 + exp(-x))
)

// Factor is Scale as a number to multiply with.
func (p *Part) Factor() float32 {
	if p.Scale == 0 {
		return 1
	}
	return p.Scale
}

// Reads implements [Node].
func (n *Finish) Reads() []Value {
	var out []Value
	for _, p := range n.Parts {
		if out = append(out, p.X.V); p.Up.N > 0 {
			out = append(out, p.Up.V)
		}
	}
	return out
}

// Writes implements [Node].
func (n *Finish) Writes() Value { return None }

// Weights implements [Node].
func (n *Finish) Weights() []*Tensor {
	var out []*Tensor
	for _, p := range n.Parts {
		if p.Bias != nil {
			out = append(out, p.Bias)
		}
		if p.Norm != nil && p.Norm.Weight != nil {
			out = append(out, p.Norm.Weight)
		}
	}
	return out
}

// States implements [Node].
func (n *Finish) States() []*State { return nil }

// Finish records work on values in place.
func (r *Recorder) Finish(parts ...Part) {
	for _, p := range parts {
		must(p.Bias == nil || p.Bias.Cols == p.X.N, "a bias does not fit its channels")
		must(p.F != Floor || p.Bias != nil && p.Norm == nil, "a floor has a bias and no norm")
		must(p.Up.N == 0 || p.Up.N == p.X.N, "%d channels and %d to multiply them with", p.X.N, p.Up.N)
		if n := p.Norm; n != nil {
			must(n.Dim > 0 && p.X.N%n.Dim == 0 && (n.Weight == nil || n.Weight.Cols == n.Dim), "norm of %d channels in %d", n.Dim, p.X.N)
		}
	}
	r.add(&Finish{parts})
}
