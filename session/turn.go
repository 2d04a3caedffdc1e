package session

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// turn lists the sections of a record that brings the file to the point of s
// and t. It is nil where the file is there already.
func (f *File) turn(s *model.Session, t Turn) ([]section, *info, error) {
	tokens := s.Tokens()
	same := f.changes == s.Changes()
	in := &info{Dropped: s.Dropped(), Pinned: s.Pinned(), Keep: common(f.c.tokens, tokens, func(a, b int32) bool { return a == b }), Note: t.Note}
	in.KeepMessages = common(f.c.messages, t.Messages, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
	in.Messages = t.Messages[in.KeepMessages:]
	if same && len(in.Messages) == 0 && in.KeepMessages == len(f.c.messages) && bytes.Equal(t.Note, f.c.note) {
		return nil, in, nil
	}
	var list []section
	in.Logged = f.c.logged
	if !same {
		for _, p := range lastPoints(t.Points) {
			if n := p.Snap.Len(); n < in.Keep && !f.c.has(n) { // a file that was written anew has few
				in.Keep = n
			}
		}
		end, err := s.Snapshot()
		if err != nil {
			return nil, nil, err
		}
		list = append(list, stateSections(end, 0)...)
		_, in.Logged = end.State()
		for _, p := range f.news(t.Points, in.Keep) {
			_, logged := p.Snap.State()
			in.Points = append(in.Points, pointInfo{p.Snap.Len(), logged, p.Snap.Dropped(), p.Messages, p.Note})
			list = append(list, stateSections(p.Snap, len(in.Points))...)
			if p.Logits != nil {
				list = append(list, section{kind: kindLogits, from: len(in.Points), data: float32s(p.Logits)})
			}
		}
		list = append(list, f.lostSections(s, in, t.Points)...)
		list = append(list, cacheSections(s, min(max(0, in.Keep-in.Dropped), s.Dirty()))...)
		list = append(list, ringSections(s, min(in.Keep, s.News()))...)
	}
	if same {
		in.Lost = f.c.first
	}
	if len(tokens) > in.Keep {
		list = append([]section{{kind: kindTokens, data: int32s(tokens[in.Keep:])}}, list...)
	}
	j, err := json.Marshal(in)
	return append([]section{{kind: kindInfo, data: j}}, list...), in, err
}

// news are the last points that the file lacks, of a timeline whose first keep
// tokens it has.
func (f *File) news(points []Point, keep int) []Point {
	return slices.DeleteFunc(slices.Clone(lastPoints(points)), func(p Point) bool {
		return p.Snap.Len() <= keep && f.c.has(p.Snap.Len())
	})
}

func lastPoints(points []Point) []Point { return points[max(0, len(points)-keptPoints):] }

// has reports whether the file has a point after that number of tokens.
func (c *content) has(tokens int) bool {
	return slices.ContainsFunc(c.points, func(p place) bool { return p.Tokens == tokens })
}

// stand notes the file's points after a record was added.
func (c *content) stand(in *info) {
	c.points = slices.DeleteFunc(c.points, func(p place) bool { return p.Tokens > in.Keep || p.Tokens == len(c.tokens) })
	for _, p := range in.Points {
		c.points = append(c.points, place{pointInfo: p})
	}
	c.points = append(c.points, place{pointInfo: pointInfo{Tokens: len(c.tokens)}})
}

func stateSections(n *model.Snapshot, point int) (list []section) {
	state, _ := n.State()
	for i, data := range state {
		list = append(list, section{kind: kindState, part: i, from: point, data: data})
	}
	return list
}

// cacheSections are the positions of caches, but for rings, from the first new one on. Of a page
// that is not full they hold the new positions, and full pages are whole. Large
// sections begin where they can be mapped.
func cacheSections(s *model.Session, first int) (list []section) {
	const u = backend.CacheUnit
	page, align := pageOf(s)
	end := len(s.Tokens()) - s.Dropped()
	full := end / page * page
	if from := max(full, first/u*u); from < end {
		for _, sec := range rowsOf(s, 0, sliding(s), from, roundUp(end, u), unit) {
			if (sec.to-sec.from)/u*s.Parts()[sec.part].Bytes >= 4*pageUnit {
				sec.align = pageUnit
			}
			list = append(list, sec)
		}
	}
	for from := first / page * page; from < full; from += page {
		list = append(list, rowsOf(s, 0, sliding(s), from, from+page, align)...)
	}
	return list
}

// ringSections are the positions of rings from the first new one on, as far as
// they are still there.
func ringSections(s *model.Session, first int) (list []section) {
	const u = backend.CacheUnit
	end := roundUp(len(s.Tokens()), u)
	for i := sliding(s); i < caches(s); i++ {
		if from := max(first/u*u, s.Since(i)); from < end {
			list = append(list, rowsOf(s, i, i+1, from, end, unit)...)
		}
	}
	return list
}

// pageOf is how many positions of s make a page, and the unit on which a page
// begins. A page has as many positions as the processor's large pages hold of
// every cache, where that is a few times Page. Such a page, written in one
// piece on a multiple of its size, lies in one large page of memory, and
// looking at it for the first time costs a hundredth.
func pageOf(s *model.Session) (positions, align int) {
	for n := Page; n <= 4*Page; n *= 2 {
		if !slices.ContainsFunc(s.Parts(), func(p model.Part) bool { return p.Cache && p.Window == 0 && n/backend.CacheUnit*p.Bytes%largeUnit != 0 }) {
			return n, largeUnit
		}
	}
	return Page, pageUnit
}

// common is how many elements two lists begin with in common.
func common[T any](a, b []T, equal func(a, b T) bool) int {
	n := min(len(a), len(b))
	for i := range n {
		if !equal(a[i], b[i]) {
			return i
		}
	}
	return n
}
