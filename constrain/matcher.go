package constrain

import "fmt"

// Matcher follows one output. It is not for two goroutines.
type Matcher struct {
	g      *Grammar
	v      *Vocabulary
	epoch  int
	tokens []int32
	states []int32 // before each token, and behind the last; ended behind an end token
}

// ended is the state behind an end token: nothing follows.
const ended = none

// Matcher begins an output over a vocabulary.
func (g *Grammar) Matcher(v *Vocabulary) *Matcher {
	v.build()
	m := &Matcher{g: g, v: v}
	g.mu.Lock()
	defer g.mu.Unlock()
	m.epoch = g.epoch
	m.states = append(m.states, g.root)
	return m
}

// Len is how many tokens were accepted.
func (m *Matcher) Len() int { return len(m.tokens) }

// Words is how many words a mask has.
func (m *Matcher) Words() int { return (m.v.Size() + 31) / 32 }

// Mask gives the tokens that may come next: bit i%32 of word i/32 stands for token
// i. It uses the memory of dst. After an end token nothing may come. The error is
// ErrWork.
func (m *Matcher) Mask(dst []uint32) ([]uint32, error) {
	words := m.Words()
	if cap(dst) < words {
		dst = make([]uint32, words)
	}
	dst = dst[:words]
	clear(dst)
	err := m.work(func() {
		if s := m.states[len(m.states)-1]; s != ended {
			if e := m.engine(); m.v.drops && len(m.tokens) == 0 {
				e.first(dst, s)
			} else {
				e.mask(dst, s)
			}
		}
	})
	if err != nil {
		clear(dst)
	}
	return dst, err
}

// Accept reads the next token. A token that the mask does not hold is ErrToken,
// and changes nothing.
func (m *Matcher) Accept(id int32) error {
	var next int32
	err := m.work(func() { next = m.after(len(m.tokens), m.states[len(m.states)-1], id) })
	if err != nil {
		return err
	}
	if next < 0 {
		return fmt.Errorf("%w: token %d behind %d others", ErrToken, id, len(m.tokens))
	}
	m.tokens = append(m.tokens, id)
	m.states = append(m.states, next)
	return nil
}

// after is the state behind a token that at others stand before, or -1.
func (m *Matcher) after(at int, state, id int32) int32 {
	switch {
	case state == ended || id < 0 || int(id) >= m.v.Size():
		return -1
	case m.v.isEnd[id] && m.g.p.nodes[state].nullable:
		return ended
	}
	text, ok := m.v.tokens[id], m.v.tokens[id] != nil
	if at == 0 {
		text, ok = m.v.first(id)
	}
	if !ok {
		return -1
	}
	if s := m.g.p.text(state, text); s != none {
		return s
	}
	return -1
}

// Back takes the last n tokens back. n may not be more than there are.
func (m *Matcher) Back(n int) {
	m.tokens = m.tokens[:len(m.tokens)-n]
	m.states = m.states[:len(m.states)-n]
}

// End reports whether the text may end here, and whether it must: nothing but an
// end token can follow. Behind an end token both are true.
func (m *Matcher) End() (may, must bool, err error) {
	s := m.states[len(m.states)-1]
	if s == ended {
		return true, true, nil
	}
	err = m.work(func() {
		s = m.states[len(m.states)-1]
		may = m.g.p.nodes[s].nullable
		_, n := m.g.p.onlyByte(s)
		must = n == 0
	})
	return may && err == nil, must && err == nil, err
}

// onlyByte is the byte that must follow a state, and how many different ones may,
// at most 2.
func (p *pool) onlyByte(state int32) (b byte, n int) {
	var seen [256]int // bytes of a class
	for x := range p.class {
		seen[p.class[x]]++
	}
	for c, x := range p.sample {
		if p.next(state, uint8(c)) != none {
			b = x
			if n += seen[c]; n > 1 {
				return 0, 2
			}
		}
	}
	return b, n
}

// work runs f with the grammar locked, after it made the states known where the
// grammar forgot them.
func (m *Matcher) work(f func()) error {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.p.bytes-g.base > freshBytes {
		if err := g.reset(); err != nil {
			return err
		}
	}
	return g.p.guard(func() {
		if m.epoch != g.epoch {
			m.replay()
		}
		f()
	})
}

// replay reads the tokens anew.
func (m *Matcher) replay() {
	states := []int32{m.g.root}
	for i, id := range m.tokens {
		m.g.p.work = 0
		states = append(states, m.after(i, states[i], id))
	}
	m.states, m.epoch = states, m.g.epoch
}

func (m *Matcher) engine() *engine {
	e := m.g.engines[m.v]
	if e == nil {
		e = newEngine(m.g.p, m.v)
		m.g.engines[m.v] = e
	}
	return e
}
