package backend

import "slices"

// Cut divides a program before layer. head's Outputs are the values that tail
// reads. tail reads each through an [Embed], whose Table, [Tokens][width]
// float32, the caller gives. tail's passes have the tokens 0, 1, 2, ...
func Cut(p *Program, layer int, table func(v Value) *Tensor) (head, tail *Program) {
	at := p.Layers[layer]
	head = &Program{Tokens: p.Tokens, Logged: p.Logged, Nodes: p.Nodes[:at:at], Widths: p.Widths, Layers: p.Layers[:layer]}
	tail = &Program{Tokens: p.Tokens, Logged: p.Logged, LogitRows: p.LogitRows, Widths: p.Widths, Vocab: p.Vocab}
	written := map[Value]bool{}
	for _, n := range head.Nodes {
		written[n.Writes()] = true
	}
	for _, n := range p.Nodes[at:] {
		for _, v := range n.Reads() {
			if written[v] && !slices.Contains(head.Outputs, v) {
				head.Outputs = append(head.Outputs, v)
				tail.Nodes = append(tail.Nodes, &Embed{Out: v, Table: table(v)})
			}
		}
	}
	for _, i := range p.Layers[layer:] {
		tail.Layers = append(tail.Layers, i-at+len(tail.Nodes))
	}
	tail.Nodes = append(tail.Nodes, p.Nodes[at:]...)
	for _, part := range []*Program{head, tail} {
		for _, n := range part.Nodes {
			for _, s := range n.States() {
				if !slices.Contains(part.States, s) {
					part.States = append(part.States, s)
				}
			}
		}
	}
	return head, tail
}
