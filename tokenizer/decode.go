package tokenizer

import (
	"fmt"
	"strings"
)

// decoder says how the texts of tokens become text again.
type decoder struct {
	bytes        bool // ByteLevel: tokens are bytes of UTF-8
	byteFallback bool // runs of "<0xNN>" tokens are bytes of UTF-8
	replace      []replacement
	strip        string // a character taken off the front of the text, at most stripMax times
	stripMax     int
	mark         string // Metaspace: what stands for a space
	dropMark     bool   // Metaspace: the first token's marks stand for nothing
	separator    string // between tokens, where there is no decoder at all
}

type replacement struct{ old, new string }

// newDecoder builds the decoder tokenizer.json names.
func newDecoder(c *component) (decoder, error) {
	var d decoder
	if c == nil {
		d.separator = " "
		return d, nil
	}
	steps := []component{*c}
	if c.Type == "Sequence" {
		if steps = c.Decoders; len(steps) > maxSteps {
			return d, fmt.Errorf("decoder: more than %d steps", maxSteps)
		}
	}
	fused, order, grow := false, 0, growth(1)
	for i := range steps {
		step := &steps[i]
		// The stream below applies the steps in this order whatever the file's.
		var place int
		switch step.Type {
		case "ByteLevel":
			d.bytes, place = true, 1
		case "Metaspace":
			d.mark, place = step.mark(), 1
			d.dropMark = step.scheme() != "never"
		case "Replace":
			old, err := step.literal()
			if err != nil {
				return d, fmt.Errorf("decoder Replace: %w", err)
			}
			d.replace = append(d.replace, replacement{old, step.Content})
			grow.replace(old, step.Content)
			place = 2
		case "ByteFallback":
			d.byteFallback, place = true, 3
		case "Fuse":
			fused, place = true, 4
		case "Strip":
			d.strip, d.stripMax, place = step.Content, step.Start, 5
			if !fused || step.Stop != 0 || step.Start < 0 || len([]rune(step.Content)) != 1 {
				return d, fmt.Errorf("decoder Strip is known only behind Fuse, at the start, of one character")
			}
		default:
			return d, fmt.Errorf("decoder %s is not known (known: ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence)", quote(step.Type))
		}
		if place < order || (d.bytes || d.mark != "") && place > 1 && place != 4 || place == order && place != 2 {
			return d, fmt.Errorf("decoder %s is not known behind the steps before it", step.Type)
		}
		order = place
	}
	if err := grow.check(); err != nil {
		return d, fmt.Errorf("decoder: %w", err)
	}
	return d, nil
}

// piece is the text of one token in the middle of others.
func (d *decoder) piece(text string) string {
	for _, r := range d.replace {
		text = strings.ReplaceAll(text, r.old, r.new)
	}
	if d.mark != "" {
		text = strings.ReplaceAll(text, d.mark, " ")
	}
	return text
}

// Decode returns the text of ids; special tokens are left out with skipSpecial, ids
// without a token always are.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.Stream(skipSpecial)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(s.Push(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}
