package constrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A jsonValue is a JSON value that keeps the order of an object's members and
// the digits of numbers.
type jsonValue struct {
	kind  byte         // n(ull), t(rue), f(alse), s(tring), #, [ or {
	text  string       // the characters of a string, the digits of a number
	items []*jsonValue // an array's items, the values of an object's members
	keys  []string     // the names of the members, beside items
	index map[string]int
}

// get returns a member's value, or nil.
func (v *jsonValue) get(key string) *jsonValue {
	if v.kind != '{' {
		return nil
	}
	if i, ok := v.index[key]; ok {
		return v.items[i]
	}
	return nil
}

// parseJSON reads one JSON document. It refuses what two readers may
// understand differently: a member that comes twice, half of a surrogate pair,
// bytes that are not UTF-8.
func parseJSON(doc []byte, depth int) (*jsonValue, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("is not UTF-8")
	}
	if !json.Valid(doc) {
		var any json.RawMessage
		err := json.Unmarshal(doc, &any)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := doc[:min(int(syntax.Offset), len(doc))]
			return nil, fmt.Errorf("is not JSON: line %d: %w", 1+bytes.Count(before, []byte("\n")), err)
		}
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	p := jsonParser{doc: doc, depth: depth}
	return p.value()
}

// A jsonParser walks a document that is known to be valid.
type jsonParser struct {
	doc   []byte
	at    int
	depth int // how many more levels may open
}

func (p *jsonParser) space() {
	for p.at < len(p.doc) && strings.IndexByte(" \t\r\n", p.doc[p.at]) >= 0 {
		p.at++
	}
}

func (p *jsonParser) value() (*jsonValue, error) {
	p.space()
	switch c := p.doc[p.at]; c {
	case 'n', 't':
		p.at += 4
		return &jsonValue{kind: c}, nil
	case 'f':
		p.at += 5
		return &jsonValue{kind: c}, nil
	case '"':
		text, err := p.string()
		return &jsonValue{kind: 's', text: text}, err
	case '[', '{':
		if p.depth--; p.depth < 0 {
			return nil, errors.New("is nested too deep")
		}
		defer func() { p.depth++ }()
		if c == '[' {
			return p.array()
		}
		return p.object()
	}
	from := p.at
	for p.at < len(p.doc) && strings.IndexByte("+-.0123456789Ee", p.doc[p.at]) >= 0 {
		p.at++
	}
	return &jsonValue{kind: '#', text: string(p.doc[from:p.at])}, nil
}

func (p *jsonParser) array() (*jsonValue, error) {
	v := &jsonValue{kind: '['}
	p.at++
	for p.space(); p.doc[p.at] != ']'; p.space() {
		if p.doc[p.at] == ',' {
			p.at++
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
	}
	p.at++
	return v, nil
}

func (p *jsonParser) object() (*jsonValue, error) {
	v := &jsonValue{kind: '{', index: map[string]int{}}
	p.at++
	for p.space(); p.doc[p.at] != '}'; p.space() {
		if p.doc[p.at] == ',' {
			p.at++
			p.space()
		}
		key, err := p.string()
		if err != nil {
			return nil, err
		}
		if _, twice := v.index[key]; twice {
			return nil, fmt.Errorf("has the member %s twice in one object", strconv.QuoteToASCII(key))
		}
		p.space()
		p.at++ // the colon
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		v.index[key] = len(v.keys)
		v.keys, v.items = append(v.keys, key), append(v.items, item)
	}
	p.at++
	return v, nil
}

func (p *jsonParser) string() (string, error) {
	p.at++
	end := p.at
	for p.doc[end] != '"' && p.doc[end] != '\\' {
		end++
	}
	if p.doc[end] == '"' {
		s := string(p.doc[p.at:end])
		p.at = end + 1
		return s, nil
	}
	s := append([]byte(nil), p.doc[p.at:end]...)
	for p.at = end; p.doc[p.at] != '"'; {
		if p.doc[p.at] != '\\' {
			s = append(s, p.doc[p.at])
			p.at++
			continue
		}
		c := p.doc[p.at+1]
		p.at += 2
		if c != 'u' {
			s = append(s, unescape(c))
			continue
		}
		r := p.unit()
		if utf16.IsSurrogate(r) {
			if p.doc[p.at] != '\\' || p.doc[p.at+1] != 'u' {
				return "", errors.New("has half of a surrogate pair in a string")
			}
			p.at += 2
			if r = utf16.DecodeRune(r, p.unit()); r == utf8.RuneError {
				return "", errors.New("has half of a surrogate pair in a string")
			}
		}
		s = utf8.AppendRune(s, r)
	}
	p.at++
	return string(s), nil
}

// unit reads the four digits behind \u.
func (p *jsonParser) unit() rune {
	n, _ := strconv.ParseUint(string(p.doc[p.at:p.at+4]), 16, 16)
	p.at += 4
	return rune(n)
}

// unescape returns the character that a backslash and c stand for.
func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
