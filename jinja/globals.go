package jinja

import (
	"errors"
	"fmt"
	"time"
)

// globals are the functions every template finds. The caller's variables may
// take their names.
var globals = map[string]any{
	"range":           builtinFunc("range", def("start stop? step?", rangeOf)),
	"dict":            &function{name: "dict", call: newDict},
	"namespace":       &function{name: "namespace", call: newNamespace},
	"joiner":          builtinFunc("joiner", def("sep?", joiner)),
	"cycler":          builtinFunc("cycler", def("*", cycler)),
	"raise_exception": builtinFunc("raise_exception", def("message", raise)),
	"strftime_now":    builtinFunc("strftime_now", def("format", strftimeNow)),
}

func builtinFunc(name string, b *builtin) *function {
	return &function{name: name, call: func(m *machine, a arguments) (any, error) {
		return b.apply(m, name, nil, a)
	}}
}

func raise(m *machine, _ any, p params) (any, error) {
	s, err := m.str(p.values[0])
	if err != nil {
		return nil, err
	}
	return nil, &Raised{Message: s.s}
}

func strftimeNow(m *machine, _ any, p params) (any, error) {
	layout, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	return m.strftime(time.Now(), layout)
}

func rangeOf(m *machine, _ any, p params) (any, error) {
	start, err := wantInt(p.values[0])
	if err != nil {
		return nil, err
	}
	stop, step := start, int64(1)
	if p.has(1) {
		if stop, err = wantInt(p.values[1]); err != nil {
			return nil, err
		}
	} else {
		start = 0
	}
	if p.has(2) {
		if step, err = wantInt(p.values[2]); err != nil {
			return nil, err
		}
	}
	if step == 0 {
		return nil, errors.New("range() arg 3 must not be zero")
	}
	var n uint64 // how many, which always fits when unsigned
	switch {
	case step > 0 && start < stop:
		n = (uint64(stop)-uint64(start)-1)/uint64(step) + 1
	case step < 0 && start > stop:
		n = (uint64(start)-uint64(stop)-1)/-uint64(step) + 1
	}
	if n > maxRange {
		return nil, fmt.Errorf("range too big: %d items, at most %d", n, maxRange)
	}
	if err := m.spendItems(2 * int(n)); err != nil {
		return nil, err
	}
	items := make([]any, n)
	for i := range items {
		items[i] = start + int64(i)*step
	}
	return newList(items), nil
}

// newDict is dict(): a mapping or pairs to start from, and named values.
func newDict(m *machine, a arguments) (any, error) {
	if len(a.pos) > 1 {
		return nil, fmt.Errorf("dict expected at most 1 argument, got %d", len(a.pos))
	}
	if err := m.spend(keyBytes); err != nil {
		return nil, err
	}
	d := new(Map)
	if len(a.pos) == 1 {
		if err := m.fill(d, a.pos[0]); err != nil {
			return nil, err
		}
	}
	if a.named != nil {
		if err := m.fill(d, a.named); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (m *machine) fill(d *Map, from any) error {
	if src, ok := from.(*Map); ok {
		for i, k := range src.keys {
			if err := m.putKey(d, k, src.values[i]); err != nil {
				return err
			}
		}
		return nil
	}
	items, err := m.iterate(from)
	if err != nil {
		return err
	}
	for i, item := range items {
		pair, err := m.iterate(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("dictionary update sequence element #%d has length %d; 2 is required", i, len(pair))
		}
		if err := m.putKey(d, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func newNamespace(m *machine, a arguments) (any, error) {
	d, err := newDict(m, a)
	if err != nil {
		return nil, err
	}
	return &namespace{vars: d.(*Map)}, nil
}

// joiner makes a function that gives nothing when first called, and sep from
// then on.
func joiner(_ *machine, _ any, p params) (any, error) {
	sep, err := p.str(0, ", ")
	used := false
	return &function{name: "joiner", call: func(*machine, arguments) (any, error) {
		if !used {
			used = true
			return plain(""), nil
		}
		return sep, nil
	}}, err
}

// cycler makes an object that gives one value after another, round and round.
func cycler(m *machine, _ any, p params) (any, error) {
	items := p.rest.pos
	if len(items) == 0 {
		return nil, errors.New("at least one item has to be provided")
	}
	at := 0
	f := &function{name: "Cycler"}
	f.get = func(name string) (any, bool) {
		switch name {
		case "current":
			return items[at], true
		case "next":
			return &function{name: "next", call: func(*machine, arguments) (any, error) {
				v := items[at]
				at = (at + 1) % len(items)
				return v, nil
			}}, true
		case "reset":
			return &function{name: "reset", call: func(*machine, arguments) (any, error) {
				at = 0
				return nil, nil
			}}, true
		}
		return nil, false
	}
	return f, nil
}
