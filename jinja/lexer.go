package jinja

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokData
	tokPrint    // {{
	tokPrintEnd // }}
	tokBlock    // {%
	tokBlockEnd // %}
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokenKind
	text string // of strings: their value
	line int
}

// blank is isSpace as a regular expression.
const blank = `[\s\v\x1c-\x1f\x{85}\p{Z}]*`

var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?` + blank + `raw` + blank + `(-%\}` + blank + `|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)` + blank + `endraw` + blank + `(\+%\}|-%\}` + blank + `|%\}\n?)`)
	intRE    = regexp.MustCompile(`^(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|[1-9](_?[0-9])*|0(_?0)*)`)
	floatRE  = regexp.MustCompile(`^[0-9](_?[0-9])*((\.[0-9](_?[0-9])*)?[eE][-+]?[0-9](_?[0-9])*|\.[0-9](_?[0-9])*)`)
)

// operators, longer ones first.
var operators = []string{
	"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",",
}

// lexer follows Jinja2's tokeniter under trim_blocks and lstrip_blocks.
type lexer struct {
	src  string
	pos  int
	line int
	toks []token
	open []byte // brackets open inside the current tag, as their closers
	// fresh says that pos starts a line in the sense of lstrip_blocks: the last
	// thing lexed ended in a newline.
	fresh bool
}

func lex(src string) ([]token, error) {
	src = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(src)
	src = strings.TrimSuffix(src, "\n")
	l := &lexer{src: src, line: 1, fresh: true}
	for l.pos < len(l.src) {
		if err := l.text(); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.line, err)
		}
	}
	l.emit(tokEOF, "")
	return l.toks, nil
}

func (l *lexer) emit(k tokenKind, text string) {
	l.toks = append(l.toks, token{k, text, l.line})
}

// skip moves n bytes on, keeping count of lines.
func (l *lexer) skip(n int) {
	passed := l.src[l.pos : l.pos+n]
	l.line += strings.Count(passed, "\n")
	l.fresh = strings.HasSuffix(passed, "\n")
	l.pos += n
}

func (l *lexer) rest() string { return l.src[l.pos:] }

// text lexes plain text up to and including the next tag.
func (l *lexer) text() error {
	rest := l.rest()
	start := 0
	for {
		i := strings.IndexByte(rest[start:], '{')
		if i < 0 || start+i+1 >= len(rest) {
			l.emit(tokData, rest)
			l.skip(len(rest))
			return nil
		}
		start += i
		if strings.IndexByte("%{#", rest[start+1]) >= 0 {
			break
		}
		start++
	}
	tag, sign := rest[start+1], byte(0)
	if start+2 < len(rest) && (rest[start+2] == '-' || rest[start+2] == '+') {
		sign = rest[start+2]
	}
	if data := l.stripBefore(rest[:start], sign, tag != '{'); data != "" {
		l.emit(tokData, data)
	}
	l.skip(start)
	if loc := rawBegin.FindStringIndex(l.rest()); loc != nil {
		l.skip(loc[1])
		return l.raw()
	}
	l.skip(2)
	if sign != 0 {
		l.skip(1)
	}
	switch tag {
	case '#':
		return l.comment()
	case '{':
		l.emit(tokPrint, "")
		return l.tag("}}", tokPrintEnd)
	}
	l.emit(tokBlock, "")
	return l.tag("%}", tokBlockEnd)
}

// stripBefore is the part of a text before a tag that stays. `-` strips all
// white space. Otherwise lstrip_blocks, which is for blocks and comments only,
// takes the blanks between the start of the line and the tag.
func (l *lexer) stripBefore(text string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, isSpace)
	}
	if sign == '+' || !block {
		return text
	}
	line := strings.LastIndexByte(text, '\n') + 1
	if (line > 0 || l.fresh) && strings.TrimLeftFunc(text[line:], isSpace) == "" {
		return text[:line]
	}
	return text
}

// after skips what follows a tag's end of n bytes: all white space after a
// `-`, one newline (trim_blocks) after a block or comment.
func (l *lexer) after(n int, minus, block bool) {
	rest := l.src[l.pos+n:]
	if minus {
		n += len(rest) - len(strings.TrimLeftFunc(rest, isSpace))
	} else if block && strings.HasPrefix(rest, "\n") {
		n++
	}
	l.skip(n)
}

func (l *lexer) comment() error {
	i := strings.Index(l.rest(), "#}")
	if i < 0 {
		return fmt.Errorf("a comment does not end")
	}
	sign := byte(0)
	if i > 0 {
		sign = l.rest()[i-1]
	}
	l.skip(i)
	l.after(2, sign == '-', sign != '+')
	return nil
}

func (l *lexer) raw() error {
	loc := rawEnd.FindStringSubmatchIndex(l.rest())
	if loc == nil {
		return fmt.Errorf("a raw block does not end")
	}
	sign := byte(0)
	if loc[2] < loc[3] {
		sign = l.rest()[loc[2]]
	}
	if data := l.stripBefore(l.rest()[:loc[0]], sign, true); data != "" {
		l.emit(tokData, data)
	}
	l.skip(loc[1])
	return nil
}

// tag lexes the text between {{ or {% and its end. Inside open brackets the end
// is not looked for: {{ {'a': {}} }}.
func (l *lexer) tag(end string, kind tokenKind) error {
	l.open = l.open[:0]
	for {
		for l.pos < len(l.src) {
			r, n := utf8.DecodeRuneInString(l.rest())
			if !isSpace(r) {
				break
			}
			l.skip(n)
		}
		rest := l.rest()
		if rest == "" {
			return fmt.Errorf("a tag does not end with %s", end)
		}
		if len(l.open) == 0 {
			sign := 0
			if rest[0] == '-' || (rest[0] == '+' && kind == tokBlockEnd) {
				sign = 1
			}
			if strings.HasPrefix(rest[sign:], end) {
				l.emit(kind, "")
				l.after(sign+len(end), rest[0] == '-', kind == tokBlockEnd && rest[0] != '+')
				return nil
			}
		}
		if err := l.one(rest); err != nil {
			return err
		}
	}
}

// one lexes a single token inside a tag.
func (l *lexer) one(rest string) error {
	if rest[0] >= '0' && rest[0] <= '9' {
		// Behind a dot, a number is an index: x.0.1
		behindDot := l.pos > 0 && l.src[l.pos-1] == '.'
		if s := floatRE.FindString(rest); s != "" && !behindDot {
			return l.take(tokFloat, s, len(s))
		}
		s := intRE.FindString(rest)
		return l.take(tokInt, s, len(s))
	}
	if rest[0] == '"' || rest[0] == '\'' {
		return l.quoted(rest)
	}
	if n := strings.IndexFunc(rest, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}); n != 0 {
		if n < 0 {
			n = len(rest)
		}
		return l.take(tokName, rest[:n], n)
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			if err := l.balance(op); err != nil {
				return err
			}
			return l.take(tokOp, op, len(op))
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return fmt.Errorf("unexpected character %q", r)
}

func (l *lexer) take(k tokenKind, text string, n int) error {
	l.emit(k, text)
	l.skip(n)
	return nil
}

func (l *lexer) balance(op string) error {
	switch op {
	case "(":
		l.open = append(l.open, ')')
	case "[":
		l.open = append(l.open, ']')
	case "{":
		l.open = append(l.open, '}')
	case ")", "]", "}":
		n := len(l.open)
		if n == 0 || l.open[n-1] != op[0] {
			return fmt.Errorf("unexpected '%s'", op)
		}
		l.open = l.open[:n-1]
	}
	return nil
}

func (l *lexer) quoted(rest string) error {
	q := rest[0]
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case q:
			s, err := unescape(rest[1:i])
			if err != nil {
				return err
			}
			return l.take(tokString, s, i+1)
		}
	}
	return fmt.Errorf("a string does not end")
}

// unescape reads Python's backslash escapes; an unknown one stands for itself,
// backslash and all.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	const letters, values = `abfnrtv\'"`, "\a\b\f\n\r\t\v\\'\""
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i] // quoted never ends a string on a backslash
		if k := strings.IndexByte(letters, c); k >= 0 {
			b.WriteByte(values[k])
			continue
		}
		digits, base, from := 0, 16, i+1
		switch {
		case c == '\n':
			continue
		case c == 'x':
			digits = 2
		case c == 'u':
			digits = 4
		case c == 'U':
			digits = 8
		case c == 'N':
			return "", errors.New(`\N{...} escapes are not supported`)
		case c >= '0' && c <= '7':
			base, from = 8, i
			for digits = 1; digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7'; digits++ {
			}
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		if from+digits > len(s) {
			return "", fmt.Errorf("a \\%c escape is cut short", c)
		}
		n, err := strconv.ParseUint(s[from:from+digits], base, 32)
		if err != nil || n > unicode.MaxRune {
			return "", fmt.Errorf("bad escape \\%c%s", c, s[from:from+digits])
		}
		b.WriteRune(rune(n))
		i = from + digits - 1
	}
	return b.String(), nil
}
