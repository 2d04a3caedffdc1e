package regex

import (
	"iter"
	"slices"
	"unicode"
)

// set is a set of characters: ranges from lo to hi, in order and apart.
type set []span

type span struct{ lo, hi rune }

func fromTable(t *unicode.RangeTable) set {
	var s set
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, span{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, span{r, r})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return s.normal()
}

// normal sorts the ranges and joins those that touch.
func (s set) normal() set {
	slices.SortFunc(s, func(a, b span) int { return int(a.lo) - int(b.lo) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func union(sets ...set) set { return slices.Concat(sets...).normal() }

func (s set) negate() set {
	var out set
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, span{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

func (s set) intersect(t set) set { return union(s.negate(), t.negate()).negate() }

func (s set) has(r rune) bool {
	i, ok := slices.BinarySearchFunc(s, r, func(a span, r rune) int {
		switch {
		case a.hi < r:
			return -1
		case a.lo > r:
			return 1
		}
		return 0
	})
	return ok && i < len(s)
}

// fold adds what differs from the set's characters only in case.
func (s set) fold() set {
	out, all := slices.Clone(s), foldable()
	for _, r := range s {
		from, _ := slices.BinarySearch(all, r.lo)
		for _, c := range all[from:] {
			if c > r.hi {
				break
			}
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				out = append(out, span{f, f})
			}
		}
	}
	return out.normal()
}

// Set is a set of characters.
type Set struct{ set set }

// Property returns the characters of a property by its name in \p{...}, such as Lu, L
// or Han; it panics on a name that is not known.
func Property(name string) *Set {
	s, ok := property(name, false)
	if !ok {
		panic("regex: no property " + name)
	}
	return &Set{s}
}

// Has tells whether a character is in the set.
func (s *Set) Has(r rune) bool { return s.set.has(r) }

// Ranges are the first and last characters of the set's runs, in order.
func (s *Set) Ranges() iter.Seq2[rune, rune] {
	return func(yield func(lo, hi rune) bool) {
		for _, r := range s.set {
			if !yield(r.lo, r.hi) {
				return
			}
		}
	}
}
