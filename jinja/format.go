package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPrecision bounds the digits of a number. No float has more.
const maxPrecision = 1100

// spec is the layout of a value, by % or by str.format.
type spec struct {
	fill  str
	align byte // '<', '>', '^', '=' (sign, fill, digits), 0: by the type
	sign  byte // '+', ' ' or 0
	alt   bool // 0x before a hexadecimal
	zero  bool // numbers have their fill between sign and digits
	comma bool
	width int64
	prec  int64 // -1: none
	verb  byte  // 0: by the type
}

// layout writes one value.
func (m *machine) layout(v any, f spec) (str, error) {
	if _, isText := v.(str); f.prec > maxPrecision && !isText {
		return str{}, errors.New("precision too big")
	}
	// Digits are long to find, the more so the more there are.
	if err := m.spend(callBytes + 4*int(min(max(f.prec, 0), maxPrecision))); err != nil {
		return str{}, err
	}
	if err := m.read(v); err != nil {
		return str{}, err
	}
	var text str // of a value that is no number
	var s, sign string
	var err error
	numeric := true
	switch f.verb {
	case 'd', 'i', 'u', 'x', 'X', 'o', 'b':
		s, sign, err = f.integer(v)
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		s, sign, err = f.float(v)
	case 'c':
		n, ok := asInt(v)
		if c, isText := v.(str); isText && utf8.RuneCountInString(c.s) == 1 {
			text = c
		} else if ok && n >= 0 && n <= utf8.MaxRune {
			text = plain(string(rune(n)))
		} else {
			err = errors.New("%c requires int or char")
		}
		numeric = false
	case 0, 's':
		_, isInt := v.(int64)
		_, isFloat := v.(float64)
		switch {
		case f.verb == 0 && isInt:
			s, sign, err = f.integer(v)
		case f.verb == 0 && isFloat:
			s, sign, err = f.float(v)
		default:
			numeric = false
			if text, err = m.str(v); err == nil && f.prec >= 0 {
				i, j := bytesOf(text.s, 0, int(min(f.prec, int64(len(text.s)))))
				text = text.sub(i, j)
			}
		}
	default:
		err = fmt.Errorf("unsupported format character '%c'", f.verb)
	}
	if err != nil {
		return str{}, err
	}
	if numeric {
		text = plain(sign + s)
	}
	if f.align == 0 {
		switch {
		case !numeric:
			f.align = '<'
		case f.zero:
			f.align = '='
		default:
			f.align = '>'
		}
	}
	switch f.align {
	case '=':
		return m.padAfter(text, len(sign), f.width, f.fill)
	case '<':
		return m.pad(text, f.width, f.fill, func(width, n int) int { return 0 })
	case '^':
		return m.pad(text, f.width, f.fill, func(width, n int) int { return (width - n) / 2 })
	}
	return m.pad(text, f.width, f.fill, func(width, n int) int { return width - n })
}

// signed splits off the sign to print.
func (f spec) signed(s string) (digits, sign string) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return rest, "-"
	}
	if f.sign != 0 {
		return s, string(f.sign)
	}
	return s, ""
}

func (f spec) integer(v any) (string, string, error) {
	n, ok := asInt(v)
	if x, isFloat := v.(float64); isFloat && math.Abs(x) < 1<<63 {
		n, ok = int64(x), true
	}
	if !ok {
		return "", "", notNumber(v)
	}
	base, prefix := 10, ""
	switch f.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	}
	s, sign := f.signed(strconv.FormatInt(n, base))
	if f.verb == 'X' {
		s = strings.ToUpper(s)
	}
	if f.prec > int64(len(s)) && f.prec <= maxPrecision {
		s = strings.Repeat("0", int(f.prec)-len(s)) + s
	}
	if f.comma {
		s = group(s)
	}
	if f.alt {
		sign += prefix
	}
	return s, sign, nil
}

func (f spec) float(v any) (string, string, error) {
	x, ok := asFloat(v)
	if !ok {
		return "", "", notNumber(v)
	}
	prec, verb, end := 6, f.verb, ""
	if f.prec >= 0 {
		prec = int(f.prec)
	}
	switch verb {
	case '%':
		x, verb, end = x*100, 'f', "%"
	case 'F':
		verb = 'f'
	case 'g', 'G', 0:
		prec = max(prec, 1)
	}
	text := ""
	switch {
	case math.IsNaN(x):
		text = "nan"
	case math.IsInf(x, 0), verb == 0 && f.prec < 0:
		text = pyFloat(x, "inf", "nan")
	case verb == 0:
		text = strconv.FormatFloat(x, 'g', prec, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
	default:
		text = strconv.FormatFloat(x, verb, prec, 64)
	}
	s, sign := f.signed(text)
	if f.comma {
		whole, rest, _ := strings.Cut(s, ".")
		s = group(whole) + s[len(whole):len(s)-len(rest)] + rest
		if rest == "" {
			s = group(whole)
		}
	}
	return s + end, sign, nil
}

// group puts commas between thousands.
func group(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// count reads the digits of a width or precision.
func count(s string) (n int64, rest string, err error) {
	for rest = s; rest != "" && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
		high, low := bits.Mul64(uint64(n), 10)
		if high != 0 || low > math.MaxInt32 {
			return 0, "", errors.New("too many decimal digits in format string")
		}
		n = int64(low) + int64(rest[0]-'0')
	}
	return n, rest, nil
}
