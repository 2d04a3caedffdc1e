package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// Stream decodes ids one by one. What its calls return, put together, is exactly what
// Decode returns; no call returns a part of a character. Not for concurrent use.
type Stream struct {
	t           *Tokenizer
	skipSpecial bool
	shown       []int32 // special tokens that are not skipped
	begun       bool
	pending     []byte // of the bytes of a byte-level tokenizer: of a character not complete yet

	// The decoder's stages, each with the one behind it: the last one adds to text.
	stages []stage
	outs   []func(string)
	text   string
}

// Stream begins the decoding of one text.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	s := &Stream{t: t, skipSpecial: skipSpecial}
	s.begin()
	return s
}

// Show makes special tokens text, even where special tokens are skipped.
func (s *Stream) Show(ids ...int32) { s.shown = append(s.shown, ids...) }

// begin makes new stages.
func (s *Stream) begin() {
	s.begun, s.pending = false, s.pending[:0]
	n := len(s.t.decoder.stages)
	s.stages, s.outs = make([]stage, n), make([]func(string), n)
	for i := n - 1; i >= 0; i-- {
		s.stages[i] = s.t.decoder.stages[i]()
		s.outs[i] = func(text string) { s.text += text }
		if i+1 < n {
			next, out := s.stages[i+1], s.outs[i+1]
			s.outs[i] = func(text string) { next.push(text, out) }
		}
	}
}

// take returns the text that has been completed.
func (s *Stream) take() string {
	text := s.text
	s.text = ""
	return text
}

// Push takes the next id and returns the text that is complete with it.
func (s *Stream) Push(id int32) string {
	t := s.t
	if !t.vocab.has(id) || s.skipSpecial && t.added.special[id] && !slices.Contains(s.shown, id) {
		return ""
	}
	d := &t.decoder
	switch {
	case d.bytes && t.vocab.bytes:
		return s.pushBytes(t.vocab.raw[id])
	case d.bytes:
		raw, ok := appendBytes(nil, t.vocab.text[id])
		if !ok {
			return s.pushBytes(t.vocab.text[id])
		}
		return s.pushBytes(string(raw))
	}
	text := t.vocab.text[id]
	if s.begun {
		text = d.separator + text
	}
	s.begun = true
	if len(s.stages) == 0 {
		return text
	}
	s.stages[0].push(text, s.outs[0])
	return s.take()
}

// Flush returns what was still held back; the stream then stands at its beginning.
func (s *Stream) Flush() string {
	if s.t.decoder.bytes {
		text := string(appendUTF8(nil, &s.pending, true))
		s.begin()
		return text
	}
	for i, stage := range s.stages {
		stage.flush(s.outs[i])
	}
	text := s.take()
	s.begin()
	return text
}

func (s *Stream) pushBytes(raw string) string {
	if len(s.pending) == 0 && utf8.ValidString(raw) {
		return raw
	}
	s.pending = append(s.pending, raw...)
	return string(appendUTF8(nil, &s.pending, false))
}

// appendUTF8 moves complete characters from pending to dst, all that is left when last.
// What is not UTF-8 becomes one U+FFFD for each maximal subpart, the rule of WHATWG.
func appendUTF8(dst []byte, pending *[]byte, last bool) []byte {
	p := *pending
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r != utf8.RuneError || size > 1 {
			dst = append(dst, p[:size]...)
			p = p[size:]
			continue
		}
		if !last && !utf8.FullRune(p) {
			break
		}
		// The maximal subpart is the longest beginning of a character that p starts with.
		for size < len(p) && !utf8.FullRune(p[:size+1]) {
			size++
		}
		dst = append(dst, "\uFFFD"...)
		p = p[size:]
	}
	*pending = append((*pending)[:0], p...)
	return dst
}
