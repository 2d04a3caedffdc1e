package jinja

import (
	"fmt"
	"slices"
)

type parser struct {
	toks  []token
	pos   int
	depth int
	loops int // for loops open in the current macro
	// names met since the innermost macro began, for signature's flags.
	seen map[string]bool
}

func parse(toks []token) ([]node, error) {
	p := &parser{toks: toks, seen: map[string]bool{}}
	body, err := p.body(nil)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.cur().line, err)
	}
	return body, nil
}

func (p *parser) cur() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) isOp(op string) bool {
	return p.cur().kind == tokOp && p.cur().text == op
}

func (p *parser) isName(name string) bool {
	return p.cur().kind == tokName && p.cur().text == name
}

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) error {
	if !p.skipOp(op) {
		return p.unexpected("'" + op + "'")
	}
	return nil
}

func (p *parser) expectName() (string, error) {
	if p.cur().kind != tokName {
		return "", p.unexpected("a name")
	}
	return p.next().text, nil
}

// open closes a {% tag that has a body; a colon may come before.
func (p *parser) open() error {
	p.skipOp(":")
	return p.end()
}

// end closes the current {% tag.
func (p *parser) end() error {
	if p.cur().kind != tokBlockEnd {
		return p.unexpected("the end of the tag")
	}
	p.pos++
	return nil
}

func (p *parser) unexpected(want string) error {
	t := p.cur()
	got := ""
	switch t.kind {
	case tokEOF:
		got = "the end of the template"
	case tokData:
		got = "text"
	case tokPrint, tokBlock:
		got = "a tag"
	case tokPrintEnd, tokBlockEnd:
		got = "the end of the tag"
	case tokString:
		got = "a string"
	default:
		got = fmt.Sprintf("%q", t.text)
	}
	return fmt.Errorf("%s where %s is expected", got, want)
}

// nest guards the parser's own stack, and with it the tree's depth.
func (p *parser) nest() error {
	p.depth++
	if p.depth > maxSyntax {
		return fmt.Errorf("nests deeper than %d", maxSyntax)
	}
	return nil
}

// body reads statements up to one of the tags in until, which becomes the
// current token. Without any it reads up to the end.
func (p *parser) body(until []string) ([]node, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var out []node
	for {
		t := p.cur()
		switch t.kind {
		case tokEOF:
			if until != nil {
				return nil, fmt.Errorf("the template ends where %s is expected", until[len(until)-1])
			}
			return out, nil
		case tokData:
			p.pos++
			out = append(out, textNode{t.text})
		case tokPrint:
			p.pos++
			x, err := p.tuple(true, false)
			if err != nil {
				return nil, err
			}
			if p.cur().kind != tokPrintEnd {
				return nil, p.unexpected("'}}'")
			}
			p.pos++
			out = append(out, &printNode{t.line, x})
		case tokBlock:
			p.pos++
			if p.cur().kind == tokName && slices.Contains(until, p.cur().text) {
				return out, nil
			}
			n, err := p.statement()
			if err != nil {
				return nil, err
			}
			out = append(out, n...)
		default:
			return nil, p.unexpected("text or a tag")
		}
	}
}

// block ends the opening tag, reads the body up to tag, and that tag.
func (p *parser) block(tag string) ([]node, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	body, err := p.body([]string{tag})
	if err != nil {
		return nil, err
	}
	p.pos++
	return body, p.end()
}

func one(n node, err error) ([]node, error) {
	if err != nil {
		return nil, err
	}
	return []node{n}, nil
}

func (p *parser) statement() ([]node, error) {
	line := p.cur().line
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	switch name {
	case "if":
		return one(p.ifTag(line))
	case "for":
		return one(p.forTag(line))
	case "set":
		return one(p.setTag(line))
	case "macro":
		return one(p.macroTag(line))
	case "call":
		return one(p.callTag(line))
	case "filter":
		f, err := p.filters(capturedExpr{}, true)
		if err != nil {
			return nil, err
		}
		body, err := p.block("endfilter")
		return one(&filterNode{line, f, body}, err)
	case "with":
		return one(p.withTag(line))
	case "generation":
		// Marks the assistant's text, for training; renders as itself.
		loops := p.loops
		p.loops = 0
		body, err := p.block("endgeneration")
		p.loops = loops
		return one(&withNode{line: line, body: body}, err)
	case "break", "continue":
		if p.loops == 0 {
			return nil, fmt.Errorf("%s outside of a loop", name)
		}
		if name == "break" {
			return one(breakNode{}, p.end())
		}
		return one(continueNode{}, p.end())
	case "include", "import", "from", "extends", "block":
		return nil, fmt.Errorf("a chat template cannot use {%% %s %%}", name)
	}
	return nil, fmt.Errorf("unknown tag {%% %s %%}", name)
}

func (p *parser) ifTag(line int) (node, error) {
	n := &ifNode{line: line}
	var cond expr
	tag := "if"
	for tag != "endif" {
		cond = nil
		var until []string
		if tag == "else" {
			until = []string{"endif"}
		} else {
			until = []string{"elif", "else", "endif"}
			var err error
			if cond, err = p.tuple(false, false); err != nil {
				return nil, err
			}
		}
		if err := p.open(); err != nil {
			return nil, err
		}
		body, err := p.body(until)
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, branch{cond, body})
		tag = p.next().text
	}
	return n, p.end()
}

func (p *parser) forTag(line int) (node, error) {
	n := &forNode{line: line}
	var err error
	if n.target, err = p.target(false); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, p.unexpected("'in'")
	}
	if n.iter, err = p.tuple(false, false); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if n.cond, err = p.expression(); err != nil {
			return nil, err
		}
	}
	n.again = p.skipName("recursive")
	if err := p.open(); err != nil {
		return nil, err
	}
	p.loops++
	n.body, err = p.body([]string{"else", "endfor"})
	p.loops--
	if err != nil {
		return nil, err
	}
	if p.next().text == "else" {
		n.orElse, err = p.block("endfor")
		return n, err
	}
	return n, p.end()
}

func (p *parser) setTag(line int) (node, error) {
	n := &setNode{line: line}
	var err error
	if n.target, err = p.target(true); err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		if n.value, err = p.tuple(true, false); err != nil {
			return nil, err
		}
		return n, p.end()
	}
	if p.isOp("|") {
		if n.filter, err = p.filters(capturedExpr{}, false); err != nil {
			return nil, err
		}
	}
	n.body, err = p.block("endset")
	return n, err
}

func (p *parser) withTag(line int) (node, error) {
	n := &withNode{line: line}
	for p.cur().kind != tokBlockEnd {
		if len(n.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		t, err := p.targetItem(false)
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.targets, n.values = append(n.targets, t), append(n.values, v)
	}
	var err error
	n.body, err = p.block("endwith")
	return n, err
}
