package constrain

// An automaton is a set of texts as a table: for each state and byte the next
// state, -1 where none follows. It says what would take expressions of
// exponential size, such as the multiples of a number.
type automaton struct {
	next   [][256]int32
	accept []bool
}

func newAutomaton(states int) *automaton {
	a := &automaton{next: make([][256]int32, states), accept: make([]bool, states)}
	for s := range a.next {
		for b := range a.next[s] {
			a.next[s][b] = -1
		}
	}
	return a
}

func (a *automaton) move(from int, b byte, to int) { a.next[from][b] = int32(to) }

// expr is the texts that lead from a state to one that accepts. Moves to states
// from which no such state is reached are taken out.
func (a *automaton) expr(start int) Expr {
	before := make([][]int32, len(a.next))
	for s := range a.next {
		for _, to := range a.next[s] {
			if to >= 0 {
				before[to] = append(before[to], int32(s))
			}
		}
	}
	alive := make([]bool, len(a.next))
	var queue []int32
	for s, yes := range a.accept {
		if yes {
			alive[s] = true
			queue = append(queue, int32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, from := range before[s] {
			if !alive[from] {
				alive[from] = true
				queue = append(queue, from)
			}
		}
	}
	for s := range a.next {
		for b, to := range a.next[s] {
			if to >= 0 && !alive[to] {
				a.next[s][b] = -1
			}
		}
	}
	if !alive[start] {
		return Alt()
	}
	return Expr{&expr{op: exprAutomaton, auto: a, min: start}}
}

// automaton makes a node of one, and sets of all bytes that lead it to different
// states, so that no class holds two of them.
func (p *pool) automaton(a *automaton, state int32) int32 {
	for i, known := range p.autos {
		if known == a {
			return p.automatonState(int32(i), state)
		}
	}
	p.autos = append(p.autos, a)
	var used [256]bool
	for _, row := range a.next {
		for b, to := range row {
			used[b] = used[b] || to >= 0
		}
	}
	for b, yes := range used {
		if yes {
			p.byteRange(byte(b), byte(b))
		}
	}
	return p.automatonState(int32(len(p.autos)-1), state)
}

func (p *pool) automatonState(a, state int32) int32 {
	if state < 0 {
		return none
	}
	return p.intern(key{op: opAuto, a: a, b: state}, func() node {
		return node{op: opAuto, a: a, b: state, nullable: p.autos[a].accept[state], regular: true, pure: true}
	})
}
