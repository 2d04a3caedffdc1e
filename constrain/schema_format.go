package constrain

import (
	"strconv"
	"strings"
	"sync"
)

// pattern returns the strings that a pattern is found in.
func (c *schemaCompiler) pattern(text, path string) (textSet, error) {
	if s, ok := c.exprs[text]; ok {
		return s, nil
	}
	e, err := ParsePattern(text, PatternOptions{Search: true, ECMA: true})
	if err != nil {
		return noTexts, schemaWrap(err, path, "")
	}
	s := textSet{e: e}
	c.exprs[text] = s
	return s, nil
}

// formats are those that are held, as expressions over characters. All of them
// are ASCII.
var formats = sync.OnceValue(func() map[string]Expr {
	m := map[string]Expr{
		"date": dateText(), "time": timeText(), "email": emailText(), "uuid": uuidText(),
		"ipv4": ipv4Text(), "ipv6": ipv6Text(), "uri": uriText(), "hostname": hostText(), "duration": durationText(),
	}
	m["date-time"] = Seq(m["date"], Class('T', 'T', 't', 't'), m["time"])
	return m
})

// formatSet returns the strings of a node's format. A format that is not known
// says nothing, except in strict mode.
func formatSet(n *schemaNode, strict bool) (textSet, error) {
	if e, ok := formats()[n.format]; ok {
		return textSet{e: e}, nil
	}
	if strict {
		return noTexts, schemaErrorf(n.path+"/format", "the format %s is not known; date, time, date-time, duration, email, hostname, ipv4, ipv6, uri and uuid are",
			strconv.QuoteToASCII(n.format))
	}
	return allTexts, nil
}

// chars is one of the characters of a text.
func chars(text string) Expr { return Class(pairs(text)...) }

// pairs is the characters of a text as ranges.
func pairs(text string) []rune {
	var ranges []rune
	for _, r := range text {
		ranges = append(ranges, r, r)
	}
	return ranges
}

func times(x Expr, n int) Expr { return Repeat(x, n, n) }

// oneOf is one of the words in a text.
func oneOf(words string) Expr {
	var parts []Expr
	for _, w := range strings.Fields(words) {
		parts = append(parts, Lit(w))
	}
	return Alt(parts...)
}

// dateText is RFC 3339's full-date. 29 February is a day of leap years alone.
func dateText() Expr {
	year := times(digit, 4)
	two := Alt(oneOf("01 02 03 04 05 06 07 08 09"), Seq(chars("12"), digit))
	upTo28 := Alt(Seq(Lit("0"), Class('1', '9')), Seq(Lit("1"), digit), Seq(Lit("2"), Class('0', '8')))
	// Years that 4 divides, by their last two digits.
	fours := Alt(Seq(chars("02468"), chars("048")), Seq(chars("13579"), chars("26")))
	foursNot00 := Alt(oneOf("04 08"), Seq(chars("2468"), chars("048")), Seq(chars("13579"), chars("26")))
	leap := Alt(Seq(digit, digit, foursNot00), Seq(fours, Lit("00")))
	return Alt(
		Seq(year, Lit("-"), oneOf("01 03 05 07 08 10 12"), Lit("-"), Alt(two, oneOf("30 31"))),
		Seq(year, Lit("-"), oneOf("04 06 09 11"), Lit("-"), Alt(two, Lit("30"))),
		Seq(year, Lit("-02-"), upTo28),
		Seq(leap, Lit("-02-29")),
	)
}

// timeText is RFC 3339's full-time, without leap seconds.
func timeText() Expr {
	hour := Alt(Seq(chars("01"), digit), Seq(Lit("2"), Class('0', '3')))
	sixty := Seq(Class('0', '5'), digit)
	return Seq(hour, Lit(":"), sixty, Lit(":"), sixty, Optional(fraction),
		Alt(chars("Zz"), Seq(chars("+-"), hour, Lit(":"), sixty)))
}

// emailText is RFC 5321's mailbox, with a local part of plain atoms and a host
// name. The local part has at most 64 characters: one atom, two, or up to 11
// whose lengths leave room for each other.
func emailText() Expr {
	c := Class('a', 'z', 'A', 'Z', '0', '9', '!', '!', '#', '\'', '*', '+', '-', '-', '/', '/', '=', '=', '?', '?', '^', '`', '{', '~')
	local := Alt(Repeat(c, 1, 64), dotted(c, 31, 2), dotted(c, 20, 3), dotted(c, 15, 4), dotted(c, 11, 5), dotted(c, 5, 10))
	return Seq(local, Lit("@"), hostText())
}

// dotted is 1 to n words of up to longest characters, with dots between.
func dotted(c Expr, longest, n int) Expr {
	word := Repeat(c, 1, longest)
	return Seq(word, Repeat(Seq(Lit("."), word), 0, n-1))
}

func alphanumeric(more ...rune) Expr {
	return Class(append([]rune{'a', 'z', 'A', 'Z', '0', '9'}, more...)...)
}

// hostText is RFC 1123's host name: labels of up to 63 letters, digits and inner
// hyphens, together at most 253 characters: 4 labels of any length, or up to 8 of
// 30, 19 of 12, or 36 of 6.
func hostText() Expr {
	names := func(longest, n int) Expr {
		l := hostLabel(longest)
		return Seq(l, Repeat(Seq(Lit("."), l), 0, n-1))
	}
	long := Seq(Repeat(Seq(hostLabel(63), Lit(".")), 0, 3), hostLabel(61))
	return Alt(hostLabel(63), long, names(30, 8), names(12, 19), names(6, 36))
}

// hostLabel is a label of up to n characters. Labels with two hyphens behind two
// characters are encoded (xn--) or reserved, and left out.
func hostLabel(n int) Expr {
	a, x := alphanumeric(), alphanumeric('-', '-')
	return Seq(a, Optional(Alt(a, // 2
		Seq(x, a, Optional(Seq(Repeat(x, 0, n-4), a))),
		Seq(x, Lit("-"), a, Optional(Seq(Repeat(x, 0, n-5), a))))))
}

func uuidText() Expr {
	hex := Class('0', '9', 'a', 'f', 'A', 'F')
	return Seq(times(hex, 8), times(Seq(Lit("-"), times(hex, 4)), 3), Lit("-"), times(hex, 12))
}

func ipv4Text() Expr {
	n := Alt(digit, Seq(Class('1', '9'), digit), Seq(Lit("1"), digit, digit), Seq(Lit("2"), Class('0', '4'), digit), Seq(Lit("25"), Class('0', '5')))
	return Seq(n, times(Seq(Lit("."), n), 3))
}

// ipv6Text is RFC 4291's, without a zone. Two colons stand for at least one group.
func ipv6Text() Expr {
	h := Repeat(Class('0', '9', 'a', 'f', 'A', 'F'), 1, 4)
	group := Seq(h, Lit(":"))
	last := Alt(Seq(group, h), ipv4Text()) // 32 bits
	parts := []Expr{Seq(times(group, 6), last)}
	for before := 0; before <= 7; before++ {
		front := Seq()
		if before > 0 {
			front = Seq(h, times(Seq(Lit(":"), h), before-1))
		}
		// Behind the colons stand at most 7-before groups.
		after := []Expr{Seq()}
		if before <= 6 {
			after = append(after, h)
		}
		if before <= 5 {
			after = append(after, Seq(Repeat(group, 0, 5-before), last))
		}
		parts = append(parts, Seq(front, Lit("::"), Alt(after...)))
	}
	return Alt(parts...)
}

// uriText is RFC 3986's URI, with a scheme. Hosts are names or IPv4 addresses,
// without percent signs, which readers disagree on, or IPv6 addresses in brackets.
func uriText() Expr {
	hex := Class('0', '9', 'a', 'f', 'A', 'F')
	encoded := Seq(Lit("%"), hex, hex)
	of := func(more string) Expr {
		return Alt(alphanumeric(pairs("-._~!$&'()*+,;="+more)...), encoded)
	}
	many := func(x Expr) Expr { return Repeat(x, 0, -1) }
	segments := many(Seq(Lit("/"), many(of(":@"))))
	name := alphanumeric(pairs("-._~!$&'()*+,;=")...)
	host := Alt(many(name), Seq(Lit("["), ipv6Text(), Lit("]")))
	authority := Seq(Lit("//"), Optional(Seq(many(of(":")), Lit("@"))), host, Optional(Seq(Lit(":"), Repeat(digit, 0, 5))))
	return Seq(Class('a', 'z', 'A', 'Z'), many(alphanumeric('+', '+', '-', '-', '.', '.')), Lit(":"),
		Alt(Seq(authority, segments), Seq(Optional(Lit("/")), Repeat(of(":@"), 1, -1), segments), Lit("/"), Seq()),
		Optional(Seq(Lit("?"), many(of(":@/?")))), Optional(Seq(Lit("#"), many(of(":@/?")))))
}

// durationText is RFC 3339's appendix A.
func durationText() Expr {
	n := Repeat(digit, 1, -1)
	unit := func(letter string, rest ...Expr) Expr {
		e := Seq(n, Lit(letter))
		if len(rest) > 0 {
			e = Seq(e, Optional(rest[0]))
		}
		return e
	}
	second := unit("S")
	minute := unit("M", second)
	hour := unit("H", minute)
	clock := Seq(Lit("T"), Alt(hour, minute, second))
	day := unit("D")
	month := unit("M", day)
	year := unit("Y", month)
	return Seq(Lit("P"), Alt(Seq(Alt(day, month, year), Optional(clock)), clock, unit("W")))
}
