package jinja

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// split is str.split and str.rsplit.
func (m *machine) split(x str, p params, right bool) (any, error) {
	s := x.s
	limit, err := p.number(1, -1)
	if err != nil {
		return nil, err
	}
	if limit < 0 {
		limit = int64(len(s)) + 1
	}
	n := int(min(limit, int64(len(s))+1))
	if !p.given(0) {
		if err := m.paySplit(s, countFunc(s, isSpace)+1); err != nil {
			return nil, err
		}
		return newList(x.parts(splitSpace(s, n, right))), nil
	}
	sep, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, errors.New("empty separator")
	}
	if err := m.spend(len(s) + len(sep)); err != nil {
		return nil, err
	}
	if err := m.paySplit(s, min(n, strings.Count(s, sep))+1); err != nil {
		return nil, err
	}
	var parts []cut
	from, to := 0, len(s)
	for ; n > 0 && !right; n-- {
		i := strings.Index(s[from:], sep)
		if i < 0 {
			break
		}
		parts = append(parts, cut{from, from + i})
		from += i + len(sep)
	}
	for ; n > 0 && right; n-- {
		i := strings.LastIndex(s[:to], sep)
		if i < 0 {
			break
		}
		parts = append(parts, cut{i + len(sep), to})
		to = i
	}
	parts = append(parts, cut{from, to})
	if right {
		slices.Reverse(parts)
	}
	return newList(x.parts(parts)), nil
}

// paySplit pays for reading s and for a list of n strings.
func (m *machine) paySplit(s string, n int) error {
	if err := m.spend(len(s)); err != nil {
		return err
	}
	return m.spendItems(6 * n)
}

func countFunc(s string, f func(rune) bool) int {
	n := 0
	for _, r := range s {
		if f(r) {
			n++
		}
	}
	return n
}

// splitSpace cuts at runs of white space, at most n times. The rest keeps the
// white space inside it.
func splitSpace(s string, n int, right bool) []cut {
	var parts []cut
	if right {
		for s = strings.TrimRightFunc(s, isSpace); s != "" && n > 0; n-- {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 {
				break
			}
			_, w := utf8.DecodeRuneInString(s[i:])
			parts = append(parts, cut{i + w, len(s)})
			s = strings.TrimRightFunc(s[:i], isSpace)
		}
		if s != "" {
			parts = append(parts, cut{0, len(s)})
		}
		slices.Reverse(parts)
		return parts
	}
	all := len(s) // where s ends; it begins at all - len(s)
	for s = strings.TrimLeftFunc(s, isSpace); s != "" && n > 0; n-- {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 {
			break
		}
		parts = append(parts, cut{all - len(s), all - len(s) + i})
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	if s != "" {
		parts = append(parts, cut{all - len(s), all})
	}
	return parts
}

// lineBreaks are the ends of lines for str.splitlines.
const lineBreaks = "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

func isLineBreak(r rune) bool { return strings.ContainsRune(lineBreaks, r) }

func splitLines(s string, keep bool) []cut {
	var lines []cut
	for from := 0; from < len(s); {
		i := strings.IndexFunc(s[from:], isLineBreak)
		if i < 0 {
			return append(lines, cut{from, len(s)})
		}
		i += from
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			lines = append(lines, cut{from, i + n})
		} else {
			lines = append(lines, cut{from, i})
		}
		from = i + n
	}
	return lines
}

// partition is str.partition and str.rpartition.
func partition(s, sep str, right bool) []any {
	i := strings.Index(s.s, sep.s)
	if right {
		i = strings.LastIndex(s.s, sep.s)
	}
	none := plain("").as(s.isMarkup())
	switch {
	case i >= 0:
		return []any{s.sub(0, i), s.sub(i, i+len(sep.s)), s.from(i + len(sep.s))}
	case right:
		return []any{none, none, s}
	}
	return []any{s, none, none}
}
