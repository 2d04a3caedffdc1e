package tokenizer

// llama3Pattern is the expression Llama 3 splits text into words by.
const llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// llama3Split matches llama3Pattern by hand: one look at each character, whatever the text.
type llama3Split struct{ *classTable }

func (t llama3Split) next(s string, i int) int {
	b := s[i]
	if b == '\'' {
		if n := contractionFold(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	c, size := t.at(s, i)
	switch c {
	case letter:
		return t.run(s, i+size, letter)
	case number:
		end := i + size
		for range 2 {
			if end == len(s) {
				break
			}
			c, size := t.at(s, end)
			if c != number {
				break
			}
			end += size
		}
		return end
	}
	if b != '\r' && b != '\n' && i+size < len(s) {
		if c, n := t.at(s, i+size); c == letter {
			return t.run(s, i+size+n, letter)
		}
	}
	start := i
	if b == ' ' {
		start++
	}
	if end := t.run(s, start, other); end > start {
		for end < len(s) && isNewline(s[end]) {
			end++
		}
		return end
	}
	// \s*[\r\n]+ reaches to the last line end of the run of white space.
	end := t.run(s, i, space)
	for j := end; j > i; j-- {
		if isNewline(s[j-1]) {
			return j
		}
	}
	return t.spaces(s, i)
}

func isNewline(b byte) bool { return b == '\r' || b == '\n' }

// contractionFold returns the length of s, t, re, ve, m, ll or d at the start of rest in
// either case, 0 without one. U+017F, the long s, folds to s.
func contractionFold(rest string) int {
	if rest == "" {
		return 0
	}
	switch rest[0] | 0x20 {
	case 's', 't', 'm', 'd':
		return 1
	}
	if len(rest) < 2 {
		return 0
	}
	if rest[:2] == "\u017f" {
		return 2
	}
	switch [2]byte{rest[0] | 0x20, rest[1] | 0x20} {
	case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
		return 2
	}
	return 0
}
