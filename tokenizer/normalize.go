package tokenizer

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/mil-run/mil/tokenizer/regex"
)

// normalizer rewrites text before it is split, one step after the other.
type normalizer []func(string) string

func (n normalizer) apply(text string) string {
	for _, step := range n {
		text = step(text)
	}
	return text
}

// maxGrowth bounds how many times longer the steps of a file may make a text; those of
// SentencePiece tokenizers come to 12.
const maxGrowth = 256

// growth is how many times longer steps can make a text.
type growth float64

func (g *growth) replace(old, new string) { *g *= growth(max(1, float64(len(new))/float64(len(old)))) }
func (g *growth) prepend(s string)        { *g *= growth(1 + len(s)) }

func (g growth) check() error {
	if g > maxGrowth {
		return fmt.Errorf("its steps can make a text more than %d times longer", maxGrowth)
	}
	return nil
}

// newNormalizer builds the steps tokenizer.json names; grow takes what they add to a text.
func newNormalizer(c *component, grow *growth) (normalizer, error) {
	if c == nil {
		return nil, nil
	}
	one := func(step func(string) string, factor growth) (normalizer, error) {
		*grow *= factor
		return normalizer{step}, nil
	}
	switch c.Type {
	case "Sequence":
		var all normalizer
		for i := range c.Normalizers {
			n, err := newNormalizer(&c.Normalizers[i], grow)
			if err != nil {
				return nil, err
			}
			if all = append(all, n...); len(all) > maxSteps {
				return nil, fmt.Errorf("normalizer: more than %d steps", maxSteps)
			}
		}
		return all, nil
	// The worst that these do is done to U+1D160, U+FDFA and U+0130.
	case "NFC":
		return one(nfc.apply, 3)
	case "NFD":
		return one(nfd.apply, 3)
	case "NFKC":
		return one(nfkc.apply, 11)
	case "NFKD":
		return one(nfkd.apply, 11)
	case "Lowercase":
		return one(lowercase, 1.5)
	case "ByteLevel":
		return one(spellBytes, 2)
	case "Strip":
		return one(func(text string) string { return strip(text, isTrue(c.StripLeft), isTrue(c.StripRight)) }, 1)
	case "Prepend":
		grow.prepend(c.Prepend)
		return normalizer{func(text string) string {
			if text == "" {
				return ""
			}
			return c.Prepend + text
		}}, nil
	case "Replace":
		replace, err := c.replacer(grow)
		if err != nil {
			return nil, fmt.Errorf("normalizer Replace: %w", err)
		}
		return normalizer{replace}, nil
	}
	return nil, fmt.Errorf("normalizer %s is not known (known: NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, ByteLevel, Sequence)", quote(c.Type))
}

// replacer is the change that Replace makes to a text.
func (c *component) replacer(grow *growth) (func(string) string, error) {
	if c.Pattern.Regex == nil {
		old, err := c.literal()
		if err != nil {
			return nil, err
		}
		grow.replace(old, c.Content)
		return func(text string) string { return strings.ReplaceAll(text, old, c.Content) }, nil
	}
	re, err := regex.Compile(*c.Pattern.Regex)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %s: %w", quote(*c.Pattern.Regex), err)
	}
	*grow *= growth(1 + 2*len(c.Content)) // where it matches nothing, before and behind a character
	return func(text string) string {
		if text == "" {
			return ""
		}
		var b strings.Builder
		last := 0
		re.Matches(text, func(start, end int) {
			b.WriteString(text[last:start])
			b.WriteString(c.Content)
			last = end
		})
		if last == 0 && b.Len() == 0 {
			return text
		}
		b.WriteString(text[last:])
		return b.String()
	}, nil
}

// lowercase is Rust's, character by character.
func lowercase(text string) string {
	lower := func(r rune) rune {
		switch {
		case r >= 0x10D50 && r <= 0x10D65: // newer than Go's tables
			return r + 0x20
		case r >= 0x16EA0 && r <= 0x16EB8:
			return r + 0x1b
		}
		if l, ok := newLower[r]; ok {
			return l
		}
		return unicode.ToLower(r)
	}
	if !strings.Contains(text, "\u0130") {
		return strings.Map(lower, text)
	}
	parts := strings.Split(text, "\u0130")
	for i := range parts {
		parts[i] = strings.Map(lower, parts[i])
	}
	return strings.Join(parts, "i\u0307")
}

// newLower are the lower cases of single letters that Go's tables do not have.
var newLower = map[rune]rune{
	0x1c89: 0x1c8a, 0xa7cb: 0x264, 0xa7cc: 0xa7cd, 0xa7ce: 0xa7cf, 0xa7d2: 0xa7d3, 0xa7d4: 0xa7d5, 0xa7da: 0xa7db, 0xa7dc: 0x19b,
}

// spellBytes writes text in the byte-level alphabet.
func spellBytes(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(byteToRune[text[i]])
	}
	return b.String()
}

// strip takes white space off the ends of a text.
func strip(text string, left, right bool) string {
	space := func(r rune) bool { return unicode.Is(unicode.White_Space, r) }
	if left {
		text = strings.TrimLeftFunc(text, space)
	}
	if right {
		text = strings.TrimRightFunc(text, space)
	}
	return text
}
