package jinja

import (
	"errors"
	"strings"
)

// keyed is an item with its sorting key.
type keyed struct{ key, item any }

// keyedBy pairs the items with their keys.
func (m *machine) keyedBy(items []any, get func(any) (any, error)) ([]keyed, error) {
	if err := m.spendItems(4 * len(items)); err != nil {
		return nil, err
	}
	out := make([]keyed, len(items))
	for i, item := range items {
		key, err := m.apply(get, item)
		if err != nil {
			return nil, err
		}
		out[i] = keyed{key, item}
	}
	return out, nil
}

// getters looks up the sorting keys: one attribute, or several with commas
// between. Even one comes in a tuple, since equal keys are then not compared
// further, whatever their type.
func (m *machine) getters(attribute any, fold bool) (func(any) (any, error), error) {
	var each []func(any) (any, error)
	names := []any{attribute}
	if s, ok := attribute.(str); ok {
		names = nil
		for name := range strings.SplitSeq(s.s, ",") {
			if err := m.spend(callBytes); err != nil {
				return nil, err
			}
			names = append(names, plain(name))
		}
	}
	for _, name := range names {
		get, err := m.getter(name, nil, fold)
		if err != nil {
			return nil, err
		}
		each = append(each, get)
	}
	return func(v any) (any, error) {
		if err := m.spendItems(len(each) + 4); err != nil {
			return nil, err
		}
		keys := make([]any, len(each))
		for i, get := range each {
			var err error
			if keys[i], err = get(v); err != nil {
				return nil, err
			}
		}
		return tuple(keys...), nil
	}, nil
}

func (m *machine) sorted(items []keyed, descending bool) (any, error) {
	items, err := mergeSort(m, items, func(a, b keyed) (bool, error) {
		if descending {
			a, b = b, a
		}
		return m.order("<", a.key, b.key)
	})
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, k := range items {
		out[i] = k.item
	}
	return newList(out), nil
}

func sortFilter(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get, err := m.getters(p.value(2, nil), !p.flag(1, false))
	if err != nil {
		return nil, err
	}
	by, err := m.keyedBy(items, get)
	if err != nil {
		return nil, err
	}
	return m.sorted(by, p.flag(0, false))
}

func dictSort(m *machine, x any, p params) (any, error) {
	d, ok := x.(*Map)
	if !ok {
		return nil, notMapping(x)
	}
	pairs, err := m.pairs(d)
	if err != nil {
		return nil, err
	}
	column := int64(0)
	switch by, err := p.text(1, "key"); {
	case err != nil:
		return nil, err
	case by == "value":
		column = 1
	case by != "key":
		return nil, errors.New(`you can only sort by either "key" or "value"`)
	}
	get, err := m.getter(column, nil, !p.flag(0, false))
	if err != nil {
		return nil, err
	}
	by, err := m.keyedBy(pairs, get)
	if err != nil {
		return nil, err
	}
	return m.sorted(by, p.flag(2, false))
}

func notMapping(x any) error {
	if u, ok := x.(*undefined); ok {
		return u.err()
	}
	return errors.New("'" + typeName(x) + "' object is not a mapping")
}

// extreme makes min and max; of equals, the first is taken.
func extreme(op string) *builtin {
	return def("case_sensitive? attribute?", func(m *machine, x any, p params) (any, error) {
		items, err := m.iterate(x)
		if err != nil {
			return nil, err
		}
		get, err := m.getter(p.value(1, nil), nil, !p.flag(0, false))
		if err != nil {
			return nil, err
		}
		by, err := m.keyedBy(items, get)
		if err != nil {
			return nil, err
		}
		if len(by) == 0 {
			return undef("No aggregated item, sequence was empty."), nil
		}
		best := by[0]
		for _, k := range by[1:] {
			better, err := m.order(op, k.key, best.key)
			if err != nil {
				return nil, err
			}
			if better {
				best = k
			}
		}
		return best.item, nil
	})
}

func unique(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get, err := m.getter(p.value(1, nil), nil, !p.flag(0, false))
	if err != nil {
		return nil, err
	}
	by, err := m.keyedBy(items, get)
	if err != nil {
		return nil, err
	}
	seen := new(Map)
	var out []any
	for _, k := range by {
		before := seen.Len()
		if err := m.putKey(seen, k.key, nil); err != nil {
			return nil, err
		}
		if seen.Len() > before {
			out = append(out, k.item)
		}
	}
	return generator(out), nil
}

// mergeSort returns items sorted, using up the slice itself. It keeps the order
// of equals and stops at the first error of less: the functions of package
// slices would go on comparing.
func mergeSort[T any](m *machine, items []T, less func(a, b T) (bool, error)) ([]T, error) {
	if err := m.spendItems(3 * len(items)); err != nil {
		return nil, err
	}
	from, to := items, make([]T, len(items))
	for width := 1; width < len(items); width *= 2 {
		for lo := 0; lo < len(items); lo += 2 * width {
			mid, hi := min(lo+width, len(items)), min(lo+2*width, len(items))
			if err := merge(from[lo:mid], from[mid:hi], to[lo:hi], less); err != nil {
				return nil, err
			}
		}
		from, to = to, from
	}
	return from, nil
}

func merge[T any](a, b, out []T, less func(a, b T) (bool, error)) error {
	for i := range out {
		second := len(a) == 0
		if !second && len(b) > 0 {
			var err error
			if second, err = less(b[0], a[0]); err != nil {
				return err
			}
		}
		if second {
			out[i], b = b[0], b[1:]
		} else {
			out[i], a = a[0], a[1:]
		}
	}
	return nil
}
