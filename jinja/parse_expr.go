package jinja

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The precedence is Jinja's. It differs from Python's in ~ (binds tighter than
// +), ** (to the left), and filters and tests (tighter than any operator).

var constants = map[string]any{
	"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil,
}

// tuple reads one expression, or several with commas between. cond tells
// ternaries from the `if` of a for loop.
func (p *parser) tuple(cond, parens bool) (expr, error) {
	item := p.or
	if cond {
		item = p.expression
	}
	var items []expr
	comma := false
	for {
		if p.tupleEnd() {
			break
		}
		x, err := item()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.skipOp(",") {
			break
		}
		comma = true
	}
	if comma || (parens && len(items) == 0) {
		return &listExpr{items, kindTuple}, nil
	}
	if len(items) == 0 {
		return nil, p.unexpected("an expression")
	}
	return items[0], nil
}

func (p *parser) tupleEnd() bool {
	k := p.cur().kind
	return k == tokPrintEnd || k == tokBlockEnd || p.isOp(")")
}

// expression reads anything, ternaries included.
func (p *parser) expression() (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.skipName("if") {
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		var orElse expr
		if p.skipName("else") {
			if orElse, err = p.expression(); err != nil {
				return nil, err
			}
		}
		x = &condExpr{x, c, orElse}
	}
	return x, nil
}

func (p *parser) or() (expr, error) {
	a, err := p.and()
	for err == nil && p.skipName("or") {
		var b expr
		b, err = p.and()
		a = &logicExpr{false, a, b}
	}
	return a, err
}

func (p *parser) and() (expr, error) {
	a, err := p.not()
	for err == nil && p.skipName("and") {
		var b expr
		b, err = p.not()
		a = &logicExpr{true, a, b}
	}
	return a, err
}

func (p *parser) not() (expr, error) {
	if !p.skipName("not") {
		return p.compare()
	}
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.not()
	return &unaryExpr{"not", x}, err
}

// comparison takes the operator of a comparison, if one is current.
func (p *parser) comparison() string {
	t := p.cur()
	switch {
	case t.kind == tokOp && strings.Contains(" == != < <= > >= ", " "+t.text+" "):
		p.pos++
		return t.text
	case p.skipName("in"):
		return "in"
	case p.isName("not") && p.toks[p.pos+1].kind == tokName && p.toks[p.pos+1].text == "in":
		p.pos += 2
		return "not in"
	}
	return ""
}

func (p *parser) compare() (expr, error) {
	x, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{x: x}
	for op := p.comparison(); op != ""; op = p.comparison() {
		y, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.args = append(c.ops, op), append(c.args, y)
	}
	if c.ops == nil {
		return x, nil
	}
	return c, nil
}

func (p *parser) sum() (expr, error)     { return p.binary(p.concat, "+", "-") }
func (p *parser) product() (expr, error) { return p.binary(p.power, "*", "/", "//", "%") }
func (p *parser) power() (expr, error) {
	return p.binary(func() (expr, error) { return p.unary(true) }, "**")
}

func (p *parser) binary(operand func() (expr, error), ops ...string) (expr, error) {
	a, err := operand()
next:
	for err == nil {
		for _, op := range ops {
			if p.skipOp(op) {
				var b expr
				b, err = operand()
				a = &binaryExpr{op, a, b}
				continue next
			}
		}
		return a, nil
	}
	return nil, err
}

func (p *parser) concat() (expr, error) {
	x, err := p.product()
	if err != nil || !p.isOp("~") {
		return x, err
	}
	c := &concatExpr{[]expr{x}}
	for p.skipOp("~") {
		if x, err = p.product(); err != nil {
			return nil, err
		}
		c.items = append(c.items, x)
	}
	return c, nil
}

func (p *parser) unary(filters bool) (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var x expr
	var err error
	if p.isOp("-") || p.isOp("+") {
		op := p.next().text
		if x, err = p.unary(false); err == nil {
			x = &unaryExpr{op, x}
		}
	} else {
		x, err = p.primary()
	}
	if err == nil {
		x, err = p.postfix(x)
	}
	if err != nil || !filters {
		return x, err
	}
	return p.filters(x, false)
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch t.kind {
	case tokName:
		if v, ok := constants[t.text]; ok {
			return constExpr{v}, nil
		}
		p.seen[t.text] = true
		return nameExpr{t.text}, nil
	case tokString:
		if p.cur().kind != tokString {
			return constExpr{plain(t.text)}, nil
		}
		var s strings.Builder
		s.WriteString(t.text)
		for p.cur().kind == tokString {
			s.WriteString(p.next().text)
		}
		return constExpr{plain(s.String())}, nil
	case tokInt:
		return integer(t.text)
	case tokFloat:
		f, err := strconv.ParseFloat(strings.ReplaceAll(t.text, "_", ""), 64)
		if err != nil {
			return nil, fmt.Errorf("bad number %.40s", t.text)
		}
		return constExpr{f}, nil
	}
	switch {
	case t.kind == tokOp && t.text == "(":
		x, err := p.tuple(true, true)
		if err != nil {
			return nil, err
		}
		return x, p.expectOp(")")
	case t.kind == tokOp && t.text == "[":
		items, err := p.items("]")
		return &listExpr{items, kindList}, err
	case t.kind == tokOp && t.text == "{":
		return p.dict()
	}
	if t.kind != tokEOF {
		p.pos--
	}
	return nil, p.unexpected("an expression")
}

// integer reads a number as Python writes it; a decimal one may be of any size.
func integer(text string) (expr, error) {
	text = strings.ReplaceAll(text, "_", "")
	if strings.Trim(text, "0") == "" {
		return constExpr{int64(0)}, nil
	}
	n, err := strconv.ParseInt(text, 0, 64)
	switch {
	case err == nil:
		return constExpr{n}, nil
	case text[0] != '0':
		return constExpr{json.Number(text)}, nil
	}
	return nil, fmt.Errorf("bad number %.40s", text)
}

// items reads expressions with commas between, and the closing bracket.
func (p *parser) items(end string) ([]expr, error) {
	var items []expr
	for !p.skipOp(end) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp(end) {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, nil
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{}
	for !p.skipOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp("}") {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, k), append(d.values, v)
	}
	return d, nil
}
