package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func addListFilters() {
	for name, f := range map[string]*builtin{
		"batch":    def("linecount fill_with?", batch),
		"dictsort": def("case_sensitive? by? reverse?", dictSort),
		"first":    def("", first),
		"items": def("", func(m *machine, x any, _ params) (any, error) {
			if isUndefined(x) {
				return generator(nil), nil
			}
			d, ok := x.(*Map)
			if !ok {
				return nil, errors.New("items: only a mapping has item pairs")
			}
			pairs, err := m.pairs(d)
			return generator(pairs), err
		}),
		"join": def("d? attribute?", joinFilter),
		"last": def("", last),
		"list": def("", func(m *machine, x any, _ params) (any, error) {
			items, err := m.iterate(x)
			return newList(items), err
		}),
		"map":        def("*", mapFilter),
		"max":        extreme(">"),
		"min":        extreme("<"),
		"reject":     selection(false, false),
		"rejectattr": selection(false, true),
		"select":     selection(true, false),
		"selectattr": selection(true, true),
		"reverse":    def("", reverse),
		"slice":      def("slices fill_with?", sliceFilter),
		"sort":       def("reverse? case_sensitive? attribute?", sortFilter),
		"sum":        def("attribute? start?", sum),
		"unique":     def("case_sensitive? attribute?", unique),
	} {
		filters[name] = f
	}
}

func first(m *machine, x any, _ params) (any, error) {
	if s, ok := x.(str); ok && s.s != "" {
		return m.char(s.as(false), 0)
	}
	if l, ok := x.(*list); ok && l.kind == kindGenerator && len(l.items) > 0 {
		item := l.items[0]
		l.items = l.items[1:]
		return item, nil
	}
	items, err := m.iterate(x)
	if err != nil || len(items) == 0 {
		return undef("No first item, sequence was empty."), err
	}
	return items[0], nil
}

func last(m *machine, x any, _ params) (any, error) {
	if s, ok := x.(str); ok && s.s != "" {
		return m.char(s, -1)
	}
	if l, ok := x.(*list); ok && l.kind == kindGenerator {
		return nil, errors.New("'generator' object is not reversible")
	}
	items, err := m.iterate(x)
	if err != nil || len(items) == 0 {
		return undef("No last item, sequence was empty."), err
	}
	return items[len(items)-1], nil
}

func reverse(m *machine, x any, _ params) (any, error) {
	if s, ok := x.(str); ok {
		return m.slice(s, nil, nil, int64(-1))
	}
	items, err := m.iterate(x)
	if err == nil {
		err = m.spendItems(len(items))
	}
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	return generator(items), nil
}

func joinFilter(m *machine, x any, p params) (any, error) {
	sep, err := m.str(p.value(0, plain("")))
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get, err := m.getter(p.value(1, nil), nil, false)
	if err != nil {
		return nil, err
	}
	return m.join(sep.as(false), items, func(w *writer, _ int, x any) {
		v, err := get(x)
		if err != nil {
			w.err = err
		}
		w.str(v)
	})
}

func sum(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get, err := m.getter(p.value(0, nil), nil, false)
	total := p.value(1, int64(0))
	for _, item := range items {
		v, err := m.apply(get, item)
		if err != nil {
			return nil, err
		}
		if total, err = m.binary("+", total, v); err != nil {
			return nil, err
		}
	}
	return total, err
}

// apply applies f to an item as one step of the budget.
func (m *machine) apply(f func(any) (any, error), item any) (any, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return f(item)
}

// getter makes the function that looks up an attribute: a key, or a path of
// them with dots. Without one it is the item itself. With fold, strings come in
// lower case.
func (m *machine) getter(attribute, otherwise any, fold bool) (func(any) (any, error), error) {
	var path []any
	switch a := attribute.(type) {
	case nil:
	case str:
		// A part takes a string and its place in the path, and a number is tried.
		if err := m.spend(4*len(a.s) + 4*charBytes*(strings.Count(a.s, ".")+1)); err != nil {
			return nil, err
		}
		for part := range strings.SplitSeq(a.s, ".") {
			if n, ok, _ := parseInt(part, 10); ok && part != "" && part[0] >= '0' && part[0] <= '9' {
				path = append(path, n)
			} else {
				path = append(path, plain(part))
			}
		}
	default:
		path = []any{a}
	}
	return func(v any) (any, error) {
		for _, key := range path {
			if err := m.spend(itemBytes); err != nil {
				return nil, err
			}
			var err error
			if v, err = m.item(v, key); err != nil {
				return nil, err
			}
			if isUndefined(v) && otherwise != nil {
				v = otherwise
			}
		}
		if s, ok := v.(str); ok && fold {
			if err := m.spend(4 * len(s.s)); err != nil {
				return nil, err
			}
			return recase(lower).apply(s), nil
		}
		return v, nil
	}, nil
}

// mapFilter is map('filter', arguments...) or map(attribute=, default=).
func mapFilter(m *machine, x any, p params) (any, error) {
	if !truth(x) {
		return generator(nil), nil // None as well
	}
	items, err := m.iterate(x)
	if err == nil {
		err = m.spendItems(len(items))
	}
	if err != nil {
		return nil, err
	}
	var each func(any) (any, error)
	if len(p.rest.pos) == 0 {
		attribute, ok := p.rest.get("attribute")
		otherwise, more := p.rest.get("default")
		if !ok || p.rest.len() > 2 || (p.rest.len() == 2 && !more) {
			return nil, errors.New("map requires a filter argument")
		}
		if each, err = m.getter(attribute, otherwise, false); err != nil {
			return nil, err
		}
	} else if each, err = m.named(filters, "filter", p.rest); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, item := range items {
		if out[i], err = m.apply(each, item); err != nil {
			return nil, err
		}
	}
	return generator(out), nil
}

// named makes a function of a filter or test that is given by name, as the
// first of the arguments.
func (m *machine) named(table map[string]*builtin, what string, a arguments) (func(any) (any, error), error) {
	name, ok := a.pos[0].(str)
	f := table[name.s]
	if !ok || f == nil {
		return nil, fmt.Errorf("no %s named '%.40s'", what, name.s)
	}
	a.pos = a.pos[1:]
	return func(v any) (any, error) { return f.apply(m, name.s, v, a) }, nil
}

// selection makes select and reject, and with attr selectattr and rejectattr:
// the items for which a test, or else their truth, comes out as keep.
func selection(keep, attr bool) *builtin {
	return def("*", func(m *machine, x any, p params) (any, error) {
		if !truth(x) {
			return generator(nil), nil // None as well
		}
		items, err := m.iterate(x)
		if err != nil {
			return nil, err
		}
		a := p.rest
		get, err := m.getter(nil, nil, false)
		if attr {
			if len(a.pos) == 0 {
				return nil, errors.New("missing parameter for attribute name")
			}
			get, err = m.getter(a.pos[0], nil, false)
			a.pos = a.pos[1:]
		}
		if err != nil {
			return nil, err
		}
		test := func(v any) (any, error) { return truth(v), nil }
		if len(a.pos) > 0 {
			if test, err = m.named(tests, "test", a); err != nil {
				return nil, err
			}
		}
		var out []any
		for _, item := range items {
			v, err := m.apply(get, item)
			if err == nil {
				v, err = test(v)
			}
			if err != nil {
				return nil, err
			}
			if truth(v) == keep {
				if err := m.spendItems(2); err != nil {
					return nil, err
				}
				out = append(out, item)
			}
		}
		return generator(out), nil
	})
}

// fill makes up a row to n items.
func (m *machine) fillRow(row []any, n int64, with any) ([]any, error) {
	missing := n - int64(len(row))
	if missing <= 0 {
		return row, nil
	}
	if missing > int64(m.left.Bytes) {
		return nil, m.spend(-1)
	}
	if err := m.spendItems(int(missing) + len(row)); err != nil {
		return nil, err
	}
	return append(slices.Clone(row), slices.Repeat([]any{with}, int(missing))...), nil
}

func batch(m *machine, x any, p params) (any, error) {
	n, err := p.number(0, 0)
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(x)
	if err == nil {
		err = m.spendItems(6 * len(items))
	}
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, errors.New("batches must have at least one item")
	}
	var rows []any
	for len(items) > 0 {
		k := min(n, int64(len(items)))
		row := items[:k:k]
		items = items[k:]
		if p.given(1) {
			if row, err = m.fillRow(row, n, p.values[1]); err != nil {
				return nil, err
			}
		}
		rows = append(rows, newList(row))
	}
	return generator(rows), nil
}

// sliceFilter deals the items out to n columns, the first ones longer by one.
func sliceFilter(m *machine, x any, p params) (any, error) {
	n, err := p.number(0, 0)
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, errors.New("division by zero")
	}
	if n > int64(m.left.Bytes) {
		return nil, m.spend(-1)
	}
	if err := m.spendItems(6 * int(n)); err != nil {
		return nil, err
	}
	size, longer := len(items)/int(n), len(items)%int(n)
	columns := make([]any, n)
	for i := range columns {
		k := size
		if i < longer {
			k++
		}
		column := items[:k:k]
		items = items[k:]
		if p.given(1) && i >= longer {
			if column, err = m.fillRow(column, int64(size)+1, p.values[1]); err != nil {
				return nil, err
			}
		}
		columns[i] = newList(column)
	}
	return generator(columns), nil
}
