package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mil-run/mil/tokenizer/regex"
)

// preTokenizer cuts text into the words BPE works on: steps, each of which cuts the
// pieces of the one before.
type preTokenizer struct {
	steps []step
	bytes bool // one step is ByteLevel
}

// step cuts text and calls yield for the pieces that are kept, in order. first says
// that the text stands at the start of what is encoded.
type step interface {
	split(text string, first bool, yield func(piece string, first bool))
}

// patterns are the expressions that are matched by hand, by text.
var patterns = map[string]func() splitter{
	gpt2Pattern:     func() splitter { return gpt2Split{classes()} },
	llama3Pattern:   func() splitter { return wordSplit{classes(), 3, letter} },
	qwen2Pattern:    func() splitter { return wordSplit{classes(), 1, letter} },
	qwen35Pattern:   func() splitter { return wordSplit{classes(), 1, letter | mark} },
	o200kPattern:    func() splitter { return caseSplit{classes(), 3, true} },
	tekkenPattern:   func() splitter { return caseSplit{classes(), 1, false} },
	deepseekPattern: func() splitter { return deepseekSplit{classes()} },
}

// behaviors are what becomes of matches and of what lies between, by the names in
// tokenizer.json.
var behaviors = []string{"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

// handStep cuts by a splitter written by hand.
type handStep struct{ splitter }

func (h handStep) split(text string, first bool, yield func(string, bool)) {
	for i := 0; i < len(text); {
		end := h.next(text, i)
		yield(text[i:end], first && i == 0)
		i = end
	}
}

// runStep cuts out runs of one class of characters.
type runStep struct{ *regex.Regexp }

func (r runStep) split(text string, first bool, yield func(string, bool)) {
	for i := 0; i < len(text); {
		start, end := r.Next(text, i)
		if start > i {
			yield(text[i:start], first && i == 0)
		}
		if end > start {
			yield(text[start:end], first && start == 0)
		}
		i = end
	}
}

// byteRunStep is runStep behind ByteLevel, where a character is a byte.
type byteRunStep struct {
	in          [256]bool
	least, most int // most 0: endless
}

func (r *byteRunStep) split(text string, first bool, yield func(string, bool)) {
	from := 0
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && r.in[text[i]] && (r.most == 0 || i-start < r.most) {
			i++
		}
		if i-start < max(r.least, 1) {
			i = max(i, start+1)
			continue
		}
		if start > from {
			yield(text[from:start], first && from == 0)
		}
		yield(text[start:i], first && start == 0)
		from = i
	}
	if from < len(text) {
		yield(text[from:], first && from == 0)
	}
}

// finder finds all matches in a text, from left to right.
type finder interface {
	Matches(text string, yield func(start, end int))
}

// literal matches a plain string.
type literal string

func (l literal) Matches(text string, yield func(start, end int)) {
	for i := 0; ; {
		n := strings.Index(text[i:], string(l))
		if n < 0 {
			return
		}
		yield(i+n, i+n+len(l))
		i += n + len(l)
	}
}

// splitStep cuts by a finder, as Split does.
type splitStep struct {
	finder
	behavior string
	invert   bool // matches are what lies between them
}

func (s splitStep) split(text string, first bool, yield func(string, bool)) {
	c := cutter{text: text, first: first, yield: yield, behavior: s.behavior}
	last := 0
	s.Matches(text, func(start, end int) {
		if start > last {
			c.take(last, start, s.invert)
		}
		c.take(start, end, !s.invert)
		last = end
	})
	if last < len(text) {
		c.take(last, len(text), s.invert)
	}
	c.emit()
}

// cutter joins matches and what lies between them to pieces.
type cutter struct {
	text       string
	first      bool
	yield      func(string, bool)
	behavior   string
	start, end int // of a piece that may still grow
	match      bool
}

// take takes the next part of the text.
func (c *cutter) take(start, end int, match bool) {
	grow := false
	switch c.behavior {
	case "Removed":
		if match {
			c.emit()
			c.start, c.end = end, end
			return
		}
	case "Contiguous":
		grow = match == c.match
	case "MergedWithPrevious":
		grow = match && !c.match
	case "MergedWithNext":
		grow = !match && c.match
	}
	if !grow {
		c.emit()
		c.start = start
	}
	c.end, c.match = end, match
}

func (c *cutter) emit() {
	if c.end > c.start {
		c.yield(c.text[c.start:c.end], c.first && c.start == 0)
	}
	c.start = c.end
}

// prefixStep puts a space in front of a piece without one, as ByteLevel may.
type prefixStep struct{}

func (prefixStep) split(text string, first bool, yield func(string, bool)) {
	if !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	yield(text, first)
}

// metaspaceStep replaces spaces and may begin a word at each.
type metaspaceStep struct {
	mark   string
	scheme string // always, first, never
	cut    bool
}

func (m metaspaceStep) split(text string, first bool, yield func(string, bool)) {
	text = strings.ReplaceAll(text, " ", m.mark)
	if (m.scheme == "always" || m.scheme == "first" && first) && !strings.HasPrefix(text, m.mark) {
		text = m.mark + text
	}
	if !m.cut {
		yield(text, first)
		return
	}
	handStep{markSplit{m.mark}}.split(text, first, yield)
}

// spelledStep cuts what ByteLevel has spelled in its alphabet.
type spelledStep struct{ step }

func (s spelledStep) split(text string, first bool, yield func(string, bool)) {
	s.step.split(spellBytes(text), first, func(piece string, first bool) {
		raw, _ := appendBytes(make([]byte, 0, len(piece)), piece)
		yield(string(raw), first)
	})
}

// fixedStep cuts after every n characters.
type fixedStep int

func (n fixedStep) split(text string, first bool, yield func(string, bool)) {
	start, count := 0, 0
	for i := 0; i < len(text); {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if count++; count == int(n) {
			yield(text[start:i], first && start == 0)
			start, count = i, 0
		}
	}
	if start < len(text) {
		yield(text[start:], first && start == 0)
	}
}

// newPreTokenizer builds the pre-tokenizer tokenizer.json names; grow takes what it
// adds to a text.
func newPreTokenizer(c *component, grow *growth) (preTokenizer, error) {
	var p preTokenizer
	if c == nil {
		return p, nil
	}
	err := p.add(c, grow, 0)
	return p, err
}

func (p *preTokenizer) add(c *component, grow *growth, depth int) error {
	if depth > maxSteps || len(p.steps) > maxSteps {
		return fmt.Errorf("pre_tokenizer: more than %d steps", maxSteps)
	}
	switch c.Type {
	case "Sequence":
		for i := range c.PreTokenizers {
			if err := p.add(&c.PreTokenizers[i], grow, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel":
		return p.addBytes(c, grow)
	case "Metaspace":
		m := metaspaceStep{c.mark(), c.scheme(), isTrue(c.Split)}
		if !slices.Contains([]string{"always", "first", "never"}, m.scheme) {
			return fmt.Errorf("pre_tokenizer Metaspace: prepend_scheme %s is not known (known: always, first, never)", quote(m.scheme))
		}
		if p.bytes {
			return errors.New("pre_tokenizer Metaspace is not known behind ByteLevel")
		}
		grow.prepend(m.mark)
		p.steps = append(p.steps, m)
		return nil
	case "FixedLength":
		n := 5
		if c.Length != nil {
			n = *c.Length
		}
		if n < 1 {
			return fmt.Errorf("pre_tokenizer FixedLength: length %d", n)
		}
		p.steps = append(p.steps, p.spelled(fixedStep(n)))
		return nil
	}
	splits, err := c.splits()
	if err != nil {
		return fmt.Errorf("pre_tokenizer %w", err)
	}
	for i := range splits {
		if err := p.addSplit(&splits[i]); err != nil {
			return fmt.Errorf("pre_tokenizer %s: %w", c.Type, err)
		}
	}
	return nil
}

func (p *preTokenizer) addBytes(c *component, grow *growth) error {
	if p.bytes {
		return errors.New("pre_tokenizer ByteLevel is not known behind ByteLevel")
	}
	if isTrue(c.AddPrefixSpace) {
		grow.prepend(" ")
		p.steps = append(p.steps, prefixStep{})
	}
	if isTrue(c.UseRegex) {
		p.steps = append(p.steps, handStep{gpt2Split{classes()}})
	}
	p.bytes = true
	return nil
}

// Rust's \w, \s and punctuation.
const (
	rustWord  = `\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}`
	wordOrNot = `[` + rustWord + `]+|[^` + rustWord + `\s]+`
	rustPunct = `[\p{P}!-/:-@\[-` + "`" + `{-~\x{166D}\x{111C9}&&[^` + newPunct + `]]`
	// newPunct are newer than Unicode 8, whose punctuation it is.
	newPunct = `\x{61D}\x{9FD}\x{A76}\x{C77}\x{C84}\x{1B4E}-\x{1B4F}\x{1B7D}-\x{1B7F}\x{2E43}-\x{2E4F}\x{2E52}-` +
		`\x{2E5D}\x{10D6E}\x{10EAD}\x{10F55}-\x{10F59}\x{10F86}-\x{10F89}\x{113D4}-\x{113D8}\x{1144B}-` +
		`\x{1144F}\x{1145A}-\x{1145B}\x{1145D}\x{11660}-\x{1166C}\x{116B9}\x{1183B}\x{11944}-\x{11946}` +
		`\x{119E2}\x{11A3F}-\x{11A46}\x{11A9A}-\x{11A9C}\x{11A9E}-\x{11AA2}\x{11B00}-\x{11B09}\x{11BE1}` +
		`\x{11C41}-\x{11C45}\x{11C70}-\x{11C71}\x{11EF7}-\x{11EF8}\x{11F43}-\x{11F4F}\x{11FFF}\x{12FF1}-` +
		`\x{12FF2}\x{16D6D}-\x{16D6F}\x{16E97}-\x{16E9A}\x{16FE2}\x{1E5FF}\x{1E95E}-\x{1E95F}`
	// rustNumber has Unicode 17's.
	rustNumber = `[\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}]`
)

// splits are the Splits that a pre-tokenizer of another kind stands for.
func (c *component) splits() ([]component, error) {
	split := func(pattern, behavior string, invert bool) component {
		s := component{Type: "Split", Behavior: behavior, Invert: invert}
		s.Pattern.Regex = &pattern
		return s
	}
	switch c.Type {
	case "Split":
		return []component{*c}, nil
	case "Digits":
		if c.IndividualDigits {
			return []component{split(rustNumber, "Isolated", false)}, nil
		}
		return []component{split(rustNumber, "Contiguous", false)}, nil
	case "Punctuation":
		behavior := c.Behavior
		if behavior == "" {
			behavior = "Isolated"
		}
		return []component{split(rustPunct, behavior, false)}, nil
	case "Whitespace":
		return []component{split(wordOrNot, "Removed", true)}, nil
	case "WhitespaceSplit":
		return []component{split(`\s`, "Removed", false)}, nil
	case "BertPreTokenizer":
		return []component{split(`\s`, "Removed", false), split(rustPunct, "Isolated", false)}, nil
	case "CharDelimiterSplit":
		s := component{Type: "Split", Behavior: "Removed"}
		s.Pattern.String = &c.Delimiter
		return []component{s}, nil
	}
	return nil, fmt.Errorf("%s is not known (known: Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, FixedLength, BertPreTokenizer)", quote(c.Type))
}

// addSplit adds a Split: by hand where the pattern is known, else by the expression.
func (p *preTokenizer) addSplit(c *component) error {
	if !slices.Contains(behaviors, c.Behavior) {
		return fmt.Errorf("behavior %s is not known (known: %s)", quote(c.Behavior), strings.Join(behaviors, ", "))
	}
	if len(p.steps) > maxSteps {
		return fmt.Errorf("more than %d steps", maxSteps)
	}
	s := splitStep{behavior: c.Behavior, invert: c.Invert}
	switch {
	case c.Pattern.String != nil && *c.Pattern.String != "":
		s.finder = literal(*c.Pattern.String)
		p.steps = append(p.steps, p.spelled(s))
		return nil
	case c.Pattern.Regex == nil:
		return errors.New("no pattern")
	}
	// Matches are kept, each for itself, and so is what lies between: of what these
	// patterns leave nothing lies there.
	isolated := c.Behavior == "Isolated"
	whole := c.Behavior == "Removed" && c.Invert && *c.Pattern.Regex != deepseekPattern
	if hand := patterns[*c.Pattern.Regex]; hand != nil && (isolated || whole) && !p.bytes {
		p.steps = append(p.steps, handStep{hand()})
		return nil
	}
	re, err := regex.Compile(*c.Pattern.Regex)
	if err != nil {
		return fmt.Errorf("the regular expression %s: %w", quote(*c.Pattern.Regex), err)
	}
	s.finder = re
	if s.behavior == "Contiguous" && re.Run() { // a run of single matches
		if least, most := re.Repeats(); least == 1 && most == 1 {
			if re, err = regex.Compile("(?:" + *c.Pattern.Regex + ")+"); err != nil {
				return err
			}
			isolated = true
		}
	}
	switch {
	case isolated && re.Run() && p.bytes:
		p.steps = append(p.steps, newByteRun(re))
	case isolated && re.Run():
		p.steps = append(p.steps, runStep{re})
	default:
		p.steps = append(p.steps, p.spelled(s))
	}
	return nil
}

// spelled makes a step work behind ByteLevel.
func (p *preTokenizer) spelled(s step) step {
	if p.bytes {
		return spelledStep{s}
	}
	return s
}

func newByteRun(re *regex.Regexp) *byteRunStep {
	r := new(byteRunStep)
	r.least, r.most = re.Repeats()
	for b := range r.in {
		r.in[b] = re.Has(byteToRune[b])
	}
	return r
}

// hand is the splitter of a pre-tokenizer of that one step; nil for another.
func (p *preTokenizer) hand() splitter {
	if len(p.steps) == 1 {
		if h, ok := p.steps[0].(handStep); ok {
			return h.splitter
		}
	}
	return nil
}

// whole reports whether a text stays one word.
func (p *preTokenizer) whole() bool {
	if len(p.steps) == 0 {
		return true
	}
	m, ok := p.steps[0].(metaspaceStep)
	return ok && len(p.steps) == 1 && !m.cut
}

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

// gapSplit begins a word at every run of marks. It stands in for no splitting at all
// where no token has a mark behind another character: no merge can reach over such a
// boundary, so the tokens are the same, and words are short and can be cached.
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

// spaceMark is the character that SentencePiece writes for a space.
const spaceMark = "\u2581"

// canSplitAtGaps reports whether gapSplit gives what the whole text as a word gives.
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
