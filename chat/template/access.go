package template

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// attr is x.name: Python's attribute (a method, for most values), or else the
// item of that key.
func (m *machine) attr(x any, name string) (any, error) {
	switch x := x.(type) {
	case *undefined:
		return nil, x.err()
	case *loop:
		return x.attr(name)
	case *namespace:
		if v, ok := x.vars.get(name); ok {
			return v, nil
		}
	case *function:
		if v, ok := x.attrs[name]; ok {
			return v, nil
		}
	}
	if f := method(x, name); f != nil {
		return f, nil
	}
	if d, ok := x.(*Map); ok {
		if v, ok := d.get(name); ok {
			return v, nil
		}
	}
	return undef("'%s' has no attribute '%s'", objectName(x), name), nil
}

// item is x[key]: the item, or else the attribute of that name.
func (m *machine) item(x, key any) (any, error) {
	switch x := x.(type) {
	case *undefined:
		return nil, x.err()
	case *Map:
		if s, ok := key.(string); ok {
			if err := m.spend(len(s)); err != nil {
				return nil, err
			}
		}
		if v, ok, _ := x.lookup(key); ok {
			return v, nil
		}
	case *list:
		if i, ok := asInt(key); ok && (x.kind == kindList || x.kind == kindTuple) {
			if i < 0 {
				i += int64(len(x.items))
			}
			if i >= 0 && i < int64(len(x.items)) {
				return x.items[i], nil
			}
		}
	case string:
		if i, ok := asInt(key); ok {
			c, err := m.char(x, i)
			if c != "" || err != nil {
				return c, err
			}
		}
	}
	if name, ok := key.(string); ok {
		return m.attr(x, name)
	}
	key, err := m.repr(key)
	if err != nil {
		return nil, err
	}
	return undef("%s has no element %s", objectName(x), key), nil
}

// char is the i-th character of s, from the end if i is negative; "" past the
// ends.
func (m *machine) char(s string, i int64) (string, error) {
	if i >= int64(len(s)) || i < -int64(len(s)) {
		return "", nil
	}
	for ; i < 0; i++ {
		if err := m.spend(1); err != nil {
			return "", err
		}
		_, n := utf8.DecodeLastRuneInString(s)
		if i == -1 {
			return s[len(s)-n:], nil
		}
		s = s[:len(s)-n]
	}
	for ; s != ""; i-- {
		if err := m.spend(1); err != nil {
			return "", err
		}
		_, n := utf8.DecodeRuneInString(s)
		if i == 0 {
			return s[:n], nil
		}
		s = s[n:]
	}
	return "", nil
}

// slice is x[lo:hi:step]; nil stands for a bound left out.
func (m *machine) slice(x, lo, hi, step any) (any, error) {
	by := int64(1)
	if step != nil {
		var err error
		if by, err = sliceBound(step); err != nil {
			return nil, err
		}
		if by == 0 {
			return nil, errors.New("slice step cannot be zero")
		}
	}
	switch x := x.(type) {
	case string:
		if err := m.spend(len(x)); err != nil {
			return nil, err
		}
		n := utf8.RuneCountInString(x)
		from, to, err := sliceRange(n, lo, hi, by)
		if err != nil {
			return nil, err
		}
		if by == 1 {
			return substring(x, from, max(from, to)), nil
		}
		// A rune is four bytes, and so may each one written be.
		if err := m.spend(8 * len(x)); err != nil {
			return nil, err
		}
		runes := []rune(x)
		return string(every(runes, from, to, by)), nil
	case *list:
		if x.kind != kindList && x.kind != kindTuple {
			break
		}
		from, to, err := sliceRange(len(x.items), lo, hi, by)
		if err != nil {
			return nil, err
		}
		if by == 1 {
			to = max(from, to)
			return &list{items: x.items[from:to:to], kind: x.kind}, nil
		}
		if err := m.spendItems(len(x.items)); err != nil {
			return nil, err
		}
		return &list{items: every(x.items, from, to, by), kind: x.kind}, nil
	case *undefined:
		return nil, x.err()
	}
	return nil, fmt.Errorf("'%s' object is not subscriptable", typeName(x))
}

// substring is characters from up to to.
func substring(s string, from, to int) string {
	start, n := len(s), 0
	for i := range s {
		if n == from {
			start = i
		}
		if n == to {
			return s[start:i]
		}
		n++
	}
	return s[start:]
}

func every[T any](s []T, from, to int, by int64) []T {
	out := []T{}
	// by may be near the ends of int64, so i is compared before it moves.
	for i := from; (by > 0 && i < to) || (by < 0 && i > to); i += int(by) {
		out = append(out, s[i])
		if by >= int64(len(s)) || by <= -int64(len(s)) {
			break
		}
	}
	return out
}

func sliceBound(v any) (int64, error) {
	if u, ok := v.(*undefined); ok {
		return 0, u.err()
	}
	n, ok := asInt(v)
	if !ok {
		return 0, errors.New("slice indices must be integers or None or have an __index__ method")
	}
	return n, nil
}

// sliceRange puts the bounds of a slice in order: those left out go by the
// direction, negative ones count from the end, and those past an end stop
// there (at -1, going down).
func sliceRange(n int, lo, hi any, by int64) (from, to int, err error) {
	least, most := int64(0), int64(n)
	if by < 0 {
		least, most = -1, int64(n)-1
	}
	bound := func(v any, otherwise int64) int {
		if v == nil || err != nil {
			return int(otherwise)
		}
		var i int64
		if i, err = sliceBound(v); i < 0 {
			i += int64(n)
		}
		return int(min(max(i, least), most))
	}
	if by < 0 {
		from, to = bound(lo, most), bound(hi, least)
	} else {
		from, to = bound(lo, least), bound(hi, most)
	}
	return from, to, err
}
