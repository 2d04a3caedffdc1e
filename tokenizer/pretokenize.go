package tokenizer

import (
	"slices"
	"strings"
)

// preTokenizer cuts text into the words BPE works on.
type preTokenizer struct {
	bytes       bool     // ByteLevel
	prefixSpace bool     // ByteLevel's add_prefix_space
	space       string   // Metaspace's replacement for a space, "" without Metaspace
	prepend     string   // Metaspace's scheme: always, first, never
	split       splitter // never nil
}

// splitter finds word boundaries: next returns the end of the word that starts at s[i].
type splitter interface {
	next(s string, i int) int
}

// prepare does what a pre-tokenizer does to the text before splitting it. first says
// that the text stands at the start of what is encoded.
func (p *preTokenizer) prepare(text string, first bool) string {
	if p.prefixSpace && !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	if p.space != "" {
		text = strings.ReplaceAll(text, " ", p.space)
		if (p.prepend == "always" || p.prepend == "first" && first) && !strings.HasPrefix(text, p.space) {
			text = p.space + text
		}
	}
	return text
}

// wholeSplit takes the whole text for one word.
type wholeSplit struct{}

func (wholeSplit) next(s string, _ int) int { return len(s) }

// markSplit begins a word at every mark (Metaspace).
type markSplit struct{ mark string }

func (m markSplit) next(s string, i int) int {
	skip := 0
	if strings.HasPrefix(s[i:], m.mark) {
		skip = len(m.mark)
	}
	if n := strings.Index(s[i+skip:], m.mark); n >= 0 {
		return i + skip + n
	}
	return len(s)
}

// gapSplit begins a word at every run of marks. It stands in for wholeSplit where no
// token has a mark behind another character: no merge can reach over such a boundary,
// so the tokens are the same, and words are short and can be cached.
type gapSplit struct{ mark string }

func (m gapSplit) next(s string, i int) int {
	for strings.HasPrefix(s[i:], m.mark) {
		i += len(m.mark)
	}
	if n := strings.Index(s[i:], m.mark); n >= 0 {
		return i + n
	}
	return len(s)
}

// spaceMark is what SentencePiece writes for a space.
const spaceMark = "\u2581"

// canSplitAtGaps reports whether gapSplit gives what wholeSplit gives.
func (t *Tokenizer) canSplitAtGaps() bool {
	if t.byteLevel || t.ignoreMerges || t.vocab.lookup(spaceMark) < 0 {
		return false
	}
	if t.unk < 0 && (!t.byteFallback || slices.Min(t.fallbackID[:]) < 0) {
		return false // a character that leaves no token joins its neighbours
	}
	for _, p := range t.merges.pairs {
		right := t.vocab.text[p.right]
		if strings.HasPrefix(right, spaceMark) && strings.Trim(t.vocab.text[p.left], spaceMark) != "" {
			return false
		}
	}
	return true
}
