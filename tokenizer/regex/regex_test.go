package regex

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/mil-run/mil/internal/show"
)

// find returns the matches of an expression in a text.
func find(t *testing.T, pattern, text string) []string {
	t.Helper()
	re, err := Compile(pattern)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	var got []string
	re.Matches(text, func(start, end int) { got = append(got, text[start:end]) })
	return got
}

// What the expressions of tokenizers use; package tokenizer's TestPreTokenizers holds
// many more to the native library.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          []string
	}{
		{`a|ab`, "ab", []string{"a"}},
		{`(?:a|ab)c`, "abc", []string{"abc"}},
		{`a*?b|a`, "aab aa", []string{"aab", "a", "a"}},
		{`\s+(?!\S)|\s+`, "a   b ", []string{"  ", " ", " "}},
		{`\s*[\r\n]+|\s+$`, " \n a  ", []string{" \n", "  "}},
		{`[^\r\n\p{L}]?+\p{L}++`, "1a-b", []string{"1a", "-b"}},
		{`\p{N}{1,3}+`, "1234567", []string{"1234567"}}, // a repeat of a repeat, in Ruby
		{`a{2}?`, "aaa", []string{"aa", ""}},            // may be missing, in Ruby
		{`(?i:'s|k)`, "'S'\u017f\u212a", []string{"'S", "'\u017f", "\u212a"}},
		{`a(?i)b|c`, "AB aB aC", []string{"aB", "aC"}},
		{`[\w&&[^a-c]]+`, "abcdef", []string{"def"}},
		{`[[:punct:]]`, "a+b", []string{"+"}},
		{`\d{1,3}(?=(?:\d{3})*\b)`, "1234567", []string{"1", "234", "567"}},
		{`(?=(\d{3})+(?!\d))`, "12345", []string{""}},
		{`(?<=a)b|(?<!a)c`, "abcac", []string{"b", "c"}},
		{`^a|b$`, "a\na b\nb", []string{"a", "a", "b", "b"}},
		{`\bab\b`, "ab abc", []string{"ab"}},
		{`x*`, "axb", []string{"", "x", ""}},
	} {
		if got := find(t, c.pattern, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%s in %q: %q, want %q", c.pattern, c.text, got, c.want)
		}
	}
}

// A long text is known block by block: nothing may depend on where they end.
func TestBlocks(t *testing.T) {
	const pattern = `\s*[\r\n]+|\s+(?!\S)|\s+|a+b|a|\bc+\b|[^\s]`
	unit := " \t\n  aaa\u3042aab\xe4\xb8 ccc\U0001f600c"
	for _, pad := range []string{"", "x", "xy", "xyz"} {
		text := pad + strings.Repeat(unit, 4*blockBytes/len(unit))
		want := find(t, pattern, pad+unit+unit)
		got := find(t, pattern, text)
		period := len(find(t, pattern, pad+unit+unit+unit)) - len(want)
		for i := range got[:len(got)-2*period] {
			expected := want[:]
			at := i
			for at >= len(want)-period/2 {
				at -= period
			}
			if got[i] != expected[at] {
				t.Fatalf("match %d with %q in front is %q, want %q", i, pad, got[i], expected[at])
			}
		}
	}
	// A run over many blocks, of which the end decides.
	for _, c := range []struct{ pattern, end, want string }{{`a+b|a`, "b", "ab"}, {`a+b|a`, "c", "a"}, {`(?=a+b)a`, "b", "a"}} {
		text := strings.Repeat("a", 5*blockBytes) + c.end
		got := find(t, c.pattern, text)
		if !strings.HasSuffix(got[len(got)-1], c.want) || c.end == "b" && c.pattern == `a+b|a` && len(got) != 1 || c.end == "c" && len(got) != 5*blockBytes {
			t.Errorf("%s: %d matches", c.pattern, len(got))
		}
	}
}

// TestHostile: an expression gives one line of error or time linear in the text; the
// test would run for years otherwise.
func TestHostile(t *testing.T) {
	text := strings.Repeat("a", 1<<18) + "!"
	for _, pattern := range []string{
		`(a+)+b`, `(a|aa)+b`, `(a|a)*b`, `a*a*a*a*a*a*b`, `(?=(a|a)+b)a|a`, `(?:a*b|a)`, `[a-b]*[a-c]*d|a`,
		`(?:a{0,30}){1,30}b`, `\w*\d|a`, `(?!a*b)a`, `(a|b|ab)*(?=c)`, `.*.*=.*`,
	} {
		find(t, pattern, text)
	}
	nest := func(open, close string, n int) string {
		return strings.Repeat(open, n) + "a" + strings.Repeat(close, n)
	}
	for name, c := range map[string]struct{ pattern, want string }{
		"long":             {strings.Repeat("a", maxPattern+1), "bytes"},
		"states":           {strings.Repeat(`(?:a{64}){64}`, 3), "more than 4096 states"},
		"nested repeats":   {`((((a{99}){99}){99}){99}){99}`, "more than 4096 states"},
		"many":             {`a{4097}`, "at most 4096"},
		"deep":             {nest("(", ")", 10_000), "deeper"},
		"deep classes":     {nest("[", "]", 10_000), "deeper"},
		"deep looks":       {nest("(?=", ")", 10_000), "deeper"},
		"repeats":          {"a" + strings.Repeat("{1,2}", 10_000), "repeats of repeats"},
		"endless nothing":  {`(a*)*b`, ""},
		"endless nothing2": {`(a*|b)*`, "endless repeat of what may match nothing"},
		"endless looks":    {`(?:(?=a))+`, "endless repeat of what may match nothing"},
		"reference":        {`(a)\1`, `\1 is not supported`},
		"recursion":        {`(?<n>a\g<n>)`, `\g is not supported`},
		"behind":           {`(?<=ab)c`, "looking behind"},
		"atomic":           {`(?>a|ab)c`, "atomic"},
		"property":         {`\p{Foo}`, `property "Foo" is not known`},
		"open":             {`(a`, "a ( without a )"},
		"close":            {`a)`, "a ) without a ("},
		"class":            {`[a`, "a [ without a ]"},
		"range":            {`[b-a]`, "ends before it begins"},
		"repeat":           {`*a`, "nothing to repeat"},
		"backslash":        {`\`, "at the end"},
		"not UTF-8":        {"\xff", "not UTF-8"},
		"surrogate":        {`\uD800`, "not the number"},
		"a control":        {"(?\r", "the group (?\uFFFD is not supported"},
		"a class's name":   {"[[:\n\x1b[2J:]]", "class [:\uFFFD\uFFFD[2J:] is not known"},
		"many classes":     {manyClasses(), "kinds of characters"},
		"large classes":    {strings.Repeat(`\w`, maxPattern/2), "ranges of characters"},
		"a large class":    {"(?i)[" + strings.Repeat(`\W`, maxPattern/2-4) + "]", "ranges of characters"},
		"intersections":    {"[" + strings.Repeat(`\W&&`, maxPattern/4-4) + "a]", "ranges of characters"},
		"cases":            {"(?i)" + strings.Repeat(`k`, maxPattern-4), "more than 4096 states"},
	} {
		_, err := Compile(c.pattern)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !show.Plain(err.Error())):
			t.Errorf("%s: %v, want one line with %q", name, err, c.want)
		}
	}
}

// manyClasses tells many kinds of characters apart.
func manyClasses() string {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, `|\x{%X}`, 0x4e00+2*i)
	}
	return b.String()[1:]
}

// TestProperties holds the properties to the native library's, and notices when a newer
// Go moves its tables.
func TestProperties(t *testing.T) {
	f, err := os.Open("../../testdata/tokenizers/properties.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var properties map[string][][2]rune
	if err := json.NewDecoder(z).Decode(&properties); err != nil {
		t.Fatal(err)
	}
	for name, ranges := range properties {
		re, err := Compile(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := make([]bool, unicode.MaxRune+1)
		for _, r := range ranges {
			for x := r[0]; x <= r[1]; x++ {
				want[x] = true
			}
		}
		wrong := 0
		for r := range rune(unicode.MaxRune + 1) {
			if r >= 0xD800 && r < 0xE000 || re.Has(r) == want[r] {
				continue
			}
			if wrong++; wrong < 4 {
				t.Errorf("%s has U+%04X: %t", name, r, re.Has(r))
			}
		}
	}
}

// FuzzCompile: any expression is refused with one line or matches a text, piece by
// piece from left to right.
func FuzzCompile(f *testing.F) {
	f.Add(`(?i:'s|'t)|[^\r\n\p{L}]?\p{L}+|\s+(?!\S)|\s+`, "It's  a\u3000b")
	f.Add(`[[a-c]&&[^b]]{1,3}+?|(?<=a)b|\bc$`, "abc\nabc")
	f.Add(`(?x: a # b`+"\n"+`)|\u0041|\x{42}|[[:^alpha:]]`, "aAB1")
	f.Add("(?\r", "a")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern)
		if err != nil {
			if !show.Plain(err.Error()) {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		last := 0
		re.Matches(text, func(start, end int) {
			if start < last || end < start || end > len(text) {
				t.Fatalf("%q matches %q from %d to %d behind %d", pattern, text, start, end, last)
			}
			last = end
		})
	})
}

func BenchmarkMatches(b *testing.B) {
	re, err := Compile(`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("The quick brown fox doesn't jump over 12345 lazy dogs!\n\n", 1<<14)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		re.Matches(text, func(int, int) {})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s)?|\p{N}{1,3}|\s+(?!\S)`); err != nil {
			b.Fatal(err)
		}
	}
}
