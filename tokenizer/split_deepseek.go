package tokenizer

// deepseekSplit matches deepseekPattern. Of what it does not match, such as control
// characters, a run is a word.
type deepseekSplit struct{ *classTable }

func (t deepseekSplit) next(s string, i int) int {
	if end := t.match(s, i); end > i {
		return end
	}
	for i < len(s) {
		_, size := t.at(s, i)
		if i += size; i < len(s) && t.match(s, i) > i {
			break
		}
	}
	return i
}

// match returns the end of the match at s[i], i without one.
func (t deepseekSplit) match(s string, i int) int {
	b := s[i]
	c, size := t.at(s, i)
	if c&sign != 0 && b < 0x80 && i+1 < len(s) && isLatin(s[i+1]) {
		for i++; i < len(s) && isLatin(s[i]); i++ {
		}
		return i
	}
	switch {
	case c&(letter|mark) != 0:
		return t.run(s, i+size, letter|mark)
	case c&sign == 0 && !isNewline(b) && t.is(s, i+size, letter|mark):
		return t.run(s, i+size, letter|mark)
	}
	start := i
	if b == ' ' {
		start++
	}
	if end := t.run(s, start, sign); end > start {
		for end < len(s) && isNewline(s[end]) {
			end++
		}
		return end
	}
	if c&space == 0 {
		return i
	}
	end, run := t.lines(s, i)
	if end > i {
		return end
	}
	return spaces(s, i, run)
}

func isLatin(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
