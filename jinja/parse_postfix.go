package jinja

import (
	"fmt"
	"strconv"
)

// postfix reads .name, .0, [index], [slice] and (arguments).
func (p *parser) postfix(x expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.skipOp("."):
			t := p.next()
			switch t.kind {
			case tokName:
				x = &attrExpr{x, t.text}
			case tokInt:
				var n int64
				n, err = strconv.ParseInt(t.text, 10, 64)
				x = &indexExpr{x, constExpr{n}}
			default:
				err = fmt.Errorf("no name after a dot")
			}
		case p.skipOp("["):
			x, err = p.subscript(x)
		case p.isOp("("):
			var a callArgs
			a, err = p.arguments()
			x = &callExpr{x, a}
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) subscript(x expr) (expr, error) {
	var parts [3]expr
	n := 0
	for ; !p.isOp("]"); n++ {
		if n > 2 {
			return nil, p.unexpected("']'")
		}
		if !p.isOp(":") {
			var err error
			if parts[n], err = p.expression(); err != nil {
				return nil, err
			}
		}
		if !p.skipOp(":") {
			break
		}
	}
	if err := p.expectOp("]"); err != nil {
		return nil, err
	}
	if n > 0 {
		return &sliceExpr{x, parts[0], parts[1], parts[2]}, nil
	}
	if parts[0] == nil {
		return nil, fmt.Errorf("nothing between [ and ]")
	}
	return &indexExpr{x, parts[0]}, nil
}

func (p *parser) arguments() (callArgs, error) {
	var a callArgs
	if err := p.expectOp("("); err != nil {
		return a, err
	}
	for first := true; !p.skipOp(")"); first = false {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.skipOp(")") {
				break
			}
		}
		var err error
		t, u := p.cur(), p.toks[p.pos+1]
		switch {
		case p.isOp("*") && a.list == nil && a.dict == nil:
			p.pos++
			a.list, err = p.expression()
		case p.isOp("**") && a.dict == nil:
			p.pos++
			a.dict, err = p.expression()
		case t.kind == tokName && u.kind == tokOp && u.text == "=" && a.dict == nil:
			p.pos += 2
			var x expr
			x, err = p.expression()
			a.names, a.named = append(a.names, t.text), append(a.named, x)
		case a.names == nil && a.list == nil && a.dict == nil:
			var x expr
			x, err = p.expression()
			a.pos = append(a.pos, x)
		default:
			err = fmt.Errorf("arguments out of order")
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// filters reads what may follow a value: | filter, is test, and a call of the
// outcome. With start, the current token is already a filter's name ({% filter
// name %}).
func (p *parser) filters(x expr, start bool) (expr, error) {
	var err error
	for err == nil {
		switch {
		case start || p.skipOp("|"):
			start = false
			x, err = p.filter(x)
		case p.skipName("is"):
			x, err = p.test(x)
		case p.isOp("("):
			var a callArgs
			a, err = p.arguments()
			x = &callExpr{x, a}
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) filter(x expr) (expr, error) {
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{x: x, name: name}
	if p.isOp("(") {
		f.args, err = p.arguments()
	}
	return f, err
}

// test reads `is [not] name`, with arguments in parentheses or one without.
func (p *parser) test(x expr) (expr, error) {
	t := &testExpr{x: x, not: p.skipName("not")}
	var err error
	if t.name, err = p.expectName(); err != nil {
		return nil, err
	}
	switch {
	case p.isOp("("):
		t.args, err = p.arguments()
	case p.startsArgument():
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.pos = []expr{arg}
	}
	if err == nil && p.isName("is") {
		err = fmt.Errorf("one test right behind another: put the first in parentheses")
	}
	return t, err
}

func (p *parser) startsArgument() bool {
	switch p.cur().kind {
	case tokString, tokInt, tokFloat:
		return true
	case tokName:
		switch p.cur().text {
		case "else", "or", "and", "is":
			return false
		}
		return true
	}
	return p.isOp("[") || p.isOp("{")
}
