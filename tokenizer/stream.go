package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes ids one by one. What its calls return, put together, is exactly what
// Decode returns; no call returns a part of a character. Not for concurrent use.
type Stream struct {
	t           *Tokenizer
	skipSpecial bool
	pending     []byte // bytes of a character, or a run of byte tokens, not complete yet
	tokens      int    // tokens so far
	stripped    int
	stripDone   bool
}

// Stream begins the decoding of one text.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	return &Stream{t: t, skipSpecial: skipSpecial}
}

// Push takes the next id and returns the text that is complete with it.
func (s *Stream) Push(id int32) string {
	t := s.t
	if !t.vocab.has(id) || s.skipSpecial && t.added.special[id] {
		return ""
	}
	d := &t.decoder
	first := s.tokens == 0
	s.tokens++
	if d.bytes {
		return s.pushBytes(t.vocab.raw[id])
	}
	text := t.vocab.raw[id]
	if first && d.dropMark {
		text = strings.ReplaceAll(text, d.mark, "")
	}
	text = d.piece(text)
	if d.byteFallback {
		if b, ok := byteToken(text); ok {
			s.pending = append(s.pending, b)
			return ""
		}
		text = s.endRun() + text
	}
	if !first {
		text = d.separator + text
	}
	return s.strip(text)
}

// Flush returns what was still held back; the stream then stands at its beginning.
func (s *Stream) Flush() string {
	var text string
	if s.t.decoder.bytes {
		text = string(appendUTF8(nil, &s.pending, true))
	} else {
		text = s.strip(s.endRun())
	}
	*s = Stream{t: s.t, skipSpecial: s.skipSpecial}
	return text
}

func (s *Stream) pushBytes(raw string) string {
	if len(s.pending) == 0 && utf8.ValidString(raw) {
		return raw
	}
	s.pending = append(s.pending, raw...)
	return string(appendUTF8(nil, &s.pending, false))
}

// endRun ends a run of byte tokens: it is taken as a whole, and if it is not UTF-8 every
// one of its bytes becomes U+FFFD.
func (s *Stream) endRun() string {
	run := string(s.pending)
	s.pending = s.pending[:0]
	if !utf8.ValidString(run) {
		return strings.Repeat("\uFFFD", len(run))
	}
	return run
}

// strip takes the decoder's character off the front of the text.
func (s *Stream) strip(text string) string {
	d := &s.t.decoder
	for !s.stripDone && text != "" {
		if s.stripped == d.stripMax || !strings.HasPrefix(text, d.strip) {
			s.stripDone = true
			break
		}
		text = text[len(d.strip):]
		s.stripped++
	}
	return text
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
