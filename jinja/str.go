package jinja

import (
	"sort"
	"strings"
)

// str is a text with its mark. Operations do not look at the mark, they only
// pass it on: a text does what its characters do.
type str struct {
	s    string
	mark *mark // nil: the template's own text, not Markup
}

// mark says where a text's bytes came from, which keeps them from becoming
// special tokens. It also says whether the text is Jinja's Markup: such a text
// is HTML already, and text that is joined with it gets escaped.
type mark struct {
	all    bool   // every byte came from outside, or else
	spans  []span // those that did, in order, with something between them
	shift  int32  // the origin of spans
	markup bool
}

// span is bytes from up to to.
type span struct{ from, to int32 }

var uniform = [2][2]*mark{{nil, {markup: true}}, {{all: true}, {all: true, markup: true}}}

// whole is the mark of a text that is all from one side.
func whole(outside, markup bool) *mark {
	i, j := 0, 0
	if outside {
		i = 1
	}
	if markup {
		j = 1
	}
	return uniform[i][j]
}

func plain(s string) str { return str{s: s} }

func (x str) isMarkup() bool { return x.mark != nil && x.mark.markup }

// mixed tells whether only a part of x is from outside.
func (x str) mixed() bool { return x.mark != nil && x.mark.spans != nil }

// as is x, as Markup or not.
func (x str) as(markup bool) str {
	switch {
	case x.isMarkup() == markup:
	case x.mixed():
		k := *x.mark
		k.markup = markup
		x.mark = &k
	default:
		x.mark = whole(x.mark != nil && x.mark.all, markup)
	}
	return x
}

// eachSpan calls f for the parts of x from outside.
func (x str) eachSpan(f func(from, to int32)) {
	switch {
	case x.mark == nil || x.s == "":
	case x.mark.all:
		f(0, int32(len(x.s)))
	default:
		for _, p := range x.mark.spans {
			from, to := max(p.from-x.mark.shift, 0), min(p.to-x.mark.shift, int32(len(x.s)))
			if from < to {
				f(from, to)
			}
		}
	}
}

// sub is bytes i up to j.
func (x str) sub(i, j int) str {
	if !x.mixed() {
		return str{x.s[i:j], x.mark}
	}
	k := x.mark
	from, to := k.shift+int32(i), k.shift+int32(j)
	lo := sort.Search(len(k.spans), func(n int) bool { return k.spans[n].to > from })
	hi := lo + sort.Search(len(k.spans)-lo, func(n int) bool { return k.spans[lo+n].from >= to })
	switch spans := k.spans[lo:hi]; {
	case len(spans) == 0:
		return str{x.s[i:j], whole(false, k.markup)}
	case spans[0].from <= from && spans[0].to >= to:
		return str{x.s[i:j], whole(true, k.markup)}
	default:
		return str{x.s[i:j], &mark{spans: spans, shift: from, markup: k.markup}}
	}
}

func (x str) from(i int) str { return x.sub(i, len(x.s)) }

// at is s, which stands for the character of x at byte i.
func (x str) at(i int, s string) str {
	if !x.mixed() {
		return str{s, x.mark}
	}
	return str{s, x.sub(i, i+1).mark}
}

// parts makes items of parts of x.
func (x str) parts(cuts []cut) []any {
	items := make([]any, len(cuts))
	for n, c := range cuts {
		items[n] = x.sub(c.from, c.to)
	}
	return items
}

// cut is bytes of a text, from up to to.
type cut struct{ from, to int }

// builder puts a text together and keeps track of where its parts came from.
type builder struct {
	text  strings.Builder
	spans []span
}

func (b *builder) put(x str) {
	at := int32(b.text.Len())
	b.text.WriteString(x.s)
	if x.mark == nil {
		return
	}
	x.eachSpan(func(from, to int32) {
		from, to = at+from, at+to
		if n := len(b.spans); n > 0 && b.spans[n-1].to == from {
			b.spans[n-1].to = to
			return
		}
		b.spans = append(b.spans, span{from, to})
	})
}

func (b *builder) str(markup bool) str {
	x := str{s: b.text.String()}
	switch {
	case len(b.spans) == 0:
		x.mark = whole(false, markup)
	case b.spans[0] == span{0, int32(len(x.s))}:
		x.mark = whole(true, markup)
	default:
		x.mark = &mark{spans: b.spans, markup: markup}
	}
	return x
}
