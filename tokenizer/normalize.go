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

// newNormalizer builds the steps tokenizer.json names.
func newNormalizer(c *component) (normalizer, error) {
	if c == nil {
		return nil, nil
	}
	switch c.Type {
	case "Sequence":
		var all normalizer
		for i := range c.Normalizers {
			n, err := newNormalizer(&c.Normalizers[i])
			if err != nil {
				return nil, err
			}
			all = append(all, n...)
		}
		return all, nil
	case "NFC":
		return normalizer{nfc}, nil
	case "Prepend":
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
		return normalizer{func(text string) string { return strings.ReplaceAll(text, old, c.Content) }}, nil
	}
	return nil, fmt.Errorf("normalizer %s is not known (known: NFC, Prepend, Replace, Sequence)", quote(c.Type))
}
