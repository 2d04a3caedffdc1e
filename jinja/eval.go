package jinja

import "fmt"

// keyBytes is about the memory of one more key of a dict.
const keyBytes = 96

// eval computes an expression in the current scope.
func (m *machine) eval(x expr) (any, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	switch x := x.(type) {
	case constExpr:
		return x.v, nil
	case nameExpr:
		v, ok := m.scope.lookup(x.name)
		if !ok {
			return undef("'%s' is undefined", x.name), nil
		}
		return v, nil
	case capturedExpr:
		return m.captured, nil
	case *listExpr:
		return m.evalList(x)
	case *dictExpr:
		return m.evalDict(x)
	case *attrExpr, *indexExpr, *sliceExpr:
		return m.evalPart(x)
	case *unaryExpr:
		v, err := m.eval(x.x)
		if err == nil {
			err = m.read(v)
		}
		if err != nil {
			return nil, err
		}
		return unary(x.op, v)
	case *binaryExpr:
		a, b, err := m.eval2(x.a, x.b)
		if err != nil {
			return nil, err
		}
		return m.binary(x.op, a, b)
	case *logicExpr:
		v, err := m.eval(x.a)
		if err != nil || truth(v) != x.and {
			return v, err
		}
		return m.eval(x.b)
	case *concatExpr:
		return m.evalConcat(x)
	case *compareExpr:
		return m.evalCompare(x)
	case *condExpr:
		return m.evalCond(x)
	case *filterExpr, *testExpr, *callExpr:
		return m.evalApplied(x)
	}
	return nil, fmt.Errorf("unknown expression %T", x)
}

// evalPart is a part of a value.
func (m *machine) evalPart(x expr) (any, error) {
	switch x := x.(type) {
	case *attrExpr:
		v, err := m.eval(x.x)
		if err != nil {
			return nil, err
		}
		return m.attr(v, x.name)
	case *indexExpr:
		v, i, err := m.eval2(x.x, x.i)
		if err != nil {
			return nil, err
		}
		return m.item(v, i)
	case *sliceExpr:
		return m.evalSlice(x)
	}
	return nil, fmt.Errorf("unknown expression %T", x)
}

func (m *machine) evalCond(x *condExpr) (any, error) {
	v, err := m.eval(x.cond)
	switch {
	case err != nil:
		return nil, err
	case truth(v):
		return m.eval(x.then)
	case x.orElse == nil:
		return undef("the inline if-expression evaluated to false and no else section was defined."), nil
	}
	return m.eval(x.orElse)
}

// evalApplied is a filter, a test or a function of a value and arguments.
func (m *machine) evalApplied(x expr) (any, error) {
	switch x := x.(type) {
	case *filterExpr:
		v, a, err := m.applied(x.x, x.args)
		if err != nil {
			return nil, err
		}
		f := filters[x.name]
		if f == nil {
			return nil, fmt.Errorf("no filter named '%s'", x.name)
		}
		return f.apply(m, x.name, v, a)
	case *testExpr:
		v, a, err := m.applied(x.x, x.args)
		if err != nil {
			return nil, err
		}
		t := tests[x.name]
		if t == nil {
			return nil, fmt.Errorf("no test named '%s'", x.name)
		}
		ok, err := t.apply(m, x.name, v, a)
		return truth(ok) != x.not, err
	case *callExpr:
		f, a, err := m.applied(x.f, x.args)
		if err != nil {
			return nil, err
		}
		return m.call(f, a)
	}
	return nil, fmt.Errorf("unknown expression %T", x)
}

func (m *machine) eval2(x, y expr) (a, b any, err error) {
	if a, err = m.eval(x); err == nil {
		b, err = m.eval(y)
	}
	return a, b, err
}

// applied evaluates a value and the arguments of the filter or test applied to
// it.
func (m *machine) applied(x expr, c callArgs) (any, arguments, error) {
	v, err := m.eval(x)
	if err != nil {
		return nil, arguments{}, err
	}
	a, err := m.arguments(c)
	return v, a, err
}

func (m *machine) evalList(x *listExpr) (any, error) {
	if err := m.spendItems(len(x.items) + 2); err != nil {
		return nil, err
	}
	items := make([]any, len(x.items))
	for i, e := range x.items {
		v, err := m.eval(e)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return &list{items: items, kind: x.kind}, nil
}

func (m *machine) evalDict(x *dictExpr) (any, error) {
	if err := m.spend(keyBytes); err != nil {
		return nil, err
	}
	d := new(Map)
	for i := range x.keys {
		k, v, err := m.eval2(x.keys[i], x.values[i])
		if err != nil {
			return nil, err
		}
		if err := m.putKey(d, k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// putKey sets a key in a dict that is being made.
func (m *machine) putKey(d *Map, key, v any) error {
	if err := m.spend(keyBytes); err != nil {
		return err
	}
	if err := m.read(key); err != nil { // it is hashed
		return err
	}
	h, err := hashKey(key)
	if err != nil {
		return err
	}
	d.put(h, key, v)
	return nil
}

func (m *machine) evalConcat(x *concatExpr) (any, error) {
	w := &writer{m: m}
	for _, e := range x.items { // Markup is text like any other to ~
		v, err := m.eval(e)
		if err != nil {
			return nil, err
		}
		w.str(v)
		if w.err != nil {
			return nil, w.err
		}
	}
	return w.done()
}

func (m *machine) evalCompare(x *compareExpr) (any, error) {
	a, err := m.eval(x.x)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		b, err := m.eval(x.args[i])
		if err != nil {
			return nil, err
		}
		ok, err := m.compare(op, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (m *machine) evalSlice(x *sliceExpr) (any, error) {
	v, err := m.eval(x.x)
	if err != nil {
		return nil, err
	}
	var parts [3]any
	for i, e := range []expr{x.lo, x.hi, x.step} {
		if e == nil {
			continue
		}
		if parts[i], err = m.eval(e); err != nil {
			return nil, err
		}
	}
	return m.slice(v, parts[0], parts[1], parts[2])
}
