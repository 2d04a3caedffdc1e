package constrain

import "slices"

// characters is one character of ranges, as the bytes of its UTF-8.
func (c *compiler) characters(ranges []rune) int32 {
	rs := normalRanges(ranges)
	var kids []int32
	for _, l := range []struct {
		lo, hi rune
		cont   int  // bytes behind the first
		lead   byte // of the first, where the character's first bits are 0
	}{{0, 0x7f, 0, 0}, {0x80, 0x7ff, 1, 0xc0}, {0x800, 0xffff, 2, 0xe0}, {0x10000, 0x10ffff, 3, 0xf0}} {
		if part := clip(rs, l.lo, l.hi); len(part) > 0 {
			kids = append(kids, c.encoded(part, l.cont, l.lead))
		}
	}
	return c.p.alt(kids...)
}

// encoded is the characters of ranges, of which cont bytes follow the first one.
// base is added to the bits of the first byte.
func (c *compiler) encoded(rs []rune, cont int, base byte) int32 {
	shift := 6 * cont
	by := map[int32]byteSet{} // what follows, to the first bytes before it
	add := func(tail int32, lo, hi rune) {
		s := by[tail]
		s.add(base|byte(lo), base|byte(hi))
		by[tail] = s
	}
	block := rune(1) << shift // characters of one first byte
	for i := 0; i < len(rs); i += 2 {
		lo, hi := (rs[i]+block-1)>>shift, (rs[i+1]+1)>>shift-1 // whole blocks
		if lo <= hi {
			add(c.continued(cont), lo, hi)
		}
	}
	last := rune(-1)
	for _, r := range rs { // blocks in part
		at := r >> shift
		part := clip(rs, at<<shift, at<<shift|(block-1))
		if at == last || len(part) == 2 && part[1]-part[0] == block-1 {
			continue
		}
		last = at
		for i := range part {
			part[i] &= block - 1
		}
		add(c.encoded(part, cont-1, 0x80), at, at)
	}
	kids := make([]int32, 0, len(by))
	for tail, s := range by {
		kids = append(kids, c.p.seq(c.p.set(s), tail))
	}
	return c.p.alt(kids...)
}

// continued is any n bytes that continue a character.
func (c *compiler) continued(n int) int32 {
	id := empty
	for range n {
		id = c.p.seq(c.p.byteRange(0x80, 0xbf), id)
	}
	return id
}

// clip is the part of sorted ranges between lo and hi.
func clip(rs []rune, lo, hi rune) []rune {
	var out []rune
	for i := 0; i < len(rs); i += 2 {
		if a, b := max(rs[i], lo), min(rs[i+1], hi); a <= b {
			out = append(out, a, b)
		}
	}
	return out
}

// normalRanges sorts ranges, merges them, and leaves out surrogates.
func normalRanges(ranges []rune) []rune {
	type span struct{ lo, hi rune }
	var spans []span
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo < 0xd800 {
			spans = append(spans, span{lo, min(hi, 0xd7ff)})
		}
		if hi > 0xdfff {
			spans = append(spans, span{max(lo, 0xe000), hi})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo - b.lo) })
	var out []rune
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1]+1 {
			out[n-1] = max(out[n-1], s.hi)
		} else {
			out = append(out, s.lo, s.hi)
		}
	}
	return out
}
