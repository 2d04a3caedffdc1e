package constrain

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// randomPattern is a pattern over a few characters, in Go's syntax.
func randomPattern(r *rand.Rand, depth int) string {
	if depth == 0 {
		return []string{"a", "b", "ä", "[ab]", "[^a]", ".", "", "(?i)b", "€"}[r.IntN(9)]
	}
	sub := func() string { return randomPattern(r, depth-1-r.IntN(depth)) }
	switch r.IntN(6) {
	case 0:
		return sub() + sub()
	case 1:
		return "(" + sub() + "|" + sub() + ")"
	case 2:
		return "(" + sub() + ")*"
	case 3:
		return "(" + sub() + ")" + []string{"{2}", "{0,3}", "{1,}", "+", "?"}[r.IntN(5)]
	case 4:
		return "(" + sub() + "|" + sub() + sub() + ")"
	}
	return sub() + sub() + sub()
}

// texts are all texts of at most n of the letters.
func texts(letters []string, n int) []string {
	all := []string{""}
	for from := 0; n > 0; n-- {
		end := len(all)
		for _, t := range all[from:end] {
			for _, l := range letters {
				all = append(all, t+l)
			}
		}
		from = end
	}
	return all
}

// TestPatterns holds whole matches and searches to Go's regexp.
func TestPatterns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := texts([]string{"a", "b", "B", "ä", "€"}, 4)
	fixed := []string{"(a{0,1}|a{3,4})b", "a{1}|a{3}|a{4}", "(a{2}|b)*", "(aa|a{3})*b"}
	for i := range 300 {
		p := randomPattern(r, 4)
		if i < len(fixed) {
			p = fixed[i]
		}
		if r.IntN(3) == 0 {
			p = "^" + p
		}
		if r.IntN(3) == 0 {
			p += "$"
		}
		for _, search := range []bool{false, true} {
			x, err := ParsePattern(p, PatternOptions{Search: search})
			if err != nil {
				t.Fatal(p, err)
			}
			g, err := New(x)
			if err != nil {
				t.Fatal(p, err)
			}
			whole := p
			if !search {
				whole = `^(?:` + p + `)$`
			}
			re := regexp.MustCompile(whole)
			for _, s := range list {
				got, err := g.Matches(s)
				if err != nil {
					t.Fatal(p, s, err)
				}
				if want := re.MatchString(s); got != want {
					t.Fatalf("pattern %q (search %v), text %q: %v, and Go says %v", p, search, s, got, want)
				}
			}
		}
	}
}

// TestSets holds intersections and complements to what Go's regexp says of their
// parts.
func TestSets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	list := texts([]string{"a", "b", "ä"}, 5)
	nothing := 0
	for range 300 {
		pa, pb := randomPattern(r, 3), randomPattern(r, 3)
		a, _ := ParsePattern(pa, PatternOptions{})
		b, _ := ParsePattern(pb, PatternOptions{})
		ra, rb := regexp.MustCompile(`^(?:`+pa+`)$`), regexp.MustCompile(`^(?:`+pb+`)$`)
		cases := []struct {
			x    Expr
			want func(s string) bool
		}{
			{And(a, Not(b)), func(s string) bool { return ra.MatchString(s) && !rb.MatchString(s) }},
			{And(a, b), func(s string) bool { return ra.MatchString(s) && rb.MatchString(s) }},
			{Not(And(a, b)), func(s string) bool { return !(ra.MatchString(s) && rb.MatchString(s)) }},
			{Seq(Lit("b"), And(a, Not(b)), Lit("a")), func(s string) bool {
				m, ok := strings.CutPrefix(s, "b")
				m, ok2 := strings.CutSuffix(m, "a")
				return ok && ok2 && ra.MatchString(m) && !rb.MatchString(m)
			}},
		}
		for i, c := range cases {
			g, err := New(c.x)
			none := err != nil
			if none {
				if _, ok := err.(*Error); !ok {
					t.Fatal(err)
				}
				nothing++
			}
			for _, s := range list {
				got := false
				if !none {
					got, err = g.Matches(s)
					if err != nil {
						t.Fatal(err)
					}
				}
				if want := c.want(s); got != want {
					t.Fatalf("case %d of %q and %q, text %q: %v, want %v", i, pa, pb, s, got, want)
				}
			}
		}
	}
	if nothing == 0 {
		t.Error("no case was empty")
	}
}
