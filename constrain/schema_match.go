package constrain

import "slices"

// matches reports whether a text is in x, which holds no rules. It finds for
// each part of x where the text's beginnings that it matches end, and so takes
// time with the square of the text's length.
func matches(x Expr, text string) bool {
	m := textMatcher{text: []rune(text), seen: map[textPlace][]bool{}}
	return m.ends(x, 0)[len(m.text)]
}

type textPlace struct {
	e  *expr
	at int
}

type textMatcher struct {
	text []rune
	seen map[textPlace][]bool
}

// ends tells of each position whether x matches the text from at to there.
func (m *textMatcher) ends(x Expr, at int) []bool {
	out := make([]bool, len(m.text)+1)
	if x.e == nil {
		out[at] = true
		return out
	}
	p := textPlace{x.e, at}
	if known, ok := m.seen[p]; ok {
		return known
	}
	switch e := x.e; e.op {
	case exprLit:
		word := []rune(e.text)
		if len(m.text)-at >= len(word) && slices.Equal(m.text[at:at+len(word)], word) {
			out[at+len(word)] = true
		}
	case exprClass:
		for i := 0; at < len(m.text) && i < len(e.ranges); i += 2 {
			if r := m.text[at]; e.ranges[i] <= r && r <= e.ranges[i+1] {
				out[at+1] = true
			}
		}
	case exprSeq:
		out[at] = true
		for _, k := range e.kids {
			out = m.step(k, out)
		}
	case exprAlt:
		for _, k := range e.kids {
			or(out, m.ends(k, at))
		}
	case exprAnd:
		for i := at; i < len(out); i++ {
			out[i] = true
		}
		for _, k := range e.kids {
			for i, yes := range m.ends(k, at) {
				out[i] = out[i] && yes
			}
		}
	case exprNot:
		for i, yes := range m.ends(e.kids[0], at) {
			out[i] = i >= at && !yes
		}
	case exprTerminal:
		out = m.ends(e.kids[0], at)
	case exprRepeat:
		m.repeat(e, at, out)
	case exprAutomaton:
		m.automaton(e, at, out)
	}
	m.seen[p] = out
	return out
}

func (m *textMatcher) repeat(e *expr, at int, out []bool) {
	now := make([]bool, len(out))
	now[at] = true
	// More rounds than the text has characters change nothing: rounds that
	// match the empty text can be added and left out.
	rounds := min(e.min, len(m.text)+1)
	for range rounds {
		now = m.step(e.kids[0], now)
	}
	or(out, now)
	for i := rounds; (e.max < 0 || i < e.max) && i <= rounds+len(m.text); i++ {
		now = m.step(e.kids[0], now)
		or(out, now)
	}
}

func (m *textMatcher) automaton(e *expr, at int, out []bool) {
	for s := int32(e.min); s >= 0; at++ {
		out[at] = e.auto.accept[s]
		if at == len(m.text) || m.text[at] > 0x7f {
			return
		}
		s = e.auto.next[s][m.text[at]]
	}
}

// step is where x ends, from each textPlace of from.
func (m *textMatcher) step(x Expr, from []bool) []bool {
	out := make([]bool, len(from))
	for i, yes := range from {
		if yes {
			or(out, m.ends(x, i))
		}
	}
	return out
}

func or(dst, src []bool) {
	for i, yes := range src {
		dst[i] = dst[i] || yes
	}
}
