package jinja

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// compare is a op b for the comparison operators, in and not in.
func (m *machine) compare(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return m.equal(a, b)
	case "!=":
		ok, err := m.equal(a, b)
		return !ok, err
	case "in":
		return m.contains(b, a)
	case "not in":
		ok, err := m.contains(b, a)
		return !ok, err
	}
	return m.order(op, a, b)
}

// equal is Python's ==. Only a namespace can make a value contain itself, and a
// namespace is equal to itself alone.
func (m *machine) equal(a, b any) (bool, error) {
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.leave()
	switch a := a.(type) {
	case str:
		b, ok := b.(str)
		if !ok || len(a.s) != len(b.s) {
			return false, nil
		}
		return a.s == b.s, m.spend(len(a.s))
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case *list:
		b, ok := b.(*list)
		if a == b || !ok || a.kind != b.kind || a.kind == kindGenerator || len(a.items) != len(b.items) {
			return a == b, nil
		}
		for i := range a.items {
			if ok, err := m.equal(a.items[i], b.items[i]); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case *Map:
		b, ok := b.(*Map)
		if a == b || !ok || a.Len() != b.Len() {
			return a == b, nil
		}
		return m.equalMaps(a, b)
	}
	if err := m.read(a, b); err != nil {
		return false, err
	}
	if c, ok := compareNumbers(a, b); ok {
		return c == "=", nil
	}
	if _, ok := b.(str); ok {
		return false, nil
	}
	return a == b, nil
}

func (m *machine) equalMaps(a, b *Map) (bool, error) {
	for i, k := range a.keys {
		if err := m.read(k); err != nil {
			return false, err
		}
		v, ok, err := b.lookup(k)
		if !ok || err != nil {
			return false, err
		}
		if ok, err := m.equal(a.values[i], v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// compareNumbers gives "<", "=" or ">", or "" where one is not a number (nan).
func compareNumbers(a, b any) (string, bool) {
	sign := func(c int) string { return []string{"<", "=", ">"}[c+1] }
	x, xInt := asInt(a)
	y, yInt := asInt(b)
	if xInt && yInt {
		switch {
		case x < y:
			return "<", true
		case x > y:
			return ">", true
		}
		return "=", true
	}
	f, fOK := asFloat(a)
	g, gOK := asFloat(b)
	if !fOK || !gOK {
		// An integer too long even for a float is still one.
		if p, q := bigInt(a), bigInt(b); p != nil && q != nil {
			return sign(p.Cmp(q)), true
		}
		return "", false
	}
	if p, q := bigInt(a), bigInt(b); p != nil && q != nil {
		return sign(p.Cmp(q)), true
	}
	switch {
	case f < g:
		return "<", true
	case f > g:
		return ">", true
	case f == g:
		return "=", true
	}
	return "", true
}

func bigInt(v any) *big.Int {
	if n, ok := asInt(v); ok {
		return big.NewInt(n)
	}
	if n, ok := v.(json.Number); ok && len(n) < 400 {
		i, _ := new(big.Int).SetString(string(n), 10)
		return i
	}
	return nil
}

// order is a op b for <, <=, > and >=.
func (m *machine) order(op string, a, b any) (bool, error) {
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.leave()
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return false, u.err()
		}
	}
	if err := m.read(a, b); err != nil {
		return false, err
	}
	if c, ok := compareNumbers(a, b); ok {
		return c != "" && strings.Contains(op, c), nil
	}
	switch a := a.(type) {
	case str:
		if b, ok := b.(str); ok {
			// UTF-8 sorts as code points do.
			return ordered(op, strings.Compare(a.s, b.s)), m.spend(min(len(a.s), len(b.s)))
		}
	case *list:
		b, ok := b.(*list)
		if !ok || a.kind != b.kind || a.kind > kindTuple {
			break
		}
		for i := range min(len(a.items), len(b.items)) {
			same, err := m.equal(a.items[i], b.items[i])
			if err != nil {
				return false, err
			}
			if !same {
				return m.order(op, a.items[i], b.items[i])
			}
		}
		return ordered(op, len(a.items)-len(b.items)), nil
	}
	return false, fmt.Errorf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

func ordered(op string, c int) bool {
	switch {
	case c < 0:
		return op[0] == '<'
	case c > 0:
		return op[0] == '>'
	}
	return len(op) == 2
}

// contains is v in x.
func (m *machine) contains(x, v any) (bool, error) {
	switch x := x.(type) {
	case *undefined:
		return false, nil
	case str:
		s, ok := v.(str)
		if u, undef := v.(*undefined); undef {
			return false, u.err()
		}
		if !ok {
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(v))
		}
		return strings.Contains(x.s, s.s), m.read(x, s)
	case *Map:
		if err := m.read(v); err != nil {
			return false, err
		}
		_, ok, err := x.lookup(v)
		return ok, err
	case *list:
		for i, item := range x.items {
			if ok, err := m.equal(item, v); ok || err != nil {
				if x.kind == kindGenerator {
					x.items = x.items[i+1:]
				}
				return ok, err
			}
		}
		if x.kind == kindGenerator {
			x.items = nil
		}
		return false, nil
	}
	return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(x))
}
