package constrain

import "unicode/utf8"

// slice is tokens that consist of characters of one class. Where a state reads any
// such characters, up to a number of them, it allows the slice's tokens of that
// length without looking at each. (The idea is llguidance's.)
type slice struct {
	last  bool             // it has all other tokens, and no class
	trie  *trie            // its tokens
	chars map[int32]int    // characters of a token
	bits  map[int][]uint32 // by a number of characters: the mask of the tokens that have no more
}

// The classes, each with more than the one before. A token is in the first slice that
// has all of its characters. The third is what stands in a string of JSON as it is.
var sliceClasses = [][]rune{
	{'a', 'z'},
	{'-', '-', '0', '9', 'A', 'Z', '_', '_', 'a', 'z'},
	{' ', '!', '#', '[', ']', '~', 0xa0, utf8.MaxRune},
}

func newSlices(tokens [][]byte, order []int32) []*slice {
	all := make([]*slice, len(sliceClasses)+1)
	members := make([][]int32, len(all))
	for i := range all {
		all[i] = &slice{chars: map[int32]int{}, bits: map[int][]uint32{}}
		all[i].last = i == len(sliceClasses)
	}
	for _, id := range order {
		i, n := sliceOf(tokens[id])
		members[i] = append(members[i], id)
		all[i].chars[id] = n
	}
	for i, s := range all {
		s.trie = newTrie(tokens, members[i])
	}
	return all
}

// mostChars is how many characters a token of a class's slice has at most.
const mostChars = 32

// sliceOf is the slice of a token, and its characters.
func sliceOf(text []byte) (i, chars int) {
	for chars = 0; len(text) > 0; chars++ {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return len(sliceClasses), 0
		}
		for i < len(sliceClasses) && !within(sliceClasses[i], r) {
			i++
		}
		text = text[n:]
	}
	if chars > mostChars {
		return len(sliceClasses), chars
	}
	return i, chars
}

func within(ranges []rune, r rune) bool {
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i] <= r && r <= ranges[i+1] {
			return true
		}
	}
	return false
}

// most is the mask of the tokens of at most n characters.
func (s *slice) most(v *Vocabulary, n int) []uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	n = min(n, mostChars)
	m := s.bits[n]
	if m == nil {
		m = make([]uint32, (v.Size()+31)/32)
		for id, chars := range s.chars {
			if chars <= n {
				v.allow(m, id)
			}
		}
		s.bits[n] = m
	}
	return m
}

// successors is what characters of a class make of a state.
type successors struct {
	all  bool    // every one can be read
	none bool    // none can be read
	next []int32 // the states behind them
}

// runs says how many characters of a slice's class a state can read, whichever
// they are, while it can read none beyond: the slice's tokens of at most that many
// characters are allowed, and no others. ok is false where it depends on the
// characters.
func (e *engine) runs(at int, state int32, longest int) (n int, ok bool) {
	const most = 600                // states that are looked at
	seen := map[int32]int{state: 0} // the layer that a state is in first
	again := false                  // a state is in a second layer
	layer := []int32{state}
	for n = 0; n < longest; n++ {
		var after []int32
		dead := 0
		for _, s := range layer {
			f := e.successors(at, s)
			switch {
			case f.none:
				dead++
			case !f.all:
				return 0, false
			}
			for _, x := range f.next {
				if l, ok := seen[x]; !ok {
					seen[x] = n + 1
					after = append(after, x)
				} else if l != n+1 {
					again = true
				}
			}
		}
		switch {
		case dead == len(layer) && !again:
			return n, true
		case dead > 0 || len(seen) > most:
			return 0, false
		case len(after) == 0: // all states that can be reached go on
			return longest, true
		}
		layer = after
	}
	return longest, true
}

// successors are computed once for a slice and a state.
func (e *engine) successors(at int, state int32) *successors {
	k := [2]int32{int32(at), state}
	f := e.follow[k]
	if f == nil {
		f = e.character(state, e.p.slices[at])
		e.p.take(nodeBytes/2 + 4*len(f.next))
		e.follow[k] = f
	}
	return f
}

// character reads every character of a class, byte by byte.
func (e *engine) character(state, class int32) *successors {
	type pair struct{ state, class int32 }
	p := e.p
	f := &successors{all: true, none: true}
	seen := map[pair]bool{}
	known := map[int32]bool{}
	todo := []pair{{state, class}}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, c := range p.parts.list[p.product(p.partOf(at.state), p.partOf(at.class))].first {
			rest := p.derive(at.class, c)
			if rest == none {
				continue
			}
			s := p.next(at.state, c)
			switch {
			case s == none:
				f.all = false
			case rest == empty:
				f.none = false
				if !known[s] {
					known[s] = true
					f.next = append(f.next, s)
				}
			default:
				if x := (pair{s, rest}); !seen[x] {
					seen[x] = true
					todo = append(todo, x)
				}
			}
			if !f.all && !f.none {
				f.next = nil
				return f
			}
		}
	}
	return f
}
