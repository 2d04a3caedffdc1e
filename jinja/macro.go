package jinja

import "fmt"

// macroBytes is about the cost of a macro and the scope it keeps.
const macroBytes = 512

// macro makes a function of a body and its parameters. The body sees the
// variables of the place that defines it, as they are when it is called.
func (m *machine) macro(name string, sig signature, body []node) (*function, error) {
	if err := m.spend(macroBytes); err != nil {
		return nil, err
	}
	if err := m.spendItems(len(sig.params)); err != nil {
		return nil, err
	}
	params := make([]any, len(sig.params))
	for i, p := range sig.params {
		params[i] = plain(p)
	}
	home := m.scope
	return &function{
		name: name,
		call: func(m *machine, a arguments) (any, error) {
			s, err := m.inner(home)
			if err != nil {
				return nil, err
			}
			outer := m.scope
			m.scope = s // defaults see the parameters before them
			err = m.bind(s, name, sig, a)
			m.scope = outer
			if err != nil {
				return nil, err
			}
			return m.capture(s, body)
		},
		attrs: map[string]any{
			"name":          plain(name),
			"arguments":     tuple(params...),
			"catch_varargs": sig.varargs,
			"catch_kwargs":  sig.kwargs,
			"caller":        sig.caller,
		},
	}, nil
}

// bind sets a macro's parameters from the arguments of a call.
func (m *machine) bind(s *scope, name string, sig signature, a arguments) error {
	if err := m.spendItems(len(sig.params)); err != nil {
		return err
	}
	used := 0
	for i, p := range sig.params {
		if i < len(a.pos) {
			s.vars[p] = a.pos[i]
			continue
		}
		if v, ok := a.get(p); ok {
			s.vars[p] = v
			used++
			continue
		}
		d := i - (len(sig.params) - len(sig.defaults))
		if d < 0 {
			s.vars[p] = undef("parameter '%s' was not provided", p)
			continue
		}
		v, err := m.eval(sig.defaults[d])
		if err != nil {
			return err
		}
		s.vars[p] = v
	}
	if _, own := s.vars["caller"]; sig.caller && !own {
		v, ok := a.get("caller")
		if ok {
			used++
		}
		if v == nil {
			v = undef("No caller defined")
		}
		s.vars["caller"] = v
	}
	if sig.kwargs || used < a.len() {
		// A parameter filled by position is an argument too many by name.
		filled := map[string]bool{}
		for i := 0; i < len(sig.params) && i < len(a.pos); i++ {
			filled[sig.params[i]] = true
		}
		extra := new(Map)
		for i := range a.len() {
			key, v := a.named.keys[i].(str), a.named.values[i]
			if _, taken := s.vars[key.s]; taken && !filled[key.s] {
				continue
			}
			if !sig.kwargs {
				return fmt.Errorf("macro '%s' takes no keyword argument '%s'", name, key.s)
			}
			if err := m.putKey(extra, key, v); err != nil {
				return err
			}
		}
		if sig.kwargs {
			s.vars["kwargs"] = extra
		}
	}
	if sig.varargs {
		s.vars["varargs"] = tuple(a.pos[min(len(sig.params), len(a.pos)):]...)
	} else if len(a.pos) > len(sig.params) {
		return fmt.Errorf("macro '%s' takes not more than %d argument(s)", name, len(sig.params))
	}
	return nil
}

// callBlock calls a macro with the block's body as its caller.
func (m *machine) callBlock(n *callNode) error {
	caller, err := m.macro("caller", n.sig, n.body)
	if err != nil {
		return err
	}
	f, err := m.eval(n.call.f)
	if err != nil {
		return err
	}
	a, err := m.arguments(n.call.args)
	if err != nil {
		return err
	}
	if err := m.name(&a, plain("caller"), caller); err != nil {
		return err
	}
	v, err := m.call(f, a)
	if err != nil {
		return err
	}
	return m.printValue(v)
}
