package jinja

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// brand marks every text of a value, keys too, with a character that no
// operation changes and no template writes.
const brand = "\u00a4"

func branded(v any) any {
	switch v := v.(type) {
	case string:
		return v + brand
	case *list:
		out := make([]any, len(v.items))
		for i, x := range v.items {
			out[i] = branded(x)
		}
		return newList(out)
	case *Map:
		d := new(Map)
		for i, k := range v.keys {
			d.Set(k.(string), branded(v.values[i]))
		}
		return d
	}
	return v
}

// check holds a result's spans to their order, and every brand in the text to
// being in one.
func (r Rendered) check() error {
	last := -1
	covered := make([]bool, len(r.Text))
	for _, s := range r.Outside {
		if s[0] <= last || s[1] <= s[0] || s[1] > len(r.Text) {
			return fmt.Errorf("%v are not spans of %d bytes", r.Outside, len(r.Text))
		}
		if !utf8.ValidString(r.Text[s[0]:s[1]]) {
			return fmt.Errorf("%v cuts a character of %q", s, r.Text)
		}
		last = s[1]
		for i := s[0]; i < s[1]; i++ {
			covered[i] = true
		}
	}
	for i := range r.Text {
		if strings.HasPrefix(r.Text[i:], brand) && !covered[i] {
			return fmt.Errorf("byte %d of %q came from outside, %v says otherwise", i, r.Text, r.Outside)
		}
	}
	return nil
}

// Whatever is done to a text from outside, what comes of it is known to be from
// outside: all filters, methods and operators that the cases have.
func TestOutsideStaysOutside(t *testing.T) {
	cases := readCases(t)
	vars := cases.vars()
	for k, v := range vars {
		vars[k] = branded(v)
	}
	rendered, branded := 0, 0
	for _, c := range cases.Snippets {
		tmpl, err := Parse(c.Template, Tokens{})
		if err != nil {
			continue
		}
		r, err := tmpl.Render(nil, vars)
		if err != nil {
			continue
		}
		rendered++
		if strings.Contains(r.Text, brand) {
			branded++
		}
		if err := r.check(); err != nil {
			t.Errorf("%s: %v", c.Template, err)
		}
	}
	if rendered < 500 || branded < 150 {
		t.Errorf("%d templates rendered, %d with a text from outside", rendered, branded)
	}
}

// The templates of models: contents, names, keys of tools are outside, and
// nothing that the template wrote is.
func TestOutsideInModels(t *testing.T) {
	cases := readCases(t)
	files, err := os.ReadDir("../testdata/templates/models")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source, err := os.ReadFile("../testdata/templates/models/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		tmpl, err := Parse(string(source), Tokens{BOS: "<s>", EOS: "</s>"})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cases.Conversations {
			messages, vars, err := DecodeConversation(c)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				for _, k := range []string{"content", "name", "reasoning_content", "tool_calls"} {
					if v, ok := m.Get(k); ok {
						m.Set(k, branded(v))
					}
				}
			}
			for k, v := range vars {
				vars[k] = branded(v)
			}
			r, err := tmpl.Render(messages, vars)
			if err != nil {
				continue
			}
			if err := r.check(); err != nil {
				t.Errorf("%s, conversation %d: %v", f.Name(), i, err)
			}
			for _, s := range r.Outside {
				for _, token := range []string{"<s>", "</s>", "<|im_start|>", "<|im_end|>", "[INST]", "<|eot_id|>", "<start_of_turn>"} {
					if strings.Contains(r.Text[s[0]:s[1]], token) {
						t.Errorf("%s, conversation %d: %q is taken for outside", f.Name(), i, r.Text[s[0]:s[1]])
					}
				}
			}
		}
	}
}

// The template's own parts stay its own beside those from outside.
func TestOutsideSpans(t *testing.T) {
	for source, want := range map[string]string{
		"<{{ x }}>":                                          "<[ab]>",
		"{{ ('<' + x + '>')|trim|upper }}":                   "<[AB]>",
		"{{ ('<' ~ x ~ '>')[1:] }}":                          "[ab]>",
		"{{ ('<' ~ x ~ '>')[::-1] }}":                        ">[ba]<",
		"{{ '<%s|%5s>' % (x, x) }}":                          "<[ab]|   [ab]>",
		"{{ '<{}>{:-^6}'.format(x, x) }}":                    "<[ab]>--[ab]--",
		"{{ ['<', x]|join('|') }}":                           "<|[ab]",
		"{{ ('<' ~ x ~ '|' ~ x).split('|') }}":               "['<[ab]', '[ab]']",
		"{{ x|replace('b', '|') }}{{ 'b'.replace('b', x) }}": "[a]|[ab]",
		"{{ {x: x}|tojson }}":                                `{"[ab]": "[ab]"}`,
		"{{ [x] }}{{ {'k': x} }}":                            "['[ab]']{'k': '[ab]'}",
		"{% set y %}<{{ x }}{% endset %}{{ y * 2 }}":         "<[ab]<[ab]",
		"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(x) }}":  "<[ab]>",
		"{% for c in '<' ~ x %}{{ c }}.{% endfor %}":         "<.[a].[b].",
		"{{ ('<' ~ x)|indent(1, true) }}":                    " <[ab]",
		"{{ ('é' ~ x)|title }}{{ ('ß' ~ x)|upper }}":         "É[ab]SS[AB]",
		"{{ ('<'|safe + x)|e }}{{ x|e }}":                    "<[abab]",
		"{{ x|first }}{{ x|last }}{{ x[0] }}":                "[aba]",
		"{{ m[x] }}{% for k in m %}{{ k }}{% endfor %}":      "[vab]",
		"{{ bos_token }}{{ n }}":                             "<s>5",
		"{{ x|length }}{{ x == 'ab' }}{{ 'ab' in x }}":       "2TrueTrue",
	} {
		tmpl, err := Parse(source, Tokens{BOS: "<s>"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tmpl.Render(nil, map[string]any{"x": "ab", "n": 5, "m": map[string]any{"ab": "v"}})
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var b strings.Builder
		at := 0
		for _, s := range r.Outside {
			b.WriteString(r.Text[at:s[0]] + "[" + r.Text[s[0]:s[1]] + "]")
			at = s[1]
		}
		if b.WriteString(r.Text[at:]); b.String() != want {
			t.Errorf("%s: %s, want %s", source, b.String(), want)
		}
	}
}

// Texts agree up to the first byte that differs, and know where parts from outside end.
func TestCommon(t *testing.T) {
	for n := range 200 {
		text := strings.Repeat("x", n)
		if a, b := Common(text+"ab", text+"b"), Common(text, text+"b"); a != n || b != n {
			t.Errorf("%d and %d, want %d", a, b, n)
		}
	}
	text := Rendered{"<ab><c>", [][2]int{{1, 3}, {5, 6}}}
	for n, want := range []bool{false, false, false, true, false, false, true, false} {
		if text.Ends(n) != want {
			t.Errorf("a part ends at %d: %v", n, !want)
		}
	}
	for n, want := range []string{"<ab><c>[[1 3] [5 6]]", "ab><c>[[0 2] [4 5]]", "b><c>[[0 1] [3 4]]", "><c>[[2 3]]"} {
		if rest := text.From(n); fmt.Sprint(rest.Text, rest.Outside) != want {
			t.Errorf("from %d: %v", n, rest)
		}
	}
}
