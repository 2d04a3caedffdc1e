package constrain

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func formatGrammar(t *testing.T, name string) *Grammar {
	t.Helper()
	g, err := Schema(fmt.Appendf(nil, `{"type":"string","format":%q}`, name), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestFormatsRead samples strings of each format, which Go's parsers must read.
func TestFormatsRead(t *testing.T) {
	parse := func(layout string) func(string) bool {
		return func(s string) bool {
			_, err := time.Parse(layout, strings.ToUpper(s))
			return err == nil
		}
	}
	for name, ok := range map[string]func(string) bool{
		"date":      parse("2006-01-02"),
		"time":      parse("15:04:05.999999999Z07:00"),
		"date-time": parse("2006-01-02T15:04:05.999999999Z07:00"),
		"ipv4":      func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
		"ipv6":      func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() },
		"email":     func(s string) bool { a, err := mail.ParseAddress(s); return err == nil && a.Address == s },
		"uri":       func(s string) bool { u, err := url.Parse(s); return err == nil && u.IsAbs() },
	} {
		g := formatGrammar(t, name)
		r := rand.New(rand.NewPCG(2, 3))
		n := 0
		for range 400 {
			text := randomText(t, g, r)
			if text == "" {
				continue
			}
			n++
			var s string
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err)
			}
			if name == "time" || name == "date-time" {
				s = cutFraction(s)
			}
			if !ok(s) {
				t.Errorf("%s: %q", name, s)
			}
		}
		if n < 100 {
			t.Errorf("%s: only %d texts were finished", name, n)
		}
	}
}

// cutFraction keeps 9 digits of a second, which is what package time reads.
func cutFraction(s string) string {
	i := strings.IndexByte(s, '.')
	if i < 0 {
		return s
	}
	j := i + 1
	for j < len(s) && s[j] >= '0' && s[j] <= '9' {
		j++
	}
	return s[:min(i+10, j)] + s[j:]
}

// TestDates compares every day of many years with package time.
func TestDates(t *testing.T) {
	g := formatGrammar(t, "date")
	for _, year := range []int{0, 4, 100, 400, 1896, 1900, 1904, 1999, 2000, 2023, 2024, 2100, 2400, 9999} {
		for month := range 14 {
			for day := range 33 {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				_, err := time.Parse("2006-01-02", s)
				if got, _ := g.Matches(`"` + s + `"`); got != (err == nil) {
					t.Errorf("%s: %v", s, got)
				}
			}
		}
	}
}

// TestFormatTexts has what people write, and what they must not.
func TestFormatTexts(t *testing.T) {
	for name, c := range map[string]struct{ yes, no string }{
		"time":      {"00:00:00Z 23:59:59.123456+14:00 12:00:00z", "24:00:00Z 12:60:00Z 12:00:00 12:00Z 12:00:00+24:00 12:00:00.Z"},
		"date-time": {"2024-02-29T12:00:00Z 1985-04-12t23:20:50.52z", "2023-02-29T12:00:00Z 2024-01-01 2024-01-01T00:00Z"},
		"email": {"a@b.org first.last+tag@mail.example.co.uk o'neil@example.com firstname.middlename.lastname.department@example.com x@localhost x@deploy--1.example",
			"a a@ @b a@b@c .a@b a.@b a..b@c a@-b a@b- a@b..c a@ab--c"},
		"hostname": {"a example.com a-b.c x1.y2 " + strings.Repeat("a", 63) + " " + strings.Repeat("abcdef.", 30) + "org",
			"-a a- a..b a_b .a a. " + strings.Repeat("a", 64) + " " + strings.Repeat("abcdef.", 40) + "org"},
		"uuid":     {"123e4567-e89b-12d3-a456-426614174000 FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "123e4567e89b12d3a456426614174000 123e4567-e89b-12d3-a456-42661417400g"},
		"ipv4":     {"0.0.0.0 255.255.255.255 10.1.2.3", "256.1.1.1 01.1.1.1 1.1.1 1.1.1.1.1"},
		"ipv6":     {":: ::1 1:: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1::8 2001:DB8::8a2e:370:7334 ::ffff:1.2.3.4 1:2:3:4:5:6:1.2.3.4", "1 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 ::: 12345:: 1:2:3:4:5:6:7:1.2.3.4 1:2:3:4:5:6:7:8::"},
		"uri":      {"https://user:pw@example.com:8080/a/b;c?x=1&y=%20#z mailto:a@b.org urn:a:b x: file:///etc/hosts http://[::1]/ tel:+1-201-555-0123", "example.com //a/b a%b http://[::1 http://a:b http://é 1a:b http://a/%zz"},
		"duration": {"P1Y P3D PT5M P1Y2M3DT4H5M6S P2W PT1H30M", "P PT P1S 1D P1H P1W2D P1D2M -P1D"},
	} {
		g := formatGrammar(t, name)
		for list, want := range map[string]bool{c.yes: true, c.no: false} {
			for _, s := range strings.Fields(list) {
				if got, _ := g.Matches(`"` + s + `"`); got != want {
					t.Errorf("%s: %s: %v", name, s, got)
				}
			}
		}
	}
}
