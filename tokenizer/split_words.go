package tokenizer

// Patterns that are matched by hand, see patterns in pretokenize.go.
const (
	gpt2Pattern     = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Pattern   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen35Pattern   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	o200kPattern    = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	tekkenPattern   = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	deepseekPattern = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"

	// DeepSeek cuts these out before.
	digitsPattern = `\p{N}{1,3}`
	cjkPattern    = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
)

// splitter finds word boundaries: next returns the end of the word that starts at s[i].
type splitter interface {
	next(s string, i int) int
}

// gpt2Split matches gpt2Pattern.
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
	switch c, size := t.at(s, start); {
	case c&letter != 0:
		return t.run(s, start+size, letter)
	case c&number != 0:
		return t.run(s, start+size, number)
	case c&space == 0:
		return t.run(s, start+size, mark|sign|rest)
	}
	return spaces(s, i, t.run(s, i, space))
}

// wordSplit matches llama3Pattern, qwen2Pattern and qwen35Pattern: one look at each
// character, whatever the text.
type wordSplit struct {
	*classTable
	digits  int   // of a word of digits, at most
	letters class // letter, and mark where that may stand in a word
}

func (t wordSplit) next(s string, i int) int {
	b := s[i]
	if b == '\'' {
		if n := contractionFold(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	c, size := t.at(s, i)
	switch {
	case c&t.letters != 0 && c&letter != 0:
		return t.run(s, i+size, t.letters)
	case c&number != 0:
		return t.few(s, i+size, t.digits-1, number)
	}
	if !isNewline(b) && t.is(s, i+size, t.letters) {
		return t.run(s, i+size, t.letters)
	}
	if c&t.letters != 0 { // a mark alone
		return i + size
	}
	start := i
	if b == ' ' {
		start++
	}
	if end := t.run(s, start, (mark|sign|rest)&^t.letters); end > start {
		for end < len(s) && isNewline(s[end]) {
			end++
		}
		return end
	}
	end, run := t.lines(s, i)
	if end > i {
		return end
	}
	return spaces(s, i, run)
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
