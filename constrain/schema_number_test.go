package constrain

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestBounds compares bounds and multiples with exact arithmetic, on every
// spelling of numbers of a few digits near the bounds.
func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	decimalText := func() string {
		s := fmt.Sprint(r.IntN(pickInt(r, 3, 30, 1200)))
		if r.IntN(2) == 0 {
			s += "." + fmt.Sprint(r.IntN(pickInt(r, 10, 100))) + strings.Repeat("0", r.IntN(2))
		}
		if r.IntN(2) == 0 {
			s = "-" + s
		}
		return s
	}
	for range 150 {
		integer := r.IntN(2) == 0
		schema := `{"type":"number"`
		if integer {
			schema = `{"type":"integer"`
		}
		var checks []func(x *big.Rat) bool
		var near []string
		for _, k := range []struct {
			name string
			ok   func(cmp int) bool
		}{
			{"minimum", func(c int) bool { return c >= 0 }}, {"exclusiveMinimum", func(c int) bool { return c > 0 }},
			{"maximum", func(c int) bool { return c <= 0 }}, {"exclusiveMaximum", func(c int) bool { return c < 0 }},
		} {
			if r.IntN(2) == 0 {
				b := decimalText()
				at, _ := new(big.Rat).SetString(b)
				schema += fmt.Sprintf(`,%q:%s`, k.name, b)
				near = append(near, b)
				checks = append(checks, func(x *big.Rat) bool { return k.ok(x.Cmp(at)) })
			}
		}
		if r.IntN(3) == 0 {
			of := []string{"3", "7", "0.5", "1.5", "0.25", "20", "0.03", "1e-1", "12.50"}[r.IntN(9)]
			m, _ := new(big.Rat).SetString(of)
			schema += `,"multipleOf":` + of
			checks = append(checks, func(x *big.Rat) bool { return new(big.Rat).Quo(x, m).IsInt() })
		}
		schema += `}`
		g, err := Schema([]byte(schema), SchemaOptions{})
		if err != nil && !strings.Contains(err.Error(), "no text at all") {
			t.Fatalf("%v: %s", err, schema)
		}
		follows := func(x *big.Rat) bool {
			for _, ok := range checks {
				if !ok(x) {
					return false
				}
			}
			return true
		}
		for _, text := range numberTexts(r, near) {
			x, ok := new(big.Rat).SetString(text)
			if !ok {
				t.Fatal(text)
			}
			want := follows(x)
			got := false
			if g != nil {
				if got, err = g.Matches(text); err != nil {
					t.Fatal(err)
				}
			}
			d, _ := parseDecimal(text)
			if integer && !x.IsInt() {
				want = false
			}
			switch plain := text == d.String(); {
			case got && !want, got && integer && strings.ContainsAny(text, ".e"):
				t.Fatalf("%s is allowed by %s", text, schema)
			case want && !got && plain:
				t.Fatalf("%s is not allowed by %s", text, schema)
			case want && !got && !integer:
				t.Fatalf("%s, which ends in zeros, is not allowed by %s", text, schema)
			}
		}
	}
}

func pickInt(r *rand.Rand, of ...int) int { return of[r.IntN(len(of))] }

// numberTexts are spellings without exponents, near some numbers and elsewhere.
func numberTexts(r *rand.Rand, near []string) []string {
	out := []string{"0", "-0", "0.0", "-0.00", "1", "10", "100", "1000", "0.1", "-0.1", "0.01", "-1", "1.0", "2.50"}
	for _, s := range near {
		x, _ := new(big.Rat).SetString(s)
		for _, d := range []string{"0", "1", "-1", "1/10", "-1/10", "1/100", "-1/100", "9", "-9", "99", "-99", "1/2", "1000", "-1000"} {
			y, _ := new(big.Rat).SetString(d)
			text := strings.TrimSuffix(strings.TrimRight(y.Add(x, y).FloatString(4), "0"), ".")
			if strings.Trim(text, "-0.") == "" {
				continue
			}
			out = append(out, text)
			if strings.Contains(text, ".") {
				out = append(out, text+"0", text+"5")
			} else {
				out = append(out, text+".0", text+".01")
			}
		}
	}
	for range 60 {
		out = append(out, fmt.Sprintf("%s%d.%0*d", []string{"", "-"}[r.IntN(2)], r.IntN(40), 1+r.IntN(3), r.IntN(1000)))
	}
	return out
}

// TestNumberTexts says which spellings of numbers come.
func TestNumberTexts(t *testing.T) {
	for _, c := range []struct {
		schema  string
		yes, no string
	}{
		{`{"type":"integer"}`, "0 7 -7 10 123456789012345678901234567890", "-0 01 1.0 1e2 +1 - 1. .5 0x1"},
		{`{"type":"number"}`, "0 -0 -0.0 1.50 1e5 1E+5 -2.5e-308 1e007", "01 1. .5 +1 1e309 1e 1e+ NaN Infinity 1e1000"},
		{`{"type":"number","minimum":0}`, "0 0.0 1.50 10 -0 -0.0", "-1 -0.5 1e2"},
		{`{"type":"number","exclusiveMinimum":0}`, "0.1", "0 -0 -0.0 0.0"},
		{`{"const":2}`, "2 2.0", "2.00 20 1.9 02"},
		{`{"const":2,"type":"integer"}`, "2", "2.0"},
		{`{"const":-2.50}`, "-2.5", "-2.50 2.5"},
		{`{"const":1e3}`, "1000 1000.0", "1e3 100"},
		{`{"enum":[0,1]}`, "0 1 0.0", "-0 2"},
		{`{"not":{"type":"integer"},"type":"number"}`, "0.5 -1.25", "1 1.0 0.0 1e-5"},
		{`{"not":{"const":1},"type":"integer"}`, "0 -1 2 10 11", "1"},
		{`{"type":"integer","multipleOf":3,"minimum":100,"maximum":999}`, "102 999 300", "99 100 1002 303.0"},
	} {
		g, err := Schema([]byte(c.schema), SchemaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for list, want := range map[string]bool{c.yes: true, c.no: false} {
			for _, text := range strings.Fields(list) {
				if got, _ := g.Matches(text); got != want {
					t.Errorf("%s by %s: %v", text, c.schema, got)
				}
			}
		}
	}
}

// TestSpell compares the spellings of every character with what JSON readers make
// of them.
func TestSpell(t *testing.T) {
	one, err := New(spell(0, 0x10ffff))
	if err != nil {
		t.Fatal(err)
	}
	check := func(g *Grammar, text string, want bool) {
		t.Helper()
		if got, err := g.Matches(text); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{`a`, `é`, `😀`, `\n`, `\/`, `/`, `\u0000`, `\u001F`, `\u00e9`, `\uFFFF`, `\ud83d\ude00`, `\uDBFF\uDFFF`, `\u003c`, "\x7f"} {
		check(one, text, true)
	}
	for _, text := range []string{``, `"`, `\`, "\n", "\x00", `\x`, `\u0061`, `\ud83d`, `\ude00`, `\ud83d\u0041`, `\ude00\ud83d`, `\u00g0`, `\u12`, "\xff", "\xed\xa0\x80", `aa`} {
		check(one, text, false)
	}
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		lo := rune(r.IntN(0x110000))
		hi := min(lo+rune(r.IntN(1<<uint(r.IntN(20)))), 0x10ffff)
		g, err := New(Seq(Lit("x"), Optional(spell(lo, hi)))) // a class of surrogates alone is nothing
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []rune{lo, hi, lo - 1, hi + 1, lo + (hi-lo)/2, rune(r.IntN(0x110000))} {
			if c < 0 || c > 0x10ffff || c >= 0xd800 && c < 0xe000 {
				continue
			}
			want := lo <= c && c <= hi
			for _, text := range []string{plainSpelling(c), strings.ToUpper(unitSpelling(c)), unitSpelling(c)} {
				text = strings.Replace(strings.ReplaceAll(text, `\U`, `\u`), `X`, `x`, 1)
				if text != "" {
					check(g, "x"+text, want)
				}
			}
		}
	}
}

func plainSpelling(c rune) string {
	if c < 0x20 || c == '"' || c == '\\' {
		return ""
	}
	return string(c)
}

func unitSpelling(c rune) string {
	switch {
	case c >= 0x20 && c < 0x80 && !strings.ContainsRune(escapedASCII, c):
		return ""
	case c > 0xffff:
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// TestTextMatches compares matches with Go's regexp.
func TestTextMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, p := range []string{"a*b?", "(a|bc)*", "a{2,3}(b|é)+", "[^a]*", "(ab?){0,4}c", "(a*)*b", "(|a){3}b{2,}"} {
		x, err := ParsePattern(p, PatternOptions{})
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("^(?:" + p + ")$")
		for range 300 {
			var b strings.Builder
			for range r.IntN(8) {
				b.WriteRune([]rune("aabbcé")[r.IntN(6)])
			}
			s := b.String()
			if got, want := matches(x, s), re.MatchString(s); got != want {
				t.Fatalf("%s: %q: %v", p, s, got)
			}
			if got, want := matches(And(Not(x), Text()), s), !re.MatchString(s); got != want {
				t.Fatalf("not %s: %q: %v", p, s, got)
			}
		}
	}
}
