package tokenizer

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is an entry of tokenizer.json's added_tokens.
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// addedTokens finds added tokens in text: those matched before normalization, then
// those matched in normalized text.
type addedTokens struct {
	byContent  map[string]int32
	special    map[int32]bool
	raw        *matcher
	normalized *matcher
	// written is raw and every other special token: where it matters who wrote which
	// part of a text, all must be found before normalization moves those parts.
	written *matcher
}

func newAddedTokens(list []addedToken, n normalizer) *addedTokens {
	a := &addedTokens{
		byContent: map[string]int32{}, special: map[int32]bool{},
		raw: newMatcher(), normalized: newMatcher(), written: newMatcher(),
	}
	for _, tok := range list {
		a.byContent[tok.Content] = int32(tok.ID)
		if tok.Special {
			a.special[int32(tok.ID)] = true
		}
		if tok.Normalized {
			a.normalized.add(n.apply(tok.Content), tok)
		} else {
			a.raw.add(tok.Content, tok)
		}
		if !tok.Normalized || tok.Special {
			a.written.add(tok.Content, tok)
		}
	}
	for _, m := range []*matcher{a.raw, a.normalized, a.written} {
		m.seal()
	}
	return a
}

// matcher finds the leftmost, then longest of a set of strings. They are sorted,
// which takes no memory beside them: a tree of their bytes would take forty
// times theirs.
type matcher struct {
	entries []matchEntry
	first   [257]int32 // of the entries that begin with a byte
}

type matchEntry struct {
	text  string // to look for
	token addedToken
}

func newMatcher() *matcher { return &matcher{} }

// add takes a token in; seal must follow the last.
func (m *matcher) add(text string, tok addedToken) {
	if text != "" {
		m.entries = append(m.entries, matchEntry{text, tok})
	}
}

// seal sorts the entries; of equal texts the last added counts.
func (m *matcher) seal() {
	slices.Reverse(m.entries)
	slices.SortStableFunc(m.entries, func(a, b matchEntry) int { return strings.Compare(a.text, b.text) })
	m.entries = slices.CompactFunc(m.entries, func(a, b matchEntry) bool { return a.text == b.text })
	m.entries = slices.Clip(m.entries)
	for _, e := range m.entries {
		m.first[int(e.text[0])+1]++
	}
	for b := range 256 {
		m.first[b+1] += m.first[b]
	}
}

// match is an added token in text: start and end with the white space it takes along,
// next without, where the search goes on. At the end of the text id is -1.
type match struct {
	start, end, next int
	id               int32
}

// specials says where special tokens count.
type specials struct {
	none    bool
	outside [][2]int // not where one has a byte in these
}

// at tells whether a special token may lie from up to to.
func (l specials) at(from, to int) bool {
	if l.none {
		return false
	}
	i := sort.Search(len(l.outside), func(i int) bool { return l.outside[i][1] > from })
	return i == len(l.outside) || l.outside[i][0] >= to
}

// find returns the first match in s[from:], where the text is dealt with up to pos.
func (m *matcher) find(s string, from, pos int, look specials) match {
	none := match{len(s), len(s), len(s), -1}
	if len(m.entries) == 0 {
		return none
	}
	for i := from; i < len(s); {
		if m.first[s[i]] == m.first[int(s[i])+1] {
			i++
			continue
		}
		index, end := m.longest(s, i, look)
		if index < 0 {
			i++
			continue
		}
		tok := &m.entries[index].token
		if tok.SingleWord && (endsInWord(s[:i]) || startsWithWord(s[end:])) {
			i = end
			continue
		}
		start, next := i, end
		if tok.Lstrip {
			for start > pos {
				r, size := utf8.DecodeLastRuneInString(s[pos:start])
				if !unicode.Is(unicode.White_Space, r) {
					break
				}
				start -= size
			}
		}
		if tok.Rstrip {
			for end < len(s) {
				r, size := utf8.DecodeRuneInString(s[end:])
				if !unicode.Is(unicode.White_Space, r) {
					break
				}
				end += size
			}
		}
		return match{start, end, next, int32(tok.ID)}
	}
	return none
}

// longest returns the longest token at s[i] and its end; index is -1 without one.
// It narrows the entries to those that go on like s, byte by byte.
func (m *matcher) longest(s string, i int, look specials) (index int, end int) {
	index = -1
	low, high := int(m.first[s[i]]), int(m.first[int(s[i])+1])
	for n := 1; low < high; n++ {
		// The shortest of what is left comes first, and others are longer.
		e := &m.entries[low]
		if high-low == 1 {
			if strings.HasPrefix(s[i:], e.text) && (!e.token.Special || look.at(i, i+len(e.text))) {
				return low, i + len(e.text)
			}
			break
		}
		if len(e.text) == n {
			if !e.token.Special || look.at(i, i+n) {
				index, end = low, i+n
			}
			low++
		}
		if i+n == len(s) {
			break
		}
		c := s[i+n]
		low += sort.Search(high-low, func(k int) bool { return m.entries[low+k].text[n] >= c })
		high = low + sort.Search(high-low, func(k int) bool { return m.entries[low+k].text[n] > c })
	}
	return index, end
}

func startsWithWord(s string) bool {
	r, size := utf8.DecodeRuneInString(s)
	return size > 0 && isWord(r)
}

func endsInWord(s string) bool {
	r, size := utf8.DecodeLastRuneInString(s)
	return size > 0 && isWord(r)
}

// isWord is the \w of regular expressions over Unicode.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}
