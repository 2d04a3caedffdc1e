package constrain

import (
	"strings"
	"testing"
)

const gbnfJSON = `# as llama.cpp's examples write it
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
`

func TestGBNF(t *testing.T) {
	for _, c := range []struct {
		grammar string
		yes, no []string
	}{
		{gbnfJSON, []string{`{}`, `{"a": [1, -2.5e3, "\u00e4\n"], "b": {"c": null}} `}, []string{"", "[]", `{"a"}`, `{"a": 012}`, `{"a": "` + "\n" + `"}`}},
		{"root ::= \"a\" b? # end\nb ::= [b-dX] |\n \"-\"+", []string{"a", "ab", "aX", "a---"}, []string{"b", "abb", "aa", "ae"}},
		{"root ::= ([^a-c] | \"\\x41\\u00e4\\U0001F600\"){2,3}", []string{"dd", "ddd", "Aä😀Aä😀", "ää"}, []string{"d", "dddd", "da"}},
		{"root ::= .{2} x\nx ::= (\"(\" x \")\")?", []string{"ab", "ää(())"}, []string{"a", "abc)", "ab(()"}},
		{"root ::= root \"+\" term | term\nterm ::= term \"*\" [0-9] | [0-9] | \"(\" root \")\"", []string{"1", "1+2*3", "(1+2)*3+4"}, []string{"", "+1", "1+", "1*(2)"}},
		{"root ::= \"a\"*\r\n", []string{"", "aa"}, []string{"b"}},
		{"root::=\"[\"[]]\"]\"", nil, nil},
		{"root ::= [a\\]\\-]+", []string{"]a-"}, []string{"b", "\\"}},
		{"root ::= a a\na ::= \"x\" | \"\"", []string{"", "x", "xx"}, []string{"xxx"}},
	} {
		g, err := GBNF(c.grammar)
		if err != nil {
			if c.yes != nil {
				t.Errorf("%.40q: %v", c.grammar, err)
			}
			continue
		}
		for i, list := range [][]string{c.yes, c.no} {
			for _, text := range list {
				if ok, err := g.Matches(text); ok != (i == 0) || err != nil {
					t.Errorf("%.40q, %q: %v, %v", c.grammar, text, ok, err)
				}
			}
		}
	}
}

func TestGBNFErrors(t *testing.T) {
	for grammar, want := range map[string]string{
		"":                                     `the grammar has no rule "root"`,
		"root ::= \"a\n\"":                     "line 1: the line ends within a literal",
		"root ::= a\n\nb ::= \"x\"":            `line 1: rule "a" is used here and not defined`,
		"root ::= \"a\"\nroot ::= \"b\"":       "line 2: rule \"root\" is defined a second time",
		"root ::= (\"a\"":                      "line 1: a group must end here",
		"root ::= [b-a]":                       "ends before it begins",
		"root ::= \"a\"{3,1}":                  "out of bounds",
		"root ::= \"a\"{99999999}":             "out of bounds",
		"root ::= \"\\q\"":                     `the escape \q is not known`,
		"root = \"a\"":                         "::= must stand behind",
		"root ::= \"a\" ) ":                    "must end here",
		"root ::= root":                        "no text at all",
		"root ::= \"\\uD800\"":                 "is no character",
		strings.Repeat("(", 10):                "a rule's name must stand here",
		"root ::= " + strings.Repeat("(", 600): "nested more than",
	} {
		_, err := GBNF(grammar)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", grammar, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q has more than a line", err)
		}
	}
}

// FuzzGBNF gives grammars: they are refused in one line, or can be walked.
func FuzzGBNF(f *testing.F) {
	f.Add(gbnfJSON, "{\"a\": 1}")
	f.Add("root ::= \"a\"{1,1000} | root2\nroot2 ::= [^b]* \"b\"", "aab")
	f.Add("root ::= x | \"\"\nx ::= (x? \"a\"?)* <b>", "")
	v := smallVocabulary(f)
	f.Fuzz(func(t *testing.T, grammar, text string) {
		g, err := GBNF(grammar)
		walk(t, g, err, v, text)
	})
}

// FuzzPattern is FuzzGBNF for patterns.
func FuzzPattern(f *testing.F) {
	f.Add(`^(a|b)*[^c]{2,500}\d$`, "ab")
	f.Add(`(?i)\p{L}+\x{1f600}.*?`, "ä")
	f.Add(`(a{1,100}){1,100}`, "aaa")
	v := smallVocabulary(f)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		for _, o := range []PatternOptions{{}, {Search: true, ECMA: true}} {
			x, err := ParsePattern(pattern, o)
			if err != nil {
				oneLine(t, err)
				continue
			}
			g, err := New(x)
			walk(t, g, err, v, text)
		}
	})
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); s == "" || len(s) > 4096 {
		t.Errorf("the error has %d bytes", len(s))
	}
}

// walk reads a text as far as it goes. Where something may follow, a mask that is
// empty was refused as too much work.
func walk(t *testing.T, g *Grammar, err error, v *Vocabulary, text string) {
	t.Helper()
	if err != nil {
		oneLine(t, err)
		return
	}
	m := g.Matcher(v)
	for i := 0; ; i++ {
		mask, err := m.Mask(nil)
		if err != nil {
			return
		}
		any := false
		for _, w := range mask {
			any = any || w != 0
		}
		if special := strings.Contains(text, "<"); !any && !special {
			for id := range v.Size() {
				if m.Accept(int32(id)) == nil {
					t.Fatal("a token is accepted that the mask does not hold")
				}
			}
		}
		if i >= min(len(text), 20) || m.Accept(int32(text[i])) != nil {
			return
		}
		if !allowed(mask, int(text[i])) {
			t.Fatalf("byte %q is accepted and not in the mask", text[i])
		}
	}
}
