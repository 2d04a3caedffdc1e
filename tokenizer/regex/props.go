package regex

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// property returns the set of a property by its name in \p{...} or [:...:].
func property(name string, posix bool) (set, bool) {
	key := strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
	if posix && key == "punct" {
		key = "posixpunct"
	}
	make, ok := named()[key]
	if !ok {
		return nil, false
	}
	if s, ok := made.Load(key); ok {
		return s.(set), true
	}
	s := slices.Clip(make())
	made.Store(key, s)
	return s, true
}

// made are the sets of properties that were asked for, which nobody changes.
var made sync.Map

// named are the properties by name, in lower case and without separators.
var named = sync.OnceValue(func() map[string]func() set {
	m := map[string]func() set{
		"any":        func() set { return set{{0, unicode.MaxRune}} },
		"ascii":      func() set { return set{{0, 0x7f}} },
		"alpha":      alphabetic,
		"digit":      func() set { return category("Nd") },
		"alnum":      func() set { return union(alphabetic(), category("Nd")) },
		"punct":      func() set { return category("P") },
		"posixpunct": func() set { return union(category("P"), category("S")) },
		"space":      space,
		"blank":      func() set { return union(category("Zs"), set{{'\t', '\t'}}) },
		"cntrl":      func() set { return category("Cc") },
		"xdigit":     hex,
		"word":       word,
		"lower":      func() set { return union(category("Ll"), fromTable(unicode.Other_Lowercase)) },
		"upper":      func() set { return union(category("Lu"), fromTable(unicode.Other_Uppercase)) },
		"letter":     func() set { return category("L") },
		"mark":       func() set { return category("M") },
		"number":     func() set { return category("N") },
		"symbol":     func() set { return category("S") },
		"unassigned": func() set { return category("Cn") },
	}
	for long, short := range map[string]string{
		"alphabetic": "alpha", "whitespace": "space", "lowercase": "lower", "uppercase": "upper", "punctuation": "punct",
	} {
		m[long] = m[short]
	}
	for long, short := range map[string]string{
		"uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
		"nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me", "decimalnumber": "Nd", "letternumber": "Nl",
		"othernumber": "No", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps",
		"closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
		"mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
		"separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
		"control": "Cc", "format": "Cf", "privateuse": "Co", "cn": "Cn",
	} {
		m[long] = func() set { return category(short) }
	}
	for name := range unicode.Categories {
		m[strings.ToLower(name)] = func() set { return category(name) }
	}
	for name := range unicode.Scripts {
		m[strings.ToLower(strings.ReplaceAll(name, "_", ""))] = func() set { return withNew(fromTable(unicode.Scripts[name]), name) }
	}
	return m
})

// category is a general category, or all whose names begin with a letter.
func category(name string) set {
	if name == "Cn" {
		var all set
		for _, c := range []string{"L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Co", "Cs"} {
			all = append(all, category(c)...)
		}
		return all.normal().negate()
	}
	return withNew(fromTable(unicode.Categories[name]), name)
}

// withNew adds the characters that Go's tables do not have yet.
func withNew(s set, name string) set {
	for _, c := range newer {
		if c.name == name || len(name) == 1 && len(c.name) == 2 && c.name[:1] == name {
			s = append(s, c.chars...)
		}
	}
	s = s.normal()
	if name == "Mn" { // a mark that takes room now
		s = s.intersect(set{{0x1171e, 0x1171e}}.negate())
	}
	return s
}

func space() set { return fromTable(unicode.White_Space) }
func hex() set   { return set{{'0', '9'}, {'A', 'F'}, {'a', 'f'}} }

func alphabetic() set {
	return union(category("L"), category("Nl"), fromTable(unicode.Other_Alphabetic))
}

// word is \w. The six numbers are Oniguruma's own.
func word() set {
	return union(alphabetic(), category("M"), category("Nd"), category("Pc"), set{{0xb2, 0xb3}, {0xb9, 0xb9}, {0xbc, 0xbe}})
}

// foldable are the characters with other cases.
var foldable = sync.OnceValue(func() []rune {
	var out []rune
	for r := range rune(0x1E944) {
		if unicode.SimpleFold(r) != r {
			out = append(out, r)
		}
	}
	return out
})
