package constrain

// mostForced is the most bytes of a forced run that are looked at, at a time.
const mostForced = 512

// Forced gives tokens that are to come next because the grammar leaves the text
// no choice: the text of a forced run, as the vocabulary's Encode writes it. Other
// tokens that spell the same text may come, too ([Matcher.Mask] holds them). Who
// takes the forced tokens needs no model for them, and the model reads the text in
// the tokens that it knows best. A token at the run's end that a longer one could
// take the place of is not among them. An end token is never forced. The slice is
// valid until the grammar's next use.
func (m *Matcher) Forced() ([]int32, error) {
	s := m.states[len(m.states)-1]
	if s == ended || m.v.drops && len(m.tokens) == 0 {
		return nil, nil
	}
	var ids []int32
	err := m.work(func() { ids = m.engine().forced(m.states[len(m.states)-1]) })
	return ids, err
}

func (e *engine) forced(state int32) []int32 {
	if ids, ok := e.force[state]; ok {
		return ids
	}
	ids := e.run(state)
	e.p.take(nodeBytes/2 + 4*len(ids))
	e.force[state] = ids
	return ids
}

func (e *engine) run(state int32) []int32 {
	p := e.p
	var run []byte
	end := state
	for len(run) < mostForced && !p.nodes[end].nullable {
		b, n := p.onlyByte(end)
		if n != 1 {
			break
		}
		run = append(run, b)
		end = p.next(end, p.class[b])
	}
	if len(run) == 0 {
		return nil
	}
	ids := e.spell(run)
	// A token that could go on behind the run, or be longer, is not forced, nor
	// are those behind it.
	at := 0
	for i, id := range ids {
		if e.extends(run[at:], end) {
			return ids[:i]
		}
		at += len(e.v.tokens[id])
	}
	return ids
}

// spell is a run in tokens, up to where there are none for it.
func (e *engine) spell(run []byte) []int32 {
	if run[0] != 0xff && e.v.encode != nil {
		// Encode may write another text, for instance with a space before it.
		ids, at := e.v.encode(string(run)), 0
		for _, id := range ids {
			if id < 0 || int(id) >= len(e.v.tokens) || !startsWith(run[at:], e.v.tokens[id]) {
				at = -1
				break
			}
			at += len(e.v.tokens[id])
		}
		if at == len(run) {
			return ids
		}
	}
	var ids []int32
	for len(run) > 0 {
		id, n := e.longest(run)
		if n == 0 {
			break
		}
		ids = append(ids, id)
		run = run[n:]
	}
	return ids
}

func startsWith(run, token []byte) bool {
	return len(token) > 0 && len(token) <= len(run) && string(run[:len(token)]) == string(token)
}

// longest is the longest token that a run begins with, and its bytes.
func (e *engine) longest(run []byte) (id int32, n int) {
	e.v.trie.find(run, func(at int32) {
		if node := &e.v.trie.nodes[at]; node.token >= 0 {
			id, n = node.token, int(node.depth)+1
		}
	})
	return id, n
}

// extends says whether a token begins with the text and goes on as the state behind
// it allows.
func (e *engine) extends(text []byte, state int32) bool {
	at := e.v.trie.find(text, func(int32) {})
	if at < 0 {
		return false
	}
	found := false
	e.walk(e.v.trie, state, at+1, e.v.trie.nodes[at].next, func(int32) { found = true })
	return found
}
