package tokenizer

import "fmt"

// Bytes are the bytes that each token adds to a text, by its id, where every
// token adds the same wherever it stands: those of a byte-level or byte token may
// be part of a character. Special tokens and ids without a token have none. drops
// says that a space at the beginning of a whole text is left out. The error tells
// of a decoder that makes of a token what depends on the others.
func (t *Tokenizer) Bytes() (tokens [][]byte, drops bool, err error) {
	d := &t.decoder
	switch {
	case d.mixes != "":
		err = fmt.Errorf("the tokenizer's decoder has the step %s, with which a token has no bytes of its own", d.mixes)
	case d.separator != "":
		err = fmt.Errorf("the tokenizer has no decoder, so its tokens have no bytes of their own")
	}
	if err != nil {
		return nil, false, err
	}
	tokens = make([][]byte, t.Size())
	for id := range tokens {
		if !t.added.special[int32(id)] {
			tokens[id] = t.bytesOf(int32(id))
		}
	}
	return tokens, d.drops, nil
}

// Specials are the special tokens and their contents.
func (t *Tokenizer) Specials() map[int32]string {
	out := map[int32]string{}
	for id := range t.added.special {
		out[id] = t.content(id)
	}
	return out
}

// bytesOf is what the decoder makes of a token in the middle of others, as bytes.
func (t *Tokenizer) bytesOf(id int32) []byte {
	if !t.vocab.has(id) {
		return nil
	}
	d, text := &t.decoder, t.vocab.text[id]
	if d.bytes && t.vocab.bytes {
		return []byte(t.vocab.raw[id])
	}
	if d.byteFallback {
		if b, ok := byteToken(text); ok {
			return []byte{b}
		}
	}
	text = d.piece(text)
	if d.level {
		if raw, ok := appendBytes(nil, text); ok {
			return raw
		}
	}
	return []byte(text)
}
