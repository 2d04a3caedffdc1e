package regex

import "strings"

// class reads the text behind a [.
func (p *parser) class() (set, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("classes deeper than %d in each other", maxDepth)
	}
	defer func() { p.depth-- }()
	not := p.take("^")
	var both, s set // both is what stood before the last &&
	begun := false
	for first := true; ; first = false {
		switch {
		case !p.more():
			return nil, p.fail("a [ without a ]")
		case !first && p.take("]"):
			if p.fold {
				s = s.fold()
			}
			if begun {
				s = both.intersect(s.normal())
			}
			if s = s.normal(); not {
				s = s.negate()
			}
			return s, p.spend(s)
		case p.take("&&"):
			if p.fold {
				s = s.fold()
			}
			if s = s.normal(); begun {
				s = both.intersect(s)
			}
			both, s, begun = s, nil, true
		default:
			member, err := p.member()
			if err != nil {
				return nil, err
			}
			if err := p.spend(member); err != nil {
				return nil, err
			}
			s = append(s, member...)
		}
	}
}

// member reads a character, a range or a set within a class.
func (p *parser) member() (set, error) {
	if p.take("[:") {
		end := strings.Index(p.s[p.i:], ":]")
		if end < 0 {
			return nil, p.fail("a [: without a :]")
		}
		name, not := p.s[p.i:p.i+end], false
		p.i += end + 2
		if strings.HasPrefix(name, "^") {
			name, not = name[1:], true
		}
		s, ok := property(name, true)
		if !ok {
			return nil, p.fail("the class [:%.40s:] is not known", name)
		}
		if not {
			s = s.negate()
		}
		return s, nil
	}
	if p.take("[") {
		return p.class()
	}
	s, low, err := p.element()
	if err != nil || s != nil {
		return s, err
	}
	// A - is itself at the end of a class.
	if rest := p.s[p.i:]; len(rest) < 2 || rest[0] != '-' || rest[1] == ']' {
		return set{{low, low}}, nil
	}
	start := p.i
	p.i++
	if strings.HasPrefix(p.s[p.i:], "[") || strings.HasPrefix(p.s[p.i:], "&&") {
		p.i = start
		return set{{low, low}}, nil
	}
	s, high, err := p.element()
	if err != nil {
		return nil, err
	}
	if s != nil { // a - before a set is itself
		return union(s, set{{low, low}, {'-', '-'}}), nil
	}
	if high < low {
		return nil, p.fail("a range that ends before it begins")
	}
	return set{{low, high}}, nil
}

// element reads a character or an escape within a class.
func (p *parser) element() (set, rune, error) {
	if !p.take("\\") {
		return nil, p.next(), nil
	}
	if p.take("b") {
		return nil, '\b', nil
	}
	if p.more() && strings.IndexByte("123456789RXNOK", p.s[p.i]) >= 0 {
		return nil, 0, p.fail("\\%s is not supported in a class", p.s[p.i:p.i+1])
	}
	return p.set()
}
