package constrain

import (
	"math/big"
	"slices"
	"strings"
)

// Spellings of numbers. An integer has no fraction and no exponent, and zero has
// no sign. Other numbers have a fraction, or none. Only where nothing but the
// type is asked may they have an exponent, of at most 308, since such a text's
// value is not regular.
var (
	digit      = Class('0', '9')
	digits     = Repeat(digit, 0, -1)
	wholeText  = Alt(Lit("0"), Seq(Class('1', '9'), digits))
	someZeros  = Repeat(Lit("0"), 0, -1)
	fraction   = Seq(Lit("."), digit, digits)
	anyInteger = Alt(Lit("0"), Seq(Optional(Lit("-")), Class('1', '9'), digits))
	anyDecimal = Seq(Optional(Lit("-")), wholeText, Optional(fraction))
	exponent   = Seq(Class('e', 'e', 'E', 'E'), Optional(Class('+', '+', '-', '-')), Repeat(Lit("0"), 0, 1),
		Alt(Repeat(digit, 1, 2), Seq(Class('1', '2'), digit, digit), Seq(Lit("30"), Class('0', '8'))))
	anyNumber = Seq(anyDecimal, Optional(exponent))
)

// A numberSet is a set of numbers: a list of values, or an expression over
// spellings without exponents. all says that it holds every number. Of each
// number in the set, at least the shortest spelling is there.
type numberSet struct {
	all    bool
	finite bool
	values []decimal
	whole  bool // of the values that are integers, only spellings as integers
	e      Expr
}

var (
	allNumbers = numberSet{all: true, e: anyDecimal}
	noNumbers  = numberSet{finite: true}
)

func (s numberSet) expr() Expr {
	switch {
	case s.all:
		return anyNumber
	case !s.finite:
		return s.e
	}
	var parts []Expr
	for _, v := range s.values {
		e := Lit(v.String())
		if v.frac == "" && !s.whole {
			e = Seq(e, Optional(Lit(".0")))
		}
		parts = append(parts, e)
	}
	return Alt(parts...)
}

func (c *schemaCompiler) andNumbers(s, t numberSet) numberSet {
	switch {
	case s.all:
		return t
	case t.all:
		return s
	case !s.finite && !t.finite:
		return numberSet{e: And(s.e, t.e)}
	case !s.finite:
		s, t = t, s
	}
	kept := numberSet{finite: true, whole: s.whole || t.finite && t.whole}
	set := setOf(t.values)
	for _, v := range s.values {
		if t.finite && !set[v] || !t.finite && !c.matches(t.e, v.String()) {
			continue
		}
		kept.values = append(kept.values, v)
		if v.frac == "" && !t.finite && !c.matches(t.e, v.String()+".0") {
			kept.whole = true
		}
	}
	return kept
}

func (s numberSet) or(t numberSet) numberSet {
	switch {
	case s.all || t.all:
		return allNumbers
	case s.finite && len(s.values) == 0:
		return t
	case t.finite && len(t.values) == 0:
		return s
	case s.finite && t.finite && s.whole == t.whole:
		return numberSet{finite: true, values: once(append(slices.Clone(s.values), t.values...)), whole: s.whole}
	}
	return numberSet{e: Alt(s.expr(), t.expr())}
}

func (s numberSet) empty(c *schemaCompiler) (bool, error) {
	if s.all || s.finite {
		return !s.all && len(s.values) == 0, nil
	}
	return c.isEmpty(s.e)
}

// except returns the numbers that are none of values.
func except(values []decimal) numberSet {
	if len(values) == 0 {
		return allNumbers
	}
	var parts []Expr
	for _, v := range values {
		e := Lit(v.String())
		if v.frac == "" {
			e = Seq(e, Optional(Seq(Lit("."), Lit("0"), someZeros)))
		} else {
			e = Seq(e, someZeros)
		}
		if v.isZero() {
			e = Seq(Optional(Lit("-")), e)
		}
		parts = append(parts, e)
	}
	return numberSet{e: And(anyDecimal, Not(Alt(parts...)))}
}

// integers and fractional are the numbers that are integers, and those that are not.
var (
	integers   = numberSet{e: anyInteger}
	fractional = numberSet{e: Seq(Optional(Lit("-")), wholeText, Lit("."), digits, Class('1', '9'), digits)}
)

// between is the numbers from low to high, either of which may be nil.
func between(low, high *bound, integer bool) numberSet {
	if low == nil && high == nil {
		if integer {
			return integers
		}
		return allNumbers
	}
	var parts []Expr
	zero := bound{at: decimal{whole: "0"}}
	if high == nil || !high.at.neg && !(high.at.isZero() && high.strict) {
		from := zero
		if low != nil && !low.at.neg {
			from = *low
		}
		parts = append(parts, magnitudes(from, high, integer))
	}
	if low == nil || low.at.neg {
		// Below zero the bounds change their places, and zero itself is
		// above.
		from := bound{at: zero.at, strict: true}
		if high != nil && high.at.neg {
			from = bound{high.at.abs(), high.strict}
		}
		var to *bound
		if low != nil {
			to = &bound{low.at.abs(), low.strict}
		}
		parts = append(parts, Seq(Lit("-"), magnitudes(from, to, integer)))
	}
	if !integer && (low == nil || low.at.neg || low.at.isZero() && !low.strict) && (high == nil || !high.at.neg && !(high.at.isZero() && high.strict)) {
		parts = append(parts, Seq(Lit("-0"), Optional(Seq(Lit(".0"), someZeros)))) // as some encoders write it
	}
	return numberSet{e: Alt(parts...)}
}

func (d decimal) abs() decimal {
	d.neg = false
	return d
}

// magnitudes is the numbers from low, which is not below zero, to high.
func magnitudes(low bound, high *bound, integer bool) Expr {
	if integer {
		from := low.at.whole
		if low.strict || low.at.frac != "" {
			from = addOne(from, 1)
		}
		if high == nil {
			return wholesFrom(from)
		}
		to := high.at.whole
		if high.strict && high.at.frac == "" {
			to = addOne(to, -1)
		}
		return wholes(from, to)
	}
	first := Seq(Lit(low.at.whole), fractionFrom(low.at.frac, low.strict))
	if high == nil {
		return Alt(first, Seq(wholesFrom(addOne(low.at.whole, 1)), Optional(fraction)))
	}
	last := fractionTo(high.at.frac, high.strict)
	switch compareWhole(low.at.whole, high.at.whole) {
	case 1:
		return Alt()
	case 0:
		return Seq(Lit(low.at.whole), And(fractionFrom(low.at.frac, low.strict), last))
	}
	return Alt(first,
		Seq(wholes(addOne(low.at.whole, 1), addOne(high.at.whole, -1)), Optional(fraction)),
		Seq(Lit(high.at.whole), last))
}

// addOne adds n, which may be negative, to a whole number.
func addOne(whole string, n int64) string {
	x, _ := new(big.Int).SetString(whole, 10)
	return x.Add(x, big.NewInt(n)).String()
}

func compareWhole(a, b string) int {
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// wholesFrom is the whole numbers from one on.
func wholesFrom(from string) Expr {
	n := len(from)
	if from == "0" {
		return wholeText
	}
	return Alt(sameLength(from, strings.Repeat("9", n)), Seq(Class('1', '9'), Repeat(digit, n, -1)))
}

// wholes is the whole numbers from one to another, nothing where to is smaller.
func wholes(from, to string) Expr {
	if to[0] == '-' || compareWhole(from, to) > 0 {
		return Alt()
	}
	if len(from) == len(to) {
		return sameLength(from, to)
	}
	parts := []Expr{sameLength(from, strings.Repeat("9", len(from))), sameLength("1"+strings.Repeat("0", len(to)-1), to)}
	if len(from)+1 < len(to) {
		parts = append(parts, Seq(Class('1', '9'), Repeat(digit, len(from), len(to)-2)))
	}
	return Alt(parts...)
}

// sameLength is the digits from lo to hi, which have one length, with zeros in
// front.
func sameLength(lo, hi string) Expr {
	n := len(lo)
	if strings.Trim(lo, "0") == "" && strings.Trim(hi, "9") == "" {
		return Repeat(digit, n, n)
	}
	a, b := rune(lo[0]), rune(hi[0])
	if a == b {
		return Seq(Lit(lo[:1]), sameLength(lo[1:], hi[1:]))
	}
	parts := []Expr{
		Seq(Lit(lo[:1]), sameLength(lo[1:], strings.Repeat("9", n-1))),
		Seq(Lit(hi[:1]), sameLength(strings.Repeat("0", n-1), hi[1:])),
	}
	if a+1 < b {
		parts = append(parts, Seq(Class(a+1, b-1), Repeat(digit, n-1, n-1)))
	}
	return Alt(parts...)
}

// fractionFrom is the fractions, with their point, from one on: none where the
// number may be whole.
func fractionFrom(from string, strict bool) Expr {
	if from == "" && !strict {
		return Optional(fraction)
	}
	above := digits
	if strict {
		above = Seq(someZeros, Class('1', '9'), digits)
	}
	for i := len(from) - 1; i >= 0; i-- {
		next := Seq(Lit(from[i:i+1]), above)
		if from[i] < '9' {
			next = Alt(next, Seq(Class(rune(from[i])+1, '9'), digits))
		}
		above = next
	}
	return Seq(Lit("."), above)
}

// fractionTo is the fractions, with their point, up to one, and none.
func fractionTo(to string, strict bool) Expr {
	if to == "" {
		if strict {
			return Alt()
		}
		return Optional(Seq(Lit(".0"), someZeros))
	}
	below := someZeros
	if strict {
		below = Alt()
	}
	for i := len(to) - 1; i >= 0; i-- {
		next := Seq(Lit(to[i:i+1]), below)
		if to[i] > '0' {
			next = Alt(next, Seq(Class('0', rune(to[i])-1), digits))
		}
		if i > 0 {
			next = Optional(next) // what ends here is smaller: to ends in no zero
		}
		below = next
	}
	return Optional(Seq(Lit("."), below))
}
