package jinja

import (
	"errors"
	"fmt"
	"slices"
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
		if x.get != nil {
			if v, ok := x.get(name); ok {
				return v, nil
			}
		}
	}
	if l, ok := x.(*list); ok && l.names != nil {
		if i := slices.Index(l.names, name); i >= 0 {
			return l.items[i], nil
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
		if err := m.read(key); err != nil {
			return nil, err
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
	case str:
		if i, ok := asInt(key); ok {
			c, err := m.char(x, i)
			if c.s != "" || err != nil {
				return c, err
			}
		}
	}
	if name, ok := key.(str); ok {
		return m.attr(x, name.s)
	}
	shown, err := m.repr(key)
	if err != nil {
		return nil, err
	}
	return undef("%s has no element %s", objectName(x), shown.s), nil
}

// char is the i-th character of s, from the end if i is negative; "" past the
// ends.
func (m *machine) char(x str, i int64) (str, error) {
	if i >= int64(len(x.s)) || i < -int64(len(x.s)) {
		return str{}, nil
	}
	n := int(max(i, -i)) + 1 // characters passed, each of up to four bytes
	if err := m.spend(min(4*n, len(x.s)) + itemBytes); err != nil {
		return str{}, err
	}
	end := len(x.s)
	for ; i < 0 && end > 0; i++ {
		_, n := utf8.DecodeLastRuneInString(x.s[:end])
		if i == -1 {
			return x.sub(end-n, end), nil
		}
		end -= n
	}
	for at := 0; i >= 0 && at < len(x.s); i-- {
		_, n := utf8.DecodeRuneInString(x.s[at:])
		if i == 0 {
			return x.sub(at, at+n), nil
		}
		at += n
	}
	return str{}, nil
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
	case str:
		if err := m.spend(2 * len(x.s)); err != nil {
			return nil, err
		}
		n := utf8.RuneCountInString(x.s)
		from, to, err := sliceRange(n, lo, hi, by)
		if err != nil {
			return nil, err
		}
		if by == 1 {
			i, j := bytesOf(x.s, from, max(from, to))
			return x.sub(i, j), nil
		}
		// For each character and the text written of it.
		if err := m.spend(16 * len(x.s)); err != nil {
			return nil, err
		}
		w := &writer{m: m, markup: x.isMarkup()}
		at := make([]int, 0, n)
		for i := range x.s {
			at = append(at, i)
		}
		for _, i := range every(at, from, to, by) {
			_, n := utf8.DecodeRuneInString(x.s[i:])
			w.put(x.sub(i, i+n))
		}
		return w.done()
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

// bytesOf tells where characters from up to to lie.
func bytesOf(s string, from, to int) (start, end int) {
	start, n := len(s), 0
	for i := range s {
		if n == from {
			start = i
		}
		if n == to {
			return start, i
		}
		n++
	}
	return start, len(s)
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

// sliceRange puts the bounds of a slice in order. Missing bounds follow the
// direction, negative ones count from the end, and those past an end stop there
// (at -1, going down).
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
