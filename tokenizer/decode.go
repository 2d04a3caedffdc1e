package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// decoder says how the texts of tokens become text again: stages, of which each takes
// what the one before gives. The stages of one text are made by Stream.
type decoder struct {
	stages []func() stage
	// bytes says that ByteLevel is the only stage, which needs none: the vocabulary
	// has the tokens' bytes.
	bytes        bool
	byteFallback bool
	pieces       []func(string) string // what stages do to a token whatever stands around it
	separator    string                // between tokens, where there is no decoder at all
	level        bool                  // ByteLevel is a stage
	drops        bool                  // a space at the text's beginning is left out
	mixes        string                // the step that makes of a token what depends on others, or ""
}

// stage is a step of decoding. push takes the next token, or behind Fuse the next part
// of the text, and gives what is complete to out; flush gives the rest.
type stage interface {
	push(text string, out func(string))
	flush(out func(string))
}

// newDecoder builds the decoder tokenizer.json names.
func newDecoder(c *component) (decoder, error) {
	var d decoder
	if c == nil {
		d.separator = " "
		return d, nil
	}
	b := decoderBuilder{grow: 1}
	if err := b.add(c, 0); err != nil {
		return d, err
	}
	if err := b.grow.check(); err != nil {
		return d, fmt.Errorf("decoder: %w", err)
	}
	d = b.decoder
	if len(d.stages) == 1 && b.level {
		d.stages, d.bytes = nil, true
	}
	return d, nil
}

// decoderBuilder builds a decoder step by step.
type decoderBuilder struct {
	decoder
	grow  growth
	fused bool // tokens have become one text
	steps int
}

func (b *decoderBuilder) add(c *component, depth int) error {
	if c.Type == "Sequence" && depth <= maxSteps {
		for i := range c.Decoders {
			if err := b.add(&c.Decoders[i], depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if b.steps++; b.steps > maxSteps {
		return fmt.Errorf("decoder Sequence: more than %d steps", maxSteps)
	}
	switch c.Type {
	case "Fuse":
		b.fused = true
		return nil
	case "Strip":
		return b.addStrip(c)
	case "Replace":
		if b.fused {
			return b.addTextReplace(c)
		}
	}
	if b.fused {
		return fmt.Errorf("decoder %s is not known behind Fuse or ByteLevel (known: Strip, Replace of a string)", quote(c.Type))
	}
	switch c.Type {
	case "ByteLevel":
		b.level, b.fused = true, true
		b.stages = append(b.stages, func() stage { return new(levelStage) })
	case "Metaspace":
		mark, drop := c.mark(), c.scheme() != "never"
		b.drops = b.drops || drop
		b.stages = append(b.stages, func() stage { return &markStage{mark: mark, drop: drop} })
		b.pieces = append(b.pieces, func(s string) string { return strings.ReplaceAll(s, mark, " ") })
	case "ByteFallback":
		b.byteFallback = true
		b.stages = append(b.stages, func() stage { return new(fallbackStage) })
	case "Replace":
		replace, err := c.replacer(&b.grow)
		if err != nil {
			return fmt.Errorf("decoder Replace: %w", err)
		}
		b.stages = append(b.stages, func() stage { return tokenStage(replace) })
		b.pieces = append(b.pieces, replace)
	default:
		return fmt.Errorf("decoder %s is not known (known: ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence)", quote(c.Type))
	}
	return nil
}

func (b *decoderBuilder) addStrip(c *component) error {
	if c.Start < 0 || c.Stop < 0 || utf8.RuneCountInString(c.Content) != 1 {
		return fmt.Errorf("decoder Strip is known only of one character, a number of times from 0 on")
	}
	if b.fused {
		if c.Start == 1 && c.Stop == 0 && c.Content == " " {
			b.drops = true
		} else if c.Start+c.Stop > 0 {
			b.mixes = "Strip"
		}
		b.stages = append(b.stages, func() stage { return &stripStage{content: c.Content, start: c.Start, stop: c.Stop} })
		return nil
	}
	if c.Start+c.Stop > 0 {
		b.mixes = "Strip before Fuse"
	}
	b.stages = append(b.stages, func() stage {
		return tokenStage(func(s string) string {
			for n := c.Start; n > 0 && strings.HasPrefix(s, c.Content); n-- {
				s = s[len(c.Content):]
			}
			for n := c.Stop; n > 0 && strings.HasSuffix(s, c.Content); n-- {
				s = s[:len(s)-len(c.Content)]
			}
			return s
		})
	})
	return nil
}

// addTextReplace replaces a string in the whole text.
func (b *decoderBuilder) addTextReplace(c *component) error {
	old, err := c.literal()
	if err != nil {
		return fmt.Errorf("decoder Replace behind Fuse or ByteLevel: %w", err)
	}
	b.grow.replace(old, c.Content)
	b.mixes = "Replace behind Fuse or ByteLevel"
	b.stages = append(b.stages, func() stage { return &replaceStage{old: old, new: c.Content} })
	return nil
}

// piece is the text of one token in the middle of others.
func (d *decoder) piece(text string) string {
	for _, replace := range d.pieces {
		text = replace(text)
	}
	return text
}

// tokenStage changes each token by itself.
type tokenStage func(string) string

func (f tokenStage) push(text string, out func(string)) { out(f(text)) }
func (f tokenStage) flush(func(string))                 {}

// markStage turns Metaspace's marks into spaces; those of the first token may stand
// for nothing.
type markStage struct {
	mark  string
	drop  bool
	begun bool
}

func (s *markStage) push(text string, out func(string)) {
	space := " "
	if s.drop && !s.begun {
		space = ""
	}
	s.begun = true
	out(strings.ReplaceAll(text, s.mark, space))
}

func (s *markStage) flush(func(string)) {}

// fallbackStage makes text of "<0xNN>" tokens. A run of them is taken as a whole, and
// if it is not UTF-8 every one of its bytes becomes U+FFFD.
type fallbackStage struct{ run []byte }

func (s *fallbackStage) push(text string, out func(string)) {
	if b, ok := byteToken(text); ok {
		s.run = append(s.run, b)
		return
	}
	s.flush(out)
	out(text)
}

func (s *fallbackStage) flush(out func(string)) {
	if len(s.run) == 0 {
		return
	}
	if utf8.Valid(s.run) {
		out(string(s.run))
	} else {
		for range s.run {
			out("\uFFFD")
		}
	}
	s.run = s.run[:0]
}

// levelStage makes text of tokens in the byte-level alphabet.
type levelStage struct{ pending []byte }

func (s *levelStage) push(text string, out func(string)) {
	raw, ok := appendBytes(s.pending, text)
	if !ok {
		raw = append(s.pending, text...)
	}
	s.pending = raw
	out(string(appendUTF8(nil, &s.pending, false)))
}

func (s *levelStage) flush(out func(string)) {
	out(string(appendUTF8(nil, &s.pending, true)))
}

// stripStage takes a character off the front of the text, at most start times, and off
// its end, at most stop times.
type stripStage struct {
	content     string
	start, stop int
	held        int // how often content stands at the end of what was not given yet
}

func (s *stripStage) push(text string, out func(string)) {
	for s.start > 0 && text != "" {
		if !strings.HasPrefix(text, s.content) {
			s.start = 0
			break
		}
		text = text[len(s.content):]
		s.start--
	}
	if text == "" {
		return
	}
	s.start = 0
	if s.stop == 0 {
		out(text)
		return
	}
	rest := strings.TrimRight(text, s.content)
	n := (len(text) - len(rest)) / len(s.content)
	if rest != "" {
		rest, s.held = strings.Repeat(s.content, s.held)+rest, 0
	}
	s.held += n
	if more := s.held - s.stop; more > 0 {
		rest += strings.Repeat(s.content, more)
		s.held = s.stop
	}
	out(rest)
}

func (s *stripStage) flush(func(string)) {}

// replaceStage replaces a string in a text that comes in parts.
type replaceStage struct {
	old, new string
	pending  string // an end that may begin old
}

func (s *replaceStage) push(text string, out func(string)) {
	text = s.pending + text
	var b strings.Builder
	for {
		i := strings.Index(text, s.old)
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		b.WriteString(s.new)
		text = text[i+len(s.old):]
	}
	keep := min(len(text), len(s.old)-1)
	for !strings.HasPrefix(s.old, text[len(text)-keep:]) {
		keep--
	}
	b.WriteString(text[:len(text)-keep])
	s.pending = text[len(text)-keep:]
	out(b.String())
}

func (s *replaceStage) flush(out func(string)) {
	out(s.pending)
	s.pending = ""
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
