package model

import "github.com/mil-run/mil/backend"

// The cache of attention with a window is a ring of the text's positions. It
// does not grow with the context. Nothing of it moves where the context slides:
// what leaves the window is overwritten some time later.

// maxWindow keeps absurd windows from overflowing.
const maxWindow = 1 << 30

// A ring holds, beside the window, the rows of the longest pass, which are stored
// before the first of them attends, and as many positions as a session may go
// back by before it must read its text anew. Going back in a pass of up to
// backend.MaxVerify rows needs none of them: what its first row attended to is
// there.
const (
	ringPass = 512
	ringBack = 2048
)

// cache is how many positions a cache has, and the window that it has, for
// attention to the last window positions, 0 for all. A window as long as the
// context is none.
func (o *Options) cache(window int) (positions, ring int) {
	if window == 0 || window >= o.Context {
		return o.Context, 0
	}
	n := window + min(ringPass, o.Context) + min(ringBack, o.Context)
	if !o.Slide { // no text is longer than the context
		n = min(n, o.Context)
	}
	return (n + backend.RingUnit - 1) / backend.RingUnit * backend.RingUnit, window
}

// cache is the current layer's keys or values.
func (b *builder) cache(name string, h *backend.Heads) *backend.State {
	s := b.state(name, backend.StateKV, h.CacheBytes())
	if h.Window > 0 {
		s.Window, s.Ring = h.Window, h.Context
	}
	return s
}

// sliding are the caches that hold every position up to the context's end, and
// whose old positions a slide drops. ringed are the others.
func (s *Session) sliding() []*backend.State {
	return s.list(func(st *backend.State) bool { return st.Kind == backend.StateKV && st.Ring == 0 })
}

func (s *Session) ringed() []*backend.State {
	return s.list(func(st *backend.State) bool { return st.Kind == backend.StateKV && st.Ring > 0 })
}

// prompts is how many tokens a prompt's pass holds.
func (r *Runtime) prompts() int {
	n := backend.PromptTokens(r.b)
	for _, st := range r.states {
		if st.Ring > 0 {
			return min(n, ringPass)
		}
	}
	return n
}

// reaches notes that positions of the text up to end are stored.
func (s *Session) reaches(end int) { s.reach = max(s.reach, units(end)) }

// since is the first position of the text that a ring still holds, a multiple of
// backend.CacheUnit.
func (s *Session) since(st *backend.State) int { return max(s.known[st.Name], s.reach-st.Ring) }

// holds reports whether the rings hold all that the tokens behind the first n attend
// to, where the last logged of these may be taken back.
func (s *Session) holds(n, logged int) bool {
	for _, st := range s.ringed() {
		if n > 0 && s.since(st) > max(0, n-logged-st.Window+1) {
			return false
		}
	}
	return true
}

// forget empties the rings.
func (s *Session) forget() { s.reach, s.known = 0, nil }
