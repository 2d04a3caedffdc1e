package jinja

import (
	"errors"
	"fmt"
)

// loop is the variable of that name inside a for loop. It takes items from the
// source one at a time, since a condition may depend on what the body did to a
// namespace. last, nextitem and length look further.
type loop struct {
	m         *machine
	source    []any
	keep      func(any) (bool, error) // nil: all
	ahead     []any                   // taken, but not yet the current item
	index0    int
	prev, cur any
	seen      *list // the last arguments of changed
	node      *forNode
	scope     *scope // around the loop
	depth0    int    // how many calls of itself it is inside of
}

// draw takes one item from the source to ahead.
func (l *loop) draw() (bool, error) {
	for len(l.source) > 0 {
		item := l.source[0]
		l.source = l.source[1:]
		if l.keep != nil {
			if err := l.m.step(loopSteps); err != nil {
				return false, err
			}
			ok, err := l.keep(item)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
		}
		if err := l.m.spendItems(1); err != nil {
			return false, err
		}
		l.ahead = append(l.ahead, item)
		return true, nil
	}
	return false, nil
}

// peek makes sure that an item is ahead, if there is one.
func (l *loop) peek() (bool, error) {
	if len(l.ahead) > 0 {
		return true, nil
	}
	return l.draw()
}

func (l *loop) next() (bool, error) {
	ok, err := l.peek()
	if !ok || err != nil {
		return false, err
	}
	l.index0++
	l.prev, l.cur, l.ahead = l.cur, l.ahead[0], l.ahead[1:]
	return true, nil
}

// length counts all items, and takes those that are left from the source.
func (l *loop) length() (int64, error) {
	for {
		ok, err := l.draw()
		if err != nil {
			return 0, err
		}
		if !ok {
			return int64(l.index0 + 1 + len(l.ahead)), nil
		}
	}
}

func (l *loop) attr(name string) (any, error) {
	switch name {
	case "index":
		return int64(l.index0 + 1), nil
	case "index0":
		return int64(l.index0), nil
	case "first":
		return l.index0 == 0, nil
	case "last":
		more, err := l.peek()
		return !more, err
	case "length":
		return l.length()
	case "revindex", "revindex0":
		n, err := l.length()
		if name == "revindex0" {
			n--
		}
		return n - int64(l.index0), err
	case "previtem":
		if l.index0 == 0 {
			return undef("there is no previous item"), nil
		}
		return l.prev, nil
	case "nextitem":
		more, err := l.peek()
		if err != nil || !more {
			return undef("there is no next item"), err
		}
		return l.ahead[0], nil
	case "depth":
		return int64(l.depth0 + 1), nil
	case "depth0":
		return int64(l.depth0), nil
	case "cycle":
		return &function{name: name, call: l.cycle}, nil
	case "changed":
		return &function{name: name, call: l.changed}, nil
	}
	return undef("'%s' has no attribute '%s'", objectName(l), name), nil
}

func (l *loop) cycle(_ *machine, a arguments) (any, error) {
	if len(a.pos) == 0 {
		return nil, fmt.Errorf("no items for cycling given")
	}
	return a.pos[l.index0%len(a.pos)], nil
}

func (l *loop) changed(m *machine, a arguments) (any, error) {
	now := tuple(a.pos...)
	if l.seen != nil {
		same, err := m.equal(l.seen, now)
		if err != nil || same {
			return false, err
		}
	}
	l.seen = now
	return true, nil
}

func (m *machine) forLoop(n *forNode) error {
	v, err := m.eval(n.iter)
	if err != nil {
		return err
	}
	items, err := m.iterate(v)
	if err != nil {
		return err
	}
	return m.loopOver(n, items, 0)
}

// again is loop(items): the text of a recursive loop over other items.
func (l *loop) again(a arguments) (any, error) {
	if !l.node.again {
		return nil, errors.New("the loop must have the 'recursive' marker to be called")
	}
	if len(a.pos) != 1 || a.len() > 0 {
		return nil, errors.New("a loop is called with what to go through")
	}
	m := l.m
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	items, err := m.iterate(a.pos[0])
	if err != nil {
		return nil, err
	}
	outer, at := m.out, m.scope
	m.out, m.scope = &output{capture: true}, l.scope
	err = m.loopOver(l.node, items, l.depth0+1)
	text := m.out.str(false)
	m.out, m.scope = outer, at
	return text, err
}

// loopOver runs a loop in the current scope.
func (m *machine) loopOver(n *forNode, items []any, depth int) error {
	outer := m.scope
	defer func() { m.scope = outer }()
	l := &loop{m: m, source: items, index0: -1, node: n, scope: outer, depth0: depth}
	if n.cond != nil {
		l.keep = func(item any) (bool, error) {
			at := m.scope
			defer func() { m.scope = at }()
			s, err := m.inner(outer)
			if err != nil {
				return false, err
			}
			m.scope = s
			if err := m.assign(n.target, item); err != nil {
				return false, err
			}
			v, err := m.eval(n.cond)
			return truth(v), err
		}
	}
	// Unlike Python, Jinja takes the else branch unless some iteration ran to
	// its end, break and continue not being one.
	completed := false
	for {
		if err := m.step(loopSteps); err != nil {
			return err
		}
		more, err := l.next()
		if more && err == nil {
			// A set in the body lasts for one iteration.
			if m.scope, err = m.inner(outer); err == nil {
				m.scope.vars["loop"] = l
				if err = m.assign(n.target, l.cur); err == nil {
					err = m.run(n.body)
				}
			}
			m.scope = outer
			completed = completed || err == nil
		}
		if err != nil && err != errBreak && err != errContinue {
			return err
		}
		if !more || err == errBreak {
			break
		}
	}
	if completed {
		return nil
	}
	return m.runIn(newScope(outer), n.orElse)
}
