package jinja

import (
	"fmt"
	"strings"
)

// arguments are those of a call, evaluated.
type arguments struct {
	pos   []any
	named *Map // nil: none
}

func (a arguments) len() int {
	if a.named == nil {
		return 0
	}
	return a.named.Len()
}

func (a arguments) get(name string) (any, bool) {
	if a.named == nil {
		return nil, false
	}
	return a.named.get(name)
}

// name adds a named argument.
func (m *machine) name(a *arguments, name str, v any) error {
	if _, ok := a.get(name.s); ok {
		return fmt.Errorf("got multiple values for keyword argument '%s'", name.s)
	}
	if a.named == nil {
		a.named = new(Map)
	}
	return m.putKey(a.named, name, v)
}

// arguments evaluates the text between the parentheses of a call.
func (m *machine) arguments(c callArgs) (arguments, error) {
	var a arguments
	if len(c.pos) > 0 {
		if err := m.spendItems(len(c.pos)); err != nil {
			return a, err
		}
		a.pos = make([]any, len(c.pos))
		for i, x := range c.pos {
			v, err := m.eval(x)
			if err != nil {
				return a, err
			}
			a.pos[i] = v
		}
	}
	for i, x := range c.named {
		v, err := m.eval(x)
		if err == nil {
			err = m.name(&a, plain(c.names[i]), v)
		}
		if err != nil {
			return a, err
		}
	}
	if c.list != nil {
		v, err := m.eval(c.list)
		if err != nil {
			return a, err
		}
		items, err := m.iterate(v)
		if err != nil {
			return a, err
		}
		if err := m.spendItems(len(items)); err != nil {
			return a, err
		}
		a.pos = append(a.pos, items...)
	}
	if c.dict != nil {
		v, err := m.eval(c.dict)
		if err != nil {
			return a, err
		}
		d, ok := v.(*Map)
		if !ok {
			return a, fmt.Errorf("argument after ** must be a mapping, not %s", typeName(v))
		}
		for i, key := range d.keys {
			name, ok := key.(str)
			if !ok {
				return a, fmt.Errorf("keywords must be strings")
			}
			if err := m.name(&a, name, d.values[i]); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// call calls a value.
func (m *machine) call(f any, a arguments) (any, error) {
	switch f := f.(type) {
	case *function:
		if f.call == nil {
			break
		}
		if err := m.enter(); err != nil {
			return nil, err
		}
		defer m.leave()
		if err := m.spend(callBytes); err != nil {
			return nil, err
		}
		return f.call(m, a)
	case *loop:
		return f.again(a)
	case *undefined:
		return nil, f.err()
	}
	return nil, fmt.Errorf("'%s' object is not callable", typeName(f))
}

// builtin is a filter, a test or a method: a function of the value it is
// applied to and of the parameters it names.
type builtin struct {
	names    []string
	required int
	variadic bool // takes arguments as they come, in params.rest
	call     func(m *machine, x any, p params) (any, error)
}

// def describes a builtin. Its parameters are words. Optional ones end in "?",
// and "*" stands for any.
func def(names string, call func(m *machine, x any, p params) (any, error)) *builtin {
	b := &builtin{call: call, variadic: names == "*"}
	if b.variadic {
		return b
	}
	b.names = strings.Fields(names)
	for i, n := range b.names {
		name, optional := strings.CutSuffix(n, "?")
		if b.names[i] = name; !optional {
			b.required = i + 1
		}
	}
	return b
}

func (b *builtin) apply(m *machine, name string, x any, a arguments) (any, error) {
	if err := m.spend(callBytes); err != nil {
		return nil, err
	}
	if b.variadic {
		return b.call(m, x, params{rest: a})
	}
	if len(a.pos) > len(b.names) {
		return nil, fmt.Errorf("%s takes at most %d argument(s)", name, len(b.names))
	}
	var few [8]any
	values := append(few[:0], a.pos...)
	used := 0
	for i := len(a.pos); i < len(b.names); i++ {
		v, ok := a.get(b.names[i])
		switch {
		case ok:
			used++
			values = append(values, v)
		case i < b.required:
			return nil, fmt.Errorf("%s is missing its argument '%s'", name, b.names[i])
		default:
			values = append(values, absent{})
		}
	}
	if used < a.len() {
		return nil, fmt.Errorf("%s got an unexpected keyword argument", name)
	}
	return b.call(m, x, params{values: values})
}

// absent stands for an argument that was not given, which is not None.
type absent struct{}

// params are the arguments of a builtin in the order of its parameters.
type params struct {
	values []any
	rest   arguments
}

func (p params) has(i int) bool { return p.values[i] != absent{} }

func (p params) value(i int, otherwise any) any {
	if !p.has(i) {
		return otherwise
	}
	return p.values[i]
}

func (p params) flag(i int, otherwise bool) bool {
	return truth(p.value(i, otherwise))
}

// given tells whether an argument is there and not None.
func (p params) given(i int) bool { return p.has(i) && p.values[i] != nil }

// str is a text that goes into the outcome, text one that does not.
func (p params) str(i int, otherwise string) (str, error) {
	if !p.has(i) {
		return plain(otherwise), nil
	}
	switch v := p.values[i].(type) {
	case str:
		return v, nil
	case *undefined:
		return str{}, v.err()
	default:
		return str{}, fmt.Errorf("an argument must be str, not %s", typeName(v))
	}
}

func (p params) text(i int, otherwise string) (string, error) {
	x, err := p.str(i, otherwise)
	return x.s, err
}

func (p params) number(i int, otherwise int64) (int64, error) {
	if !p.has(i) {
		return otherwise, nil
	}
	return wantInt(p.values[i])
}

// wantInt reads an integer where no other value is allowed.
func wantInt(v any) (int64, error) {
	if u, ok := v.(*undefined); ok {
		return 0, u.err()
	}
	n, ok := asInt(v)
	if !ok {
		return 0, fmt.Errorf("'%s' object cannot be interpreted as an integer", typeName(v))
	}
	return n, nil
}
