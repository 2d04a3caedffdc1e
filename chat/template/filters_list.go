package template

import (
	"errors"
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
	if s, ok := x.(string); ok && s != "" {
		return m.char(s, 0)
	}
	items, err := m.iterate(x)
	if err != nil || len(items) == 0 {
		return undef("No first item, sequence was empty."), err
	}
	return items[0], nil
}

func last(m *machine, x any, _ params) (any, error) {
	if s, ok := x.(string); ok && s != "" {
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
	items, err := m.iterate(x)
	if err == nil {
		err = m.spendItems(len(items))
	}
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := x.(string); ok {
		return m.join("", items, func(w *writer, _ int, x any) { w.str(x) })
	}
	return generator(items), nil
}

func joinFilter(m *machine, x any, p params) (any, error) {
	sep, err := m.str(p.value(0, ""))
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(x)
	if err != nil {
		return nil, err
	}
	get := m.getter(p.value(1, nil), nil, false)
	return m.join(sep, items, func(w *writer, _ int, x any) {
		v, err := get(x)
		if err != nil {
			w.err = err
		}
		w.str(v)
	})
}

func sum(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(x)
	get := m.getter(p.value(0, nil), nil, false)
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
// them with dots; none is the item itself. With fold, strings come in lower
// case.
func (m *machine) getter(attribute, otherwise any, fold bool) func(any) (any, error) {
	var path []any
	switch a := attribute.(type) {
	case nil:
	case string:
		for _, part := range strings.Split(a, ".") {
			if n, ok, _ := parseInt(part, 10); ok && part != "" && part[0] >= '0' && part[0] <= '9' {
				path = append(path, n)
			} else {
				path = append(path, part)
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
		if s, ok := v.(string); ok && fold {
			if err := m.spend(len(s)); err != nil {
				return nil, err
			}
			return lower(s), nil
		}
		return v, nil
	}
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
		each = m.getter(attribute, otherwise, false)
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
	name, ok := a.pos[0].(string)
	f := table[name]
	if !ok || f == nil {
		return nil, errors.New("no " + what + " named '" + name + "'")
	}
	a.pos = a.pos[1:]
	return func(v any) (any, error) { return f.apply(m, name, v, a) }, nil
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
		get := m.getter(nil, nil, false)
		if attr {
			if len(a.pos) == 0 {
				return nil, errors.New("missing parameter for attribute name")
			}
			get = m.getter(a.pos[0], nil, false)
			a.pos = a.pos[1:]
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
		err = m.spendItems(4 * len(items))
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
	if err := m.spendItems(4 * int(n)); err != nil {
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
