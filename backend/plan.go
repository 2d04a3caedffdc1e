package backend

// Plan places a program's values in one arena.
type Plan struct {
	Offset []int // of each value, in float32 values a token row times Program.Tokens
	Floats int   // size of the arena in float32 values
}

// PlanValues places values so that values whose lives overlap do not share
// memory. A value lives from the node that writes it to the last that reads it.
// This needs no device, so any backend's plan can be printed anywhere.
func PlanValues(p *Program) *Plan {
	type span struct{ first, last int }
	life := make([]span, len(p.Widths))
	for i := range life {
		life[i] = span{-1, -1}
	}
	for i, n := range p.Nodes {
		if w := n.Writes(); w != None {
			life[w] = span{i, i}
		}
		for _, v := range n.Reads() {
			life[v].last = i
		}
	}
	for _, v := range p.Outputs {
		life[v].last = len(p.Nodes)
	}
	plan := &Plan{Offset: make([]int, len(p.Widths))}
	var placed []Value
	for v := range p.Widths {
		if life[v].first < 0 {
			continue // it belongs to the other part of a program that was cut
		}
		size := align(p.Widths[v] * p.Tokens)
		at := 0
		for moved := true; moved; { // first gap among the values alive at the same time
			moved = false
			for _, o := range placed {
				if life[o].last < life[v].first || life[v].last < life[o].first {
					continue
				}
				end := plan.Offset[o] + align(p.Widths[o]*p.Tokens)
				if at < end && plan.Offset[o] < at+size {
					at, moved = end, true
				}
			}
		}
		plan.Offset[v] = at
		plan.Floats = max(plan.Floats, at+size)
		placed = append(placed, Value(v))
	}
	return plan
}

func align(n int) int { return (n + 15) &^ 15 }
