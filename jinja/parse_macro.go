package jinja

import (
	"fmt"
	"slices"
)

func (p *parser) macroTag(line int) (node, error) {
	n := &macroNode{line: line}
	var err error
	if n.name, err = p.expectName(); err != nil {
		return nil, err
	}
	n.sig, n.body, err = p.macroBody("endmacro", nil)
	return n, err
}

func (p *parser) callTag(line int) (node, error) {
	n := &callNode{line: line}
	var err error
	n.sig, n.body, err = p.macroBody("endcall", func() error {
		x, err := p.expression()
		if err != nil {
			return err
		}
		call, ok := x.(*callExpr)
		if !ok {
			return fmt.Errorf("a call block needs a call")
		}
		n.call = call
		return nil
	})
	return n, err
}

// macroBody reads a signature, the rest of the tag behind it, and the body.
// Macros need a signature. Call blocks, which have a rest of the tag to read,
// may have one.
func (p *parser) macroBody(tag string, rest func() error) (signature, []node, error) {
	seen, loops := p.seen, p.loops
	p.seen, p.loops = map[string]bool{}, 0
	defer func() {
		for name := range p.seen {
			seen[name] = true
		}
		p.seen, p.loops = seen, loops
	}()
	var sig signature
	var err error
	if rest == nil || p.isOp("(") {
		if sig, err = p.signature(); err != nil {
			return sig, nil, err
		}
	}
	if rest != nil {
		if err := rest(); err != nil {
			return sig, nil, err
		}
	}
	body, err := p.block(tag)
	sig.varargs, sig.kwargs, sig.caller = p.seen["varargs"], p.seen["kwargs"], p.seen["caller"]
	return sig, body, err
}

func (p *parser) signature() (signature, error) {
	var s signature
	if err := p.expectOp("("); err != nil {
		return s, err
	}
	for !p.isOp(")") {
		if len(s.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return s, err
			}
		}
		name, err := p.expectName()
		if err != nil {
			return s, err
		}
		if slices.Contains(s.params, name) {
			return s, fmt.Errorf("two parameters named %s", name)
		}
		s.params = append(s.params, name)
		if p.skipOp("=") {
			x, err := p.expression()
			if err != nil {
				return s, err
			}
			s.defaults = append(s.defaults, x)
		} else if len(s.defaults) > 0 {
			return s, fmt.Errorf("parameter %s needs a default, as those before it", name)
		}
	}
	return s, p.expectOp(")")
}

// target reads the target of a for or set: names, tuples of them, and for set
// also ns.name.
func (p *parser) target(attr bool) (expr, error) {
	var items []expr
	for {
		x, err := p.targetItem(attr)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.skipOp(",") {
			break
		}
		if p.cur().kind != tokName && !p.isOp("(") {
			return &listExpr{items, kindTuple}, nil
		}
	}
	if len(items) == 1 {
		return items[0], nil
	}
	return &listExpr{items, kindTuple}, nil
}

func (p *parser) targetItem(attr bool) (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.skipOp("(") {
		x, err := p.target(attr)
		if err != nil {
			return nil, err
		}
		return x, p.expectOp(")")
	}
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	if _, ok := constants[name]; ok {
		return nil, fmt.Errorf("cannot assign to %s", name)
	}
	if attr && p.skipOp(".") {
		field, err := p.expectName()
		return &attrExpr{nameExpr{name}, field}, err
	}
	return nameExpr{name}, nil
}
