package tokenizer

import "unicode/utf8"

// The byte-level alphabet of GPT-2 writes every byte as one printable character:
// printable Latin-1 as itself, the others as U+0100 and up.

var (
	byteToRune [256]rune
	runeToByte [0x144]int16 // -1: not in the alphabet
)

func init() {
	for i := range runeToByte {
		runeToByte[i] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			r, next = next, next+1
		}
		byteToRune[b] = r
		runeToByte[r] = int16(b)
	}
}

// appendBytes appends the bytes that text spells in the byte-level alphabet;
// ok is false, and dst unchanged, where text has another character.
func appendBytes(dst []byte, text string) (out []byte, ok bool) {
	n := len(dst)
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if int(r) >= len(runeToByte) || runeToByte[r] < 0 {
			return dst[:n], false
		}
		dst = append(dst, byte(runeToByte[r]))
		i += size
	}
	return dst, true
}

// byteToken recognizes the byte tokens of SentencePiece vocabularies, "<0x0A>".
func byteToken(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	hi, lo := hexDigit(text[3]), hexDigit(text[4])
	if hi < 0 || lo < 0 {
		return 0, false
	}
	return byte(hi<<4 | lo), true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
