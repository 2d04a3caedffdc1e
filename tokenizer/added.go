package tokenizer

import (
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
	// shielded is raw and every other special token: under a shield all of them must
	// be found while it still stands in the text.
	shielded *matcher
}

func newAddedTokens(list []addedToken, n normalizer) *addedTokens {
	a := &addedTokens{
		byContent: map[string]int32{}, special: map[int32]bool{},
		raw: newMatcher(), normalized: newMatcher(), shielded: newMatcher(),
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
			a.shielded.add(tok.Content, tok)
		}
	}
	return a
}

// matcher finds the leftmost, then longest of a set of strings: a trie.
type matcher struct {
	root   [256]int32       // node by first byte, 0 none
	edges  map[uint64]int32 // node<<8 | byte: next node
	ends   []int32          // by node: index into tokens, -1 none
	tokens []addedToken
}

func newMatcher() *matcher {
	return &matcher{edges: map[uint64]int32{}, ends: []int32{-1}}
}

func (m *matcher) add(content string, tok addedToken) {
	if content == "" {
		return
	}
	node := int32(0)
	for i := range len(content) {
		next := m.step(node, content[i])
		if next == 0 {
			next = int32(len(m.ends))
			m.ends = append(m.ends, -1)
			if node == 0 {
				m.root[content[i]] = next
			} else {
				m.edges[uint64(node)<<8|uint64(content[i])] = next
			}
		}
		node = next
	}
	m.ends[node] = int32(len(m.tokens))
	m.tokens = append(m.tokens, tok)
}

func (m *matcher) step(node int32, b byte) int32 {
	if node == 0 {
		return m.root[b]
	}
	return m.edges[uint64(node)<<8|uint64(b)]
}

// match is an added token in text: start and end with the white space it takes along,
// next without, where the search goes on. At the end of the text id is -1.
type match struct {
	start, end, next int
	id               int32
}

// find returns the first match in s[from:], where the text is dealt with up to pos;
// special tokens count only with special.
func (m *matcher) find(s string, from, pos int, special bool) match {
	none := match{len(s), len(s), len(s), -1}
	if len(m.tokens) == 0 {
		return none
	}
	for i := from; i < len(s); {
		if m.root[s[i]] == 0 {
			i++
			continue
		}
		index, end := m.longest(s, i, special)
		if index < 0 {
			i++
			continue
		}
		tok := &m.tokens[index]
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
func (m *matcher) longest(s string, i int, special bool) (index int32, end int) {
	index = -1
	node := int32(0)
	for j := i; j < len(s); j++ {
		if node = m.step(node, s[j]); node == 0 {
			break
		}
		if e := m.ends[node]; e >= 0 && (special || !m.tokens[e].Special) {
			index, end = e, j+1
		}
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
