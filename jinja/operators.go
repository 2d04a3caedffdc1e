package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
)

var errOverflow = errors.New("an integer is too large")

func unary(op string, v any) (any, error) {
	if op == "not" {
		return !truth(v), nil
	}
	if n, ok := v.(json.Number); ok {
		digits, negative := strings.CutPrefix(string(n), "-")
		if op == "-" && !negative {
			digits = "-" + digits
		}
		return number(json.Number(digits)), nil
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	n, ok := asInt(v)
	switch u, undefined := v.(*undefined); {
	case undefined:
		return nil, u.err()
	case !ok:
		return nil, fmt.Errorf("bad operand type for unary %s: '%s'", op, typeName(v))
	case op == "+":
		return n, nil
	case n == math.MinInt64:
		return nil, errOverflow
	}
	return -n, nil
}

// binary is a op b for the arithmetic operators.
func (m *machine) binary(op string, a, b any) (any, error) {
	if s, ok := a.(str); ok && op == "%" {
		return m.percent(s, b)
	}
	for _, v := range []any{a, b} {
		switch v := v.(type) {
		case *undefined:
			return nil, v.err()
		case json.Number:
			return nil, errOverflow
		}
	}
	x, xInt := asInt(a)
	y, yInt := asInt(b)
	if xInt && yInt {
		return arithInt(op, x, y)
	}
	f, fOK := asFloat(a)
	g, gOK := asFloat(b)
	if fOK && gOK {
		return arithFloat(op, f, g)
	}
	switch {
	case op == "+":
		if v, err := m.concatenate(a, b); v != nil || err != nil {
			return v, err
		}
	case op == "*" && yInt:
		if v, err := m.repeat(a, y); v != nil || err != nil {
			return v, err
		}
	case op == "*" && xInt:
		if v, err := m.repeat(b, x); v != nil || err != nil {
			return v, err
		}
	}
	if _, ok := a.(str); ok && op == "+" {
		return nil, fmt.Errorf("can only concatenate str (not \"%s\") to str", typeName(b))
	}
	return nil, fmt.Errorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

// concatenate is a + b for sequences, nil if they are none.
func (m *machine) concatenate(a, b any) (any, error) {
	switch a := a.(type) {
	case str:
		if b, ok := b.(str); ok {
			return m.add(a, b)
		}
	case *list:
		b, ok := b.(*list)
		if !ok || a.kind != b.kind || a.kind > kindTuple {
			return nil, nil
		}
		if err := m.spendItems(len(a.items) + len(b.items)); err != nil {
			return nil, err
		}
		items := append(make([]any, 0, len(a.items)+len(b.items)), a.items...)
		return &list{items: append(items, b.items...), kind: a.kind}, nil
	}
	return nil, nil
}

// add puts b behind a. Text joined with Markup is Markup, and is escaped if it
// was none.
func (m *machine) add(a, b str) (any, error) {
	w := &writer{m: m, markup: a.isMarkup() || b.isMarkup()}
	if n := len(a.s) + len(b.s); n <= m.left.Bytes {
		w.text.Grow(n)
	}
	w.put(a)
	w.put(b)
	return w.done()
}

// repeat is v * n for sequences, nil if v is none.
func (m *machine) repeat(v any, n int64) (any, error) {
	size, unit := 0, 1
	switch v := v.(type) {
	case str:
		size = len(v.s)
	case *list:
		if v.kind > kindTuple {
			return nil, nil
		}
		size, unit = len(v.items), itemBytes
	default:
		return nil, nil
	}
	n = max(n, 0)
	if size > 0 && n > int64(m.left.Bytes) {
		return nil, m.spend(-1)
	}
	high, low := bits.Mul64(uint64(size*unit), uint64(n))
	if high != 0 || low > math.MaxInt32*1024 {
		return nil, m.spend(-1)
	}
	if err := m.spend(int(low)); err != nil {
		return nil, err
	}
	if s, ok := v.(str); ok {
		return m.repeatText(s, n)
	}
	l := v.(*list)
	items := make([]any, 0, size*int(min(n, int64(low))))
	for i := int64(0); size > 0 && i < n; i++ {
		items = append(items, l.items...)
	}
	return &list{items: items, kind: l.kind}, nil
}

func (m *machine) repeatText(s str, n int64) (any, error) {
	if s.s == "" || n == 0 {
		return str{"", s.mark}, nil
	}
	if !s.mixed() {
		return str{strings.Repeat(s.s, int(n)), s.mark}, nil
	}
	w := &writer{m: m, markup: s.isMarkup()}
	for ; n > 0 && w.err == nil; n-- {
		w.put(s)
	}
	return w.done()
}

func arithInt(op string, x, y int64) (any, error) {
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s, nil
		}
		return nil, errOverflow
	case "-":
		if d := x - y; (d < x) == (y > 0) {
			return d, nil
		}
		return nil, errOverflow
	case "*":
		return mulInt(x, y)
	case "**":
		if y < 0 {
			return arithFloat(op, float64(x), float64(y))
		}
		return powInt(x, y)
	}
	if y == 0 {
		return nil, errors.New("division by zero")
	}
	if op == "/" {
		return float64(x) / float64(y), nil
	}
	if y == -1 { // the one quotient that may overflow
		if op == "%" {
			return int64(0), nil
		}
		return unary("-", x)
	}
	q, r := x/y, x%y
	if r != 0 && (r < 0) != (y < 0) { // Python rounds down, Go towards zero
		q, r = q-1, r+y
	}
	if op == "%" {
		return r, nil
	}
	return q, nil
}

func mulInt(x, y int64) (any, error) {
	p := x * y
	if x != 0 && (p/x != y || (x == -1 && y == math.MinInt64)) {
		return nil, errOverflow
	}
	return p, nil
}

func powInt(x, y int64) (any, error) {
	switch {
	case x == 1 || y == 0:
		return int64(1), nil
	case x == 0:
		return x, nil
	case x == -1:
		return 1 - 2*(y&1), nil
	case y > 63:
		return nil, errOverflow
	}
	var p any = int64(1)
	var err error
	for ; y > 0 && err == nil; y-- {
		p, err = mulInt(p.(int64), x)
	}
	return p, err
}

func arithFloat(op string, f, g float64) (any, error) {
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return f * g, nil
	case "**":
		if f == 0 && g < 0 {
			return nil, errors.New("0.0 cannot be raised to a negative power")
		}
		p := math.Pow(f, g)
		if math.IsNaN(p) && !math.IsNaN(f) && !math.IsNaN(g) {
			return nil, errors.New("a power is a complex number")
		}
		if math.IsInf(p, 0) && !math.IsInf(f, 0) && !math.IsInf(g, 0) {
			return nil, errors.New("a power is too large")
		}
		return p, nil
	}
	if g == 0 {
		return nil, errors.New("float division by zero")
	}
	if op == "/" {
		return f / g, nil
	}
	r := math.Mod(f, g)
	if r == 0 {
		r = math.Copysign(0, g)
	} else if (r < 0) != (g < 0) {
		r += g
	}
	if op == "%" {
		return r, nil
	}
	return math.Floor((f-r)/g + 0.5), nil
}
