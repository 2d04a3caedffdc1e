package backend

// Program is one pass of a model over up to Tokens tokens.
type Program struct {
	Tokens    int // most tokens a pass may hold
	LogitRows int // most rows of logits
	// Logged passes leave the recurrent state as it was and log their inputs.
	// Other passes, those of prompts, advance it through all their tokens. A row's
	// arithmetic depends on this and not on how many rows there are.
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
