package constrain

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds the digits of a number in a schema, written without an
// exponent.
const maxDigits = 400

// A decimal is an exact number: digits without zeros in front of whole or at
// the end of frac. Zero is {whole: "0"}.
type decimal struct {
	neg         bool
	whole, frac string
}

// parseDecimal reads a JSON number. It fails where the number has more digits
// than maxDigits.
func parseDecimal(text string) (decimal, bool) {
	var d decimal
	text, d.neg = strings.CutPrefix(text, "-")
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		var err error
		exponent, err = strconv.Atoi(text[i+1:])
		if strings.Trim(mantissa, "0.") == "" {
			exponent = 0
		} else if err != nil {
			return d, false
		}
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	if len(whole)+len(frac) > maxDigits || exponent > maxDigits || exponent < -maxDigits {
		return d, false
	}
	point := len(whole) + exponent
	digits := whole + frac
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	d.whole = strings.TrimLeft(digits[:point], "0")
	d.frac = strings.TrimRight(digits[point:], "0")
	if d.whole == "" {
		d.whole = "0"
	}
	if d.isZero() {
		d.neg = false
	}
	return d, len(d.whole)+len(d.frac) <= maxDigits
}

func (d decimal) isZero() bool { return d.whole == "0" && d.frac == "" }

// String returns the shortest spelling without an exponent.
func (d decimal) String() string {
	s := d.whole
	if d.frac != "" {
		s += "." + d.frac
	}
	if d.neg {
		s = "-" + s
	}
	return s
}

// cmp returns -1, 0 or 1.
func (d decimal) cmp(e decimal) int { return d.rat().Cmp(e.rat()) }

func (d decimal) rat() *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic(fmt.Sprintf("constrain: %q is no number", d.String()))
	}
	return r
}
