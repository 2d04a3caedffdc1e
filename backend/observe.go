package backend

import "github.com/mil-run/mil/quant"

// Inputs is the sum to which the inputs of weight matrices are added, or nil.
// It is asked once in a pass for all matrices that share an input, before they
// are multiplied. The input's rows from the pass's token skip on are added to
// m. A stopped pass has added each input wholly or not at all.
type Inputs func(ws []*Tensor, p *Params) (m *quant.Moments, skip int)

// Observer is a backend that can sum the inputs of weight matrices.
type Observer interface {
	Backend
	// Observe makes programs that are compiled from here on sum their inputs.
	// Their activations are float32, whatever the weights. The head's inputs
	// are those of all tokens, also of those without logits.
	Observe(Inputs)
}
