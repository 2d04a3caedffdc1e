package jinja

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

func addTextFilters() {
	filters["groupby"] = def("attribute default? case_sensitive?", groupBy)
	filters["truncate"] = def("length? killwords? end? leeway?", truncate)
	filters["urlencode"] = def("", urlEncode)
	filters["wordwrap"] = def("width? break_long_words? wrapstring? break_on_hyphens?", wordWrap)
}

// groupBy gives pairs of a value and the items that have it, in order, each with
// the attributes grouper and list.
func groupBy(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get, err := m.getter(p.values[0], p.value(1, nil), false)
	if err != nil {
		return nil, err
	}
	fold, err := m.getter(p.values[0], p.value(1, nil), !p.flag(2, false))
	if err != nil {
		return nil, err
	}
	by, err := m.keyedBy(items, fold)
	if err != nil {
		return nil, err
	}
	if by, err = mergeSort(m, by, func(a, b keyed) (bool, error) { return m.order("<", a.key, b.key) }); err != nil {
		return nil, err
	}
	var groups []any
	for i := 0; i < len(by); {
		from := i
		for i++; i < len(by); i++ {
			if same, err := m.equal(by[from].key, by[i].key); err != nil {
				return nil, err
			} else if !same {
				break
			}
		}
		if err := m.spendItems(12 + i - from); err != nil {
			return nil, err
		}
		group := make([]any, 0, i-from)
		for _, k := range by[from:i] {
			group = append(group, k.item)
		}
		name, err := get(group[0])
		if err != nil {
			return nil, err
		}
		pair := tuple(name, newList(group))
		pair.names = []string{"grouper", "list"}
		groups = append(groups, pair)
	}
	return newList(groups), nil
}

// truncate cuts a text that is longer than length characters by more than
// leeway. It cuts at the end of a word unless killwords is given.
func truncate(m *machine, x any, p params) (any, error) {
	s, err := m.str(x)
	if err != nil {
		return nil, err
	}
	length, err := p.number(0, 255)
	if err != nil {
		return nil, err
	}
	end, err := p.str(2, "...")
	if err != nil {
		return nil, err
	}
	leeway := int64(5)
	if p.given(3) {
		if leeway, err = p.number(3, 5); err != nil {
			return nil, err
		}
	}
	if err := m.spend(4*len(s.s) + len(end.s)); err != nil {
		return nil, err
	}
	ends := int64(utf8.RuneCountInString(end.s))
	switch {
	case length < ends:
		return nil, errors.New("truncate: the length is less than that of the end")
	case leeway < 0:
		return nil, errors.New("truncate: the leeway is below zero")
	case int64(utf8.RuneCountInString(s.s))-length <= leeway:
		return s, nil
	}
	_, cut := bytesOf(s.s, 0, int(length-ends))
	if !p.flag(1, false) {
		if space := strings.LastIndexByte(s.s[:cut], ' '); space >= 0 {
			cut = space
		}
	}
	return m.add(s.sub(0, cut), end)
}

// urlEncode quotes a text for a URL, or makes a query of pairs.
func urlEncode(m *machine, x any, _ params) (any, error) {
	w := &writer{m: m}
	if d, ok := x.(*Map); ok {
		pairs, err := m.pairs(d)
		if err != nil {
			return nil, err
		}
		x = newList(pairs)
	}
	l, ok := x.(*list)
	if !ok {
		s, err := m.str(x)
		if err != nil {
			return nil, err
		}
		w.quoteURL(s, "/", "%20")
		return w.done()
	}
	items, err := m.iterate(l)
	if err != nil {
		return nil, err
	}
	for i, item := range items {
		pair, err := m.iterate(item)
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 {
			return nil, errors.New("urlencode: not a list of pairs")
		}
		if i > 0 {
			w.add("&")
		}
		for j, v := range pair {
			s, err := m.str(v)
			if err != nil {
				return nil, err
			}
			if j > 0 {
				w.add("=")
			}
			w.quoteURL(s, "", "+")
		}
	}
	return w.done()
}

func (w *writer) quoteURL(s str, safe, space string) {
	if w.err == nil {
		w.err = w.m.spend(4 * len(s.s))
	}
	for i := 0; i < len(s.s) && w.err == nil; i++ {
		c := s.s[i]
		switch {
		case c == ' ':
			w.write(s.at(i, space))
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z',
			strings.IndexByte("_.-~", c) >= 0, strings.IndexByte(safe, c) >= 0:
			w.write(s.at(i, s.s[i:i+1]))
		default:
			const digits = "0123456789ABCDEF"
			w.write(s.at(i, string([]byte{'%', digits[c>>4], digits[c&15]})))
		}
	}
}

// wordWrap breaks every line of a text so that none is longer than width
// characters, between words and behind hyphens.
func wordWrap(m *machine, x any, p params) (any, error) {
	s, err := m.str(x)
	if err != nil {
		return nil, err
	}
	width, err := p.number(0, 79)
	if err != nil {
		return nil, err
	}
	end := plain("\n")
	if p.given(2) {
		if end, err = p.str(2, "\n"); err != nil {
			return nil, err
		}
	}
	if width < 1 {
		return nil, errors.New("wordwrap: the width must be above zero")
	}
	if err := m.paySplit(s.s, 2*len(s.s)+1); err != nil {
		return nil, err
	}
	w := &writer{m: m}
	for i, line := range splitLines(s.s, false) {
		if i > 0 {
			w.write(end)
		}
		wrapped := wrapLine(s.s[line.from:line.to], width, p.flag(1, true), p.flag(3, true))
		for j, c := range wrapped {
			if j > 0 {
				w.write(end)
			}
			w.write(s.sub(line.from+c.from, line.from+c.to))
		}
	}
	return w.done()
}

// wrapLine is Python's textwrap of a line. White space is kept except where the
// line is broken.
func wrapLine(s string, width int64, breakWords, hyphens bool) []cut {
	chunks := wrapChunks(s, hyphens)
	var lines []cut
	for len(chunks) > 0 {
		if len(lines) > 0 && strings.TrimSpace(s[chunks[0].from:chunks[0].to]) == "" {
			if chunks = chunks[1:]; len(chunks) == 0 {
				break
			}
		}
		from, to, room := chunks[0].from, chunks[0].from, width
		for len(chunks) > 0 {
			n := int64(utf8.RuneCountInString(s[chunks[0].from:chunks[0].to]))
			if n > room {
				break
			}
			to, room, chunks = chunks[0].to, room-n, chunks[1:]
		}
		if len(chunks) > 0 && int64(utf8.RuneCountInString(s[chunks[0].from:chunks[0].to])) > width {
			switch {
			case breakWords && room > 0:
				_, n := bytesOf(s[chunks[0].from:chunks[0].to], 0, int(room))
				to = chunks[0].from + n
				chunks[0].from = to
			case !breakWords && from == to:
				to, chunks = chunks[0].to, chunks[1:]
			}
		}
		trimmed := from + len(strings.TrimRight(s[from:to], " \t\n\v\f\r"))
		if trimmed > from {
			lines = append(lines, cut{from, trimmed})
		}
	}
	return lines
}

// wrapChunks cuts a line into words and the white space between them. It also
// cuts words behind their hyphens.
func wrapChunks(s string, hyphens bool) []cut {
	var chunks []cut
	start, blank := 0, false
	for i, r := range s {
		now := strings.ContainsRune(" \t\n\v\f\r", r)
		switch {
		case i == start:
		case now != blank:
			chunks, start = append(chunks, cut{start, i}), i
		case hyphens && !now && s[i-1] == '-' && isWordChar(r) && i-start > 1 && isWordChar(lastBefore(s, i-1)):
			chunks, start = append(chunks, cut{start, i}), i
		}
		blank = now
	}
	if start < len(s) {
		chunks = append(chunks, cut{start, len(s)})
	}
	return slices.Clip(chunks)
}

func lastBefore(s string, i int) rune {
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return r
}
