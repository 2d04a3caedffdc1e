package quant

// Role is what a tensor does in its model. A mix gives types by it, so the names
// of tensors are no concern of this package.
type Role uint8

const (
	_           Role = iota // left out by mistake
	Embedding               // the tokens' vectors, which may serve as Output too
	Output                  // makes the logits
	Matrix                  // any other matrix
	Sensitive               // a matrix whose errors go straight to the channels between layers
	Projection              // makes the inputs of a recurrence
	Selection               // small: makes B, C and dt out of a recurrence's x
	Step                    // smaller still: makes dt of its low rank
	Elementwise             // acts on each channel alone: norms, biases, convolutions, A and D of a recurrence
)

// Exact says whether such tensors stay f32 in every mix. Models read them so.
func (r Role) Exact() bool { return r == Step || r == Elementwise }

// Multiplies says whether it is a matrix within the layers, which every token is
// multiplied with.
func (r Role) Multiplies() bool {
	switch r {
	case Matrix, Sensitive, Projection, Selection, Step:
		return true
	}
	return false
}
