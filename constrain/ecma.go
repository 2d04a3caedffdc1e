package constrain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// fold is the ranges of a character's cases.
func fold(r rune) []rune {
	out := []rune{r, r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		out = append(out, f, f)
	}
	return out
}

const (
	ecmaSpace  = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	ecmaNoLine = `[^\n\r\x{2028}\x{2029}]`
)

// fromECMA rewrites what JavaScript writes otherwise than Go.
func fromECMA(p string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			text, n, err := ecmaEscape(p[i:], inClass)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += n - 1
		case inClass && c == ']':
			inClass = false
			out.WriteByte(c)
		case inClass && c == '[': // no POSIX classes there
			out.WriteString(`\[`)
		case inClass:
			out.WriteByte(c)
		case c == '[':
			switch {
			case strings.HasPrefix(p[i:], "[^]"):
				out.WriteString(`[\x{0}-\x{10ffff}]`)
				i += 2
			case strings.HasPrefix(p[i:], "[]"):
				out.WriteString(`[^\x{0}-\x{10ffff}]`)
				i++
			default:
				inClass = true
				out.WriteByte(c)
			}
		case c == '.':
			out.WriteString(ecmaNoLine)
		case c == '(' && strings.HasPrefix(p[i:], "(?") && !ecmaGroup(p[i:]):
			return "", errorf("", "pattern %s: looking ahead or behind and flags cannot be held", quote(p))
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// ecmaGroup says whether a group is one that JavaScript knows and that is regular.
func ecmaGroup(p string) bool {
	return strings.HasPrefix(p, "(?:") ||
		strings.HasPrefix(p, "(?<") && !strings.HasPrefix(p, "(?<=") && !strings.HasPrefix(p, "(?<!")
}

// ecmaEscape is the escape at the start of p, and its length.
func ecmaEscape(p string, inClass bool) (text string, n int, err error) {
	bad := func() (string, int, error) {
		return "", 0, errorf("", "the escape %s of a pattern has no meaning here", quote(p[:min(len(p), 8)]))
	}
	if len(p) < 2 {
		return bad()
	}
	switch c := p[1]; c {
	case 'u':
		r, n, ok := ecmaUnicode(p)
		if !ok {
			return bad()
		}
		return fmt.Sprintf(`\x{%x}`, r), n, nil
	case 'x':
		if len(p) >= 4 {
			if r, err := strconv.ParseUint(p[2:4], 16, 8); err == nil {
				return fmt.Sprintf(`\x{%x}`, r), 4, nil
			}
		}
		return bad()
	case 'c':
		if len(p) >= 3 && (p[2] >= 'a' && p[2] <= 'z' || p[2] >= 'A' && p[2] <= 'Z') {
			return fmt.Sprintf(`\x{%x}`, p[2]&31), 3, nil
		}
		return bad()
	case '0':
		if len(p) > 2 && p[2] >= '0' && p[2] <= '9' {
			return bad()
		}
		return `\x{0}`, 2, nil
	case 's', 'S':
		return ecmaSpaces(c == 'S', inClass)
	case 'b':
		if inClass {
			return `\x{8}`, 2, nil
		}
	case '/', '-':
		return `\` + string(c), 2, nil
	case 'A', 'z', 'Z', 'C', 'Q', 'E', 'a', 'k', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return bad()
	}
	return p[:2], 2, nil
}

func ecmaSpaces(not, inClass bool) (string, int, error) {
	switch {
	case not && inClass:
		return "", 0, errorf("", `\S within a class of characters cannot be held`)
	case not:
		return "[^" + ecmaSpace + "]", 2, nil
	case inClass:
		return ecmaSpace, 2, nil
	}
	return "[" + ecmaSpace + "]", 2, nil
}

// ecmaUnicode is a character as \u0041, \u{1f600}, or a pair of surrogates.
func ecmaUnicode(p string) (r rune, n int, ok bool) {
	if strings.HasPrefix(p, `\u{`) {
		end := strings.IndexByte(p, '}')
		if end < 0 {
			return 0, 0, false
		}
		v, err := strconv.ParseUint(p[3:end], 16, 32)
		return rune(v), end + 1, err == nil && v <= unicode.MaxRune
	}
	unit := func(p string) (rune, bool) {
		if len(p) < 6 || p[:2] != `\u` {
			return 0, false
		}
		v, err := strconv.ParseUint(p[2:6], 16, 16)
		return rune(v), err == nil
	}
	if r, ok = unit(p); !ok {
		return 0, 0, false
	}
	if r >= 0xd800 && r < 0xdc00 {
		if low, ok := unit(p[6:]); ok && low >= 0xdc00 && low < 0xe000 {
			return 0x10000 + (r-0xd800)<<10 + low - 0xdc00, 12, true
		}
	}
	if r >= 0xd800 && r < 0xe000 {
		return 0, 0, false
	}
	return r, 6, true
}
