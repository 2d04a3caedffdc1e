package constrain

import "strconv"

// maxMultiples bounds the states of multipleOf: what a number leaves when it is
// divided, times the digits behind its point.
const maxMultiples = 10_000

// multiples is the numbers that a decimal divides. They are regular: after each
// digit only the remainder of what was read matters.
func multiples(of decimal, path string) (numberSet, error) {
	q := len(of.frac)
	text := of.whole + of.frac
	m, err := strconv.Atoi(text)
	if err != nil || m*(q+2) > maxMultiples {
		return noNumbers, schemaErrorf(path, "multiples of %s cannot be held: they take more than %d states", of, maxMultiples)
	}
	a := remainders(m, q)
	return numberSet{e: And(anyDecimal, Seq(Optional(Lit("-")), a))}, nil
}

// remainders is digits, with or without a point and a fraction, whose value m
// divides after q more digits.
//
// State r, below m, has read a whole number with the remainder r. State
// m*(1+i)+r has read a point and i digits behind it, for i up to q. The last m
// states have read q digits and at least one more, all of them zeros.
func remainders(m, q int) Expr {
	a := newAutomaton(m * (q + 3))
	for r := range m {
		for d := range 10 {
			a.move(r, byte('0'+d), (10*r+d)%m)
		}
		a.move(r, '.', m+r)
		rest := r
		for range q {
			rest = rest * 10 % m
		}
		a.accept[r] = rest == 0
		for i := range q {
			from := m*(1+i) + r
			for d := range 10 {
				a.move(from, byte('0'+d), m*(2+i)+(10*r+d)%m)
			}
			rest := r
			for range q - i {
				rest = rest * 10 % m
			}
			a.accept[from] = rest == 0 && i > 0
		}
		full, zeros := m*(1+q)+r, m*(2+q)+r
		a.move(full, '0', zeros)
		a.move(zeros, '0', zeros)
		a.accept[full] = r == 0 && q > 0
		a.accept[zeros] = r == 0
	}
	return a.expr(0)
}
