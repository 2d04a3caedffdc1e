package jinja

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
)

const maxError = 160 // bytes of an error's text

// Tokens are the special tokens a template may print.
type Tokens struct {
	BOS, EOS string // bos_token and eos_token
	// Named are further special tokens under the names that templates use:
	// pad_token and so on as strings, additional_special_tokens as []string.
	Named map[string]any
}

// Template is a parsed chat template. It may be rendered by several goroutines
// at once.
type Template struct {
	body   []node
	tokens Tokens
	limits Limits
}

// Raised is the error of a template that called raise_exception. Its text is
// the template's own, with nothing around it.
type Raised struct{ Message string }

func (r *Raised) Error() string { return r.Message }

// Parse reads a template's text. Errors name the line.
func Parse(source string, o Tokens) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("chat template: %d bytes long, at most %d are read", len(source), maxSource)
	}
	toks, err := lex(source)
	if err != nil {
		return nil, failed(err)
	}
	body, err := parse(toks)
	if err != nil {
		return nil, failed(err)
	}
	return &Template{body: body, tokens: o, limits: DefaultLimits}, nil
}

// WithLimits returns the same template under other limits.
func (t *Template) WithLimits(l Limits) *Template {
	u := *t
	u.limits = l
	return &u
}

// Render gives the text of a conversation. vars are further variables
// (add_generation_prompt, tools, documents, date_string, ...): nil, booleans,
// numbers, strings, *Map, map[string]any (keys get sorted), slices of these,
// and json.RawMessage. As in transformers, tools and documents are None when
// not given, and vars win over the special tokens. The error is a *Raised when
// the template itself refused the conversation.
func (t *Template) Render(messages []Message, vars map[string]any) (Rendered, error) {
	root := newScope(nil)
	maps.Copy(root.vars, globals)
	for name, v := range t.tokens.Named {
		x, err := fromGo(v, 0)
		if err != nil {
			return Rendered{}, failed(fmt.Errorf("variable %s: %w", name, err))
		}
		root.vars[name] = own(x)
	}
	maps.Copy(root.vars, map[string]any{
		"bos_token": plain(t.tokens.BOS),
		"eos_token": plain(t.tokens.EOS),
		"tools":     nil,
		"documents": nil,
	})
	all := map[string]any{}
	maps.Copy(all, vars)
	all["messages"] = messages
	for name, v := range all {
		x, err := fromGo(v, 0)
		if err != nil {
			return Rendered{}, failed(fmt.Errorf("variable %s: %w", name, err))
		}
		root.vars[name] = x
	}
	m := &machine{budget: newBudget(t.limits), scope: root, out: new(output)}
	if err := m.run(t.body); err != nil {
		if raised, ok := err.(*Raised); ok {
			return Rendered{}, raised
		}
		return Rendered{}, failed(err)
	}
	return rendered(&m.out.builder), nil
}

// failed makes one short line of an error, whatever it quotes of the template.
func failed(err error) error {
	text := strings.ToValidUTF8(err.Error(), "?")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "..." // a character may have been cut
	}
	return errors.New("chat template: " + text)
}
