package template

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

func texts(parts []string) []any {
	items := make([]any, len(parts))
	for i, s := range parts {
		items[i] = s
	}
	return items
}

// split is str.split and str.rsplit.
func (m *machine) split(s string, p params, right bool) (any, error) {
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
		return newList(texts(splitSpace(s, n, right))), nil
	}
	sep, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, errors.New("empty separator")
	}
	if err := m.paySplit(s, min(n, strings.Count(s, sep))+1); err != nil {
		return nil, err
	}
	if !right {
		return newList(texts(strings.SplitN(s, sep, n+1))), nil
	}
	var parts []string
	for ; n > 0; n-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return newList(texts(parts)), nil
}

// paySplit pays for reading s and for a list of n strings.
func (m *machine) paySplit(s string, n int) error {
	if err := m.spend(len(s)); err != nil {
		return err
	}
	return m.spendItems(3 * n)
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

// splitSpace cuts at runs of white space, n times at most; what is left over
// keeps the white space inside it.
func splitSpace(s string, n int, right bool) []string {
	var parts []string
	if right {
		for s = strings.TrimRightFunc(s, isSpace); s != "" && n > 0; n-- {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 {
				break
			}
			_, w := utf8.DecodeRuneInString(s[i:])
			parts = append(parts, s[i+w:])
			s = strings.TrimRightFunc(s[:i], isSpace)
		}
		if s != "" {
			parts = append(parts, s)
		}
		slices.Reverse(parts)
		return parts
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != "" && n > 0; n-- {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 {
			break
		}
		parts = append(parts, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	if s != "" {
		parts = append(parts, s)
	}
	return parts
}

// lineBreaks are what ends a line for str.splitlines.
const lineBreaks = "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

func isLineBreak(r rune) bool { return strings.ContainsRune(lineBreaks, r) }

func splitLines(s string, keep bool) []string {
	var lines []string
	for s != "" {
		i := strings.IndexFunc(s, isLineBreak)
		if i < 0 {
			return append(lines, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			lines = append(lines, s[:i+n])
		} else {
			lines = append(lines, s[:i])
		}
		s = s[i+n:]
	}
	return lines
}

// partition is str.partition and str.rpartition.
func partition(s, sep string, right bool) []any {
	i := strings.Index(s, sep)
	if right {
		i = strings.LastIndex(s, sep)
	}
	switch {
	case i >= 0:
		return []any{s[:i], sep, s[i+len(sep):]}
	case right:
		return []any{"", "", s}
	}
	return []any{s, "", ""}
}
