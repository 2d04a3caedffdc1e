package tokenizer

import (
	"fmt"
	"strings"
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
	case "NFC":
		*grow *= 3 // the worst that composition does: U+1D160
		return normalizer{nfc}, nil
	case "Prepend":
		grow.prepend(c.Prepend)
		return normalizer{func(text string) string {
			if text == "" {
				return ""
			}
			return c.Prepend + text
		}}, nil
	case "Replace":
		old, err := c.literal()
		if err != nil {
			return nil, fmt.Errorf("normalizer Replace: %w", err)
		}
		grow.replace(old, c.Content)
		return normalizer{func(text string) string { return strings.ReplaceAll(text, old, c.Content) }}, nil
	}
	return nil, fmt.Errorf("normalizer %s is not known (known: NFC, Prepend, Replace, Sequence)", quote(c.Type))
}
