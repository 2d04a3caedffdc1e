package session

import (
	"errors"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// owners says which section holds each unit of positions of each cache: the one
// that was written last.
type owners struct {
	bytes   []int // of a unit, by cache
	windows []int // of each cache, not 0 where it is a ring, whose positions are the text's
	list    []section
	of      [][]int // [cache][position / unit]: index into list, or -1
}

func newOwners(parts []model.Part) *owners {
	o := &owners{}
	for _, p := range parts {
		if p.Cache {
			o.bytes, o.windows = append(o.bytes, p.Bytes), append(o.windows, p.Window)
		}
	}
	o.of = make([][]int, len(o.bytes))
	return o
}

// sliding is how many caches are no rings. They come first.
func (o *owners) sliding() int {
	if i := slices.IndexFunc(o.windows, func(w int) bool { return w > 0 }); i >= 0 {
		return i
	}
	return len(o.windows)
}

// take adds the sections of a record. Of the tokens before it keep stay, and the
// timeline then has tokens of them, the last logged of which may be taken back.
// Caches, but not rings, have lost the positions of dropped ones.
func (o *owners) take(list []section, keep, tokens, dropped, logged int) error {
	const u = backend.CacheUnit
	news := make([]int, len(o.of)) // of each cache the first that is to come
	for i, of := range o.of {
		kept, units := max(0, keep-dropped+u-1)/u, (tokens-dropped+u-1)/u
		if o.windows[i] > 0 {
			kept, units = (keep+u-1)/u, (tokens+u-1)/u
			if tokens > keep { // what is not kept of a unit comes anew, or the ring had lost it
				kept = keep / u
			}
		}
		of = of[:min(kept, len(of))]
		news[i] = min(len(of), units)
		for len(of) < units {
			of = append(of, -1)
		}
		o.of[i] = of
	}
	for _, s := range list {
		if s.kind != kindCache {
			continue
		}
		if s.part >= len(o.of) || s.from%u != 0 || s.to%u != 0 || s.from >= s.to || s.to > len(o.of[s.part])*u || s.size != (s.to-s.from)/u*o.bytes[s.part] {
			return errors.New("positions it has not")
		}
		o.list = append(o.list, s)
		for i := s.from / u; i < s.to/u; i++ {
			o.of[s.part][i] = len(o.list) - 1
		}
	}
	for i, of := range o.of {
		missing := slices.Contains(of[news[i]:], -1) // those before are there
		if w := o.windows[i]; w > 0 {
			need := max(0, min(tokens-logged-w+1, tokens-1))
			missing = tokens > 0 && o.since(i)*u > need
		}
		if missing {
			return errors.New("positions are missing")
		}
	}
	return nil
}

// since is the first unit of a ring behind which none is missing.
func (o *owners) since(cache int) int {
	of := o.of[cache]
	n := len(of)
	for n > 0 && of[n-1] >= 0 {
		n--
	}
	return n
}

// run is positions [from, to) of a ring that lie in one section.
type run struct {
	section
	from, to int
}

// finish lists the sections that a restore puts into the caches, those that
// hold a unit, in the order of writing. It returns the rest.
func (c *content) finish(o *owners) (rest []section) {
	units := make([]int, len(o.list)) // that a section holds
	for cache, of := range o.of {
		if o.windows[cache] > 0 {
			from := o.since(cache)
			c.runs = append(c.runs, o.runs(of, from))
			of = of[from:]
		}
		var list []section
		for _, i := range of {
			units[i]++
		}
		sorted := slices.Clone(of)
		slices.Sort(sorted)
		for _, i := range slices.Compact(sorted) {
			s := o.list[i]
			s.covered = units[i] < (s.to-s.from)/backend.CacheUnit
			list = append(list, s)
		}
		c.caches = append(c.caches, list)
	}
	for i, s := range o.list {
		if units[i] == 0 {
			rest = append(rest, s)
		}
	}
	return rest
}

// runs are the units of a ring from the given one on.
func (o *owners) runs(of []int, from int) (list []run) {
	const u = backend.CacheUnit
	for i := from; i < len(of); i++ {
		if i > from && of[i] == of[i-1] {
			list[len(list)-1].to += u
			continue
		}
		list = append(list, run{o.list[of[i]], i * u, (i + 1) * u})
	}
	return list
}

// fillRing puts a ring's last positions there, as many as it takes. The bytes of
// units follow each other in a section.
func fillRing(b []byte, s *model.Session, cache int, runs []run) error {
	if len(runs) == 0 {
		return nil
	}
	const u = backend.CacheUnit
	least := runs[len(runs)-1].to - s.Ring(cache)
	for _, r := range runs {
		unit := r.size / ((r.section.to - r.section.from) / u)
		from := max(r.from, least)
		if from >= r.to {
			continue
		}
		data := b[r.off:][:r.size]
		if err := s.WriteCache(cache, from, r.to, data[(from-r.section.from)/u*unit:(r.to-r.section.from)/u*unit]); err != nil {
			return err
		}
	}
	return nil
}
