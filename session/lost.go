package session

import (
	"errors"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// lostPlace is the positions that one slide of the context took out of the
// caches: model.Lost, with its rows in the file.
type lostPlace struct {
	dropped, count, floor int
	rows                  []section // of each cache
}

// lostSections are the slides' lost positions that the file lacks and that the
// last points are behind. in.Lost says where they begin. Everything after a
// missing one is written again, since a file's are in the order of the text.
func (f *File) lostSections(s *model.Session, in *info, points []Point) (list []section) {
	least := in.Dropped
	for _, p := range points[max(0, len(points)-keptPoints-1):] {
		least = min(least, p.Snap.Dropped())
	}
	in.Lost = in.Dropped
	missing := false
	for _, l := range s.Lost() {
		there := f.lost[l.ID]
		if l.Dropped < least && !there && in.Lost == in.Dropped {
			continue
		}
		in.Lost = min(in.Lost, l.Dropped)
		if missing = missing || !there; !missing {
			continue
		}
		for part, rows := range l.Rows {
			list = append(list, section{kind: kindLost, part: part, from: l.Dropped, to: l.Floor, data: rows})
		}
	}
	return list
}

// addLost takes in a record's slides. c.lost is in the order of the timeline,
// without those that it went back behind.
func (c *content) addLost(list []section, o *owners, in *info) error {
	const u = backend.CacheUnit
	caches := o.sliding()
	pop := func(end int) {
		for n := len(c.lost); n > 0 && c.lost[n-1].dropped+c.lost[n-1].count > end; n-- {
			c.lost[n-1] = lostPlace{}
			c.lost = c.lost[:n-1]
		}
	}
	pop(in.Dropped)
	var l lostPlace
	for _, s := range list {
		if s.kind != kindLost {
			continue
		}
		if s.part != len(l.rows) || s.part >= caches || s.size == 0 || s.size%o.bytes[s.part] != 0 {
			return errors.New("positions that no slide took")
		}
		count := s.size / o.bytes[s.part] * u
		if s.part == 0 {
			l = lostPlace{dropped: s.from, count: count, floor: s.to}
		}
		if s.from != l.dropped || s.to != l.floor || count != l.count || s.from > in.Dropped-count {
			return errors.New("positions that no slide took")
		}
		if l.rows = append(l.rows, s); len(l.rows) == caches {
			pop(l.dropped)
			c.lost = append(c.lost, l)
			l = lostPlace{}
		}
	}
	if l.rows != nil {
		return errors.New("a cache is missing")
	}
	c.first = in.Lost
	return nil
}

// regain gives a session the positions that slides took out of its caches, the
// last ones in one piece.
func (c *content) regain(b []byte, s *model.Session) error {
	at, from := c.dropped, len(c.lost)
	for from > 0 {
		l := &c.lost[from-1]
		if l.dropped+l.count != at || l.dropped < c.first || l.floor > s.Context()-l.count {
			break
		}
		at = l.dropped
		from--
	}
	c.first = at
	var list []model.Lost
	for _, l := range c.lost[from:] {
		lost := model.Lost{Dropped: l.dropped, Count: l.count, Floor: l.floor}
		for _, s := range l.rows {
			lost.Rows = append(lost.Rows, slices.Clone(b[s.off:s.off+s.size]))
		}
		list = append(list, lost)
	}
	return s.Regain(list)
}
