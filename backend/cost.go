package backend

// Cost is the memory that a program takes on a backend, in bytes. It is
// planned, not measured: no device is needed.
type Cost struct {
	Launches int   `json:"launches"` // of a pass: kernels, or on the processor nodes
	Weights  int64 `json:"weights"`  // tensors the program reads
	States   int64 `json:"states"`   // caches and recurrences
	Values   int64 `json:"values"`   // activations and logits
	Scratch  int64 `json:"scratch"`  // memory in which kernels hand on other data to each other
	// Kernels counts the launches of each kernel, on backends that launch kernels.
	Kernels map[string]int `json:"kernels,omitempty"`
}

// Bytes is all of it.
func (c *Cost) Bytes() int64 { return c.Weights + c.States + c.Values + c.Scratch }

// CostOf is the cost of a program anywhere: its launches are its nodes.
func CostOf(p *Program) Cost {
	c := Cost{Launches: len(p.Nodes), Values: 4 * int64(PlanValues(p).Floats+p.LogitRows*p.Vocab)}
	seen := map[any]bool{}
	for _, n := range p.Nodes {
		for _, t := range n.Weights() {
			key := [2]any{t.Buf, t.Off}
			if !seen[key] {
				seen[key] = true
				c.Weights += int64(t.Bytes())
			}
		}
		for _, s := range n.States() {
			if !seen[s] {
				seen[s] = true
				c.States += int64(s.Bytes)
			}
		}
	}
	return c
}
