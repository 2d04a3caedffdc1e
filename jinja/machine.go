package jinja

import (
	"errors"
	"fmt"
)

// machine is the state of one render.
type machine struct {
	budget
	scope    *scope
	out      *output
	captured str // the value of capturedExpr
}

// scope holds the variables of a block. A name that is not in it is looked up
// in its parent.
type scope struct {
	vars   map[string]any
	parent *scope
}

func newScope(parent *scope) *scope {
	return &scope{vars: map[string]any{}, parent: parent}
}

// inner makes a scope inside another, and pays for it.
func (m *machine) inner(parent *scope) (*scope, error) {
	return newScope(parent), m.spend(scopeBytes)
}

func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// output collects printed text: the result's, or that of a set, filter, macro
// or call block.
type output struct {
	builder
	capture bool
}

func (m *machine) write(x str) error {
	if m.out.text.Len()+len(x.s) > maxText {
		return errTooLong
	}
	if m.out.capture {
		if err := m.spend(2 * len(x.s)); err != nil {
			return err
		}
	} else {
		if len(x.s) > m.left.Output {
			return errors.New("the result is too long")
		}
		m.left.Output -= len(x.s)
	}
	m.out.put(x)
	return nil
}

// Break and continue unwind to the loop around them as errors; the parser has
// seen to it that there is one.
var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// lineError says at which line of the template an error came up.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

// atLine adds a line to err, unless it has one or is none to report.
func atLine(line int, err error) error {
	switch err.(type) {
	case nil, *Raised, *lineError:
		return err
	}
	if err == errBreak || err == errContinue {
		return err
	}
	return &lineError{line, err}
}

// run executes statements in the current scope.
func (m *machine) run(body []node) error {
	for _, n := range body {
		if err := m.enter(); err != nil {
			return err
		}
		err := m.exec(n)
		m.leave()
		if err != nil {
			return err
		}
	}
	return nil
}

// runIn executes statements in a scope of their own.
func (m *machine) runIn(s *scope, body []node) error {
	outer := m.scope
	m.scope = s
	err := m.run(body)
	m.scope = outer
	return err
}

func (m *machine) exec(n node) error {
	switch n := n.(type) {
	case textNode:
		return m.write(plain(n.text))
	case *printNode:
		return atLine(n.line, m.print(n.x))
	case *ifNode:
		for _, b := range n.branches {
			if b.cond != nil {
				v, err := m.eval(b.cond)
				if err != nil {
					return atLine(n.line, err)
				}
				if !truth(v) {
					continue
				}
			}
			return atLine(n.line, m.run(b.body))
		}
		return nil
	case *forNode:
		return atLine(n.line, m.forLoop(n))
	case *setNode:
		return atLine(n.line, m.set(n))
	case *macroNode:
		f, err := m.macro(n.name, n.sig, n.body)
		if err != nil {
			return atLine(n.line, err)
		}
		m.scope.vars[n.name] = f
		return nil
	case *callNode:
		return atLine(n.line, m.callBlock(n))
	case *filterNode:
		s, err := m.inner(m.scope)
		if err != nil {
			return atLine(n.line, err)
		}
		text, err := m.capture(s, n.body)
		if err == nil {
			var v any
			if v, err = m.filterCaptured(n.filter, text); err == nil {
				err = m.printValue(v)
			}
		}
		return atLine(n.line, err)
	case *withNode:
		return atLine(n.line, m.with(n))
	case breakNode:
		return errBreak
	case continueNode:
		return errContinue
	}
	return fmt.Errorf("unknown statement %T", n)
}

func (m *machine) print(x expr) error {
	v, err := m.eval(x)
	if err != nil {
		return err
	}
	return m.printValue(v)
}

func (m *machine) printValue(v any) error {
	s, err := m.str(v)
	if err != nil {
		return err
	}
	return m.write(s)
}

// capture runs statements and returns the text that they print.
func (m *machine) capture(s *scope, body []node) (str, error) {
	outer := m.out
	m.out = &output{capture: true}
	err := m.runIn(s, body)
	text := m.out.str(false)
	m.out = outer
	return text, err
}

// filterCaptured passes captured text through a chain of filters.
func (m *machine) filterCaptured(filter expr, text str) (any, error) {
	outer := m.captured
	m.captured = text
	v, err := m.eval(filter)
	m.captured = outer
	return v, err
}

func (m *machine) set(n *setNode) error {
	if n.value != nil {
		v, err := m.eval(n.value)
		if err != nil {
			return err
		}
		return m.assign(n.target, v)
	}
	s, err := m.inner(m.scope)
	if err != nil {
		return err
	}
	text, err := m.capture(s, n.body)
	if err != nil {
		return err
	}
	var v any = text
	if n.filter != nil {
		if v, err = m.filterCaptured(n.filter, text); err != nil {
			return err
		}
	}
	return m.assign(n.target, v)
}

func (m *machine) with(n *withNode) error {
	values := make([]any, len(n.values))
	for i, x := range n.values {
		v, err := m.eval(x)
		if err != nil {
			return err
		}
		values[i] = v
	}
	s, err := m.inner(m.scope)
	if err != nil {
		return err
	}
	outer := m.scope
	m.scope = s
	defer func() { m.scope = outer }()
	for i, t := range n.targets {
		if err := m.assign(t, values[i]); err != nil {
			return err
		}
	}
	return m.run(n.body)
}

// assign gives a value to a name, to each of a tuple's names, or to a field of
// a namespace.
func (m *machine) assign(target expr, v any) error {
	switch t := target.(type) {
	case nameExpr:
		m.scope.vars[t.name] = v
		return nil
	case *attrExpr:
		owner, err := m.eval(t.x)
		if err != nil {
			return err
		}
		ns, ok := owner.(*namespace)
		if !ok {
			return errors.New("cannot assign attribute on non-namespace object")
		}
		return m.putKey(ns.vars, plain(t.name), v)
	case *listExpr:
		if u, ok := v.(*undefined); ok {
			return u.err()
		}
		items, err := m.iterate(v)
		if err != nil {
			return err
		}
		if len(items) > len(t.items) {
			return fmt.Errorf("too many values to unpack (expected %d)", len(t.items))
		}
		if len(items) < len(t.items) {
			return fmt.Errorf("not enough values to unpack (expected %d, got %d)", len(t.items), len(items))
		}
		for i, sub := range t.items {
			if err := m.enter(); err != nil {
				return err
			}
			err := m.assign(sub, items[i])
			m.leave()
			if err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("cannot assign to %T", target)
}
