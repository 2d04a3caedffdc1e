package tokenizer

// gpt2Split matches GPT-2's expression by hand, the one of a ByteLevel pre-tokenizer:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
type gpt2Split struct{ *classTable }

func (t gpt2Split) next(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	start := i
	if s[i] == ' ' && i+1 < len(s) {
		start++
	}
	if c, size := t.at(s, start); c != space {
		return t.run(s, start+size, c)
	}
	return t.spaces(s, i)
}

// contraction returns the length of s, t, re, ve, m, ll or d at the start of rest, 0 without one.
func contraction(rest string) int {
	if rest == "" {
		return 0
	}
	switch rest[0] {
	case 's', 't', 'm', 'd':
		return 1
	}
	if len(rest) >= 2 {
		switch rest[:2] {
		case "re", "ve", "ll":
			return 2
		}
	}
	return 0
}
