package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// method gives the method of a value by name, bound to it. A method that
// Jinja's sandbox withholds is an undefined that says so. nil means that there
// is none.
func method(x any, name string) any {
	var table map[string]*builtin
	withheld := ""
	switch x := x.(type) {
	case str:
		table = strMethods
	case *Map:
		table, withheld = dictMethods, " clear pop popitem setdefault update "
	case *list:
		switch x.kind {
		case kindList:
			withheld = " append clear pop reverse insert sort extend remove "
			table = listMethods
		case kindTuple:
			if name != "copy" {
				table = listMethods
			}
		}
	}
	if f, ok := table[name]; ok {
		return &function{name: name, call: func(m *machine, a arguments) (any, error) {
			return f.apply(m, name, x, a)
		}}
	}
	if strings.Contains(withheld, " "+name+" ") {
		return undef("access to attribute '%s' of '%s' object is unsafe.", name, typeName(x))
	}
	return nil
}

// The tables are filled when the program starts, as some of their functions
// calls back into the machine that reads them.
var dictMethods, listMethods map[string]*builtin

func init() {
	dictMethods = map[string]*builtin{
		"get": def("key default?", func(m *machine, x any, p params) (any, error) {
			if err := m.read(p.values[0]); err != nil {
				return nil, err
			}
			v, ok, err := x.(*Map).lookup(p.values[0])
			if !ok {
				v = p.value(1, nil)
			}
			return v, err
		}),
		"keys": def("", func(_ *machine, x any, _ params) (any, error) {
			return &list{items: x.(*Map).keys, kind: kindKeys}, nil
		}),
		"values": def("", func(_ *machine, x any, _ params) (any, error) {
			return &list{items: x.(*Map).values, kind: kindValues}, nil
		}),
		"items": def("", func(m *machine, x any, _ params) (any, error) {
			items, err := m.pairs(x.(*Map))
			return &list{items: items, kind: kindItems}, err
		}),
		// Dicts never change, so one is as good as its copy.
		"copy": def("", func(_ *machine, x any, _ params) (any, error) { return x, nil }),
	}
	listMethods = map[string]*builtin{
		"copy": def("", func(_ *machine, x any, _ params) (any, error) { return x, nil }),
		"count": def("value", func(m *machine, x any, p params) (any, error) {
			n := int64(0)
			for _, item := range x.(*list).items {
				same, err := m.equal(item, p.values[0])
				if err != nil {
					return nil, err
				}
				if same {
					n++
				}
			}
			return n, nil
		}),
		"index": def("value", func(m *machine, x any, p params) (any, error) {
			for i, item := range x.(*list).items {
				same, err := m.equal(item, p.values[0])
				if err != nil {
					return nil, err
				}
				if same {
					return int64(i), nil
				}
			}
			return nil, errors.New("value is not in list")
		}),
	}
}

// pairs are the items of a dict, paid for.
func (m *machine) pairs(d *Map) ([]any, error) {
	if err := m.spendItems(6 * d.Len()); err != nil {
		return nil, err
	}
	return d.pairs(), nil
}

// replace is str.replace; n below zero replaces all.
func (m *machine) replace(x str, old string, with str, n int64) (str, error) {
	if err := m.spend(2*len(x.s) + len(old)); err != nil {
		return str{}, err
	}
	count := strings.Count(x.s, old)
	if n >= 0 && n < int64(count) {
		count = int(n)
	}
	if count == 0 {
		return x, nil
	}
	w := &writer{m: m, markup: x.isMarkup()}
	rest := 0
	for k := 0; k < count && w.err == nil; k++ {
		if w.err = m.spend(itemBytes); w.err != nil {
			break
		}
		i := rest
		switch {
		case old != "":
			i += strings.Index(x.s[rest:], old)
		case k > 0: // between the characters
			_, n := utf8.DecodeRuneInString(x.s[rest:])
			i += n
		}
		w.write(x.sub(rest, i))
		w.put(with)
		rest = i + len(old)
	}
	w.write(x.from(rest))
	return w.done()
}

// join puts strings together with sep between them.
func (m *machine) join(sep str, items []any, each func(w *writer, i int, x any)) (any, error) {
	w := &writer{m: m, markup: sep.isMarkup()}
	for i, x := range items {
		if i > 0 {
			w.write(sep)
		}
		if w.err == nil {
			w.err = m.step(1)
		}
		if w.err != nil {
			break
		}
		each(w, i, x)
	}
	return w.done()
}

func joinStrings(m *machine, x any, p params) (any, error) {
	items, err := m.iterate(p.values[0])
	if err != nil {
		return nil, err
	}
	return m.join(x.(str), items, func(w *writer, i int, x any) {
		s, ok := x.(str)
		if !ok && w.markup {
			s, ok = str{}, true
			if s, w.err = m.str(x); w.err != nil {
				return
			}
		}
		if !ok {
			w.err = fmt.Errorf("sequence item %d: expected str instance, %s found", i, typeName(x))
		}
		w.put(s)
	})
}
