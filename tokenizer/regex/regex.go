// Package regex matches the regular expressions of tokenizer.json, as the library
// behind it (Oniguruma, with Ruby's syntax) reads them: alternatives in order of
// preference, greedy and lazy repeats, classes with unions and intersections, and
// looking ahead. The time is linear in the text, whatever the expression.
//
// A pass from the end of the text to its front finds, for every place, the states of
// the expression that lead to a match from there. Looking ahead is then a bit that is
// known, and a match is a walk that takes the preferred way among those that do not
// fail: it never goes back.
//
// What cannot be had that way is refused when it is compiled: references to groups,
// recursion, looking behind further than one character, atomic groups of more than a
// class, and endless repeats of what may match nothing.
package regex

import (
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
)

// Limits on an expression. The largest in use have a thousand states, from \s{512}.
const (
	maxPattern = 1 << 16 // bytes
	maxStates  = 1 << 12
	maxClasses = 255     // kinds of characters that it tells apart
	maxRow     = 1 << 11 // kinds of characters times kinds of the ones before
	maxDepth   = 200     // of groups and classes in each other
	maxRanges  = 1 << 19 // of characters, in all classes together
)

// Regexp is a compiled expression. It is safe for concurrent use.
type Regexp struct {
	insts []inst
	order []int32 // of insts, such that each comes behind those that it asks
	start int32
	set   []bool // [set][class]: whether the class lies in it, and false for the end

	classOf [1 << 16]uint8 // of the characters of the basic plane
	bounds  []rune         // where classes change
	class   []uint8        // from bounds[i] on

	classes int    // the end of the text is the class with this number
	sigs    int    // kinds of characters in front
	sig     []int  // by class; the begin of the text has the number classes
	asserts []bool // [assert][sig][class]

	run *run // where the whole expression is a repeat of one class

	machines sync.Pool
}

// run is the expression S{least,most} for a set S, greedy; most is 0 where it is endless.
type run struct {
	least, most int
	in          []bool // by class
}

// inst is a state.
type inst struct {
	op  op
	not bool  // of opLook
	set int32 // opSet: in Regexp.set; opAssert: in Regexp.asserts
	out int32 // where it goes on; for opSplit the preferred way
	alt int32 // opSplit: the other way; opLook: what must match, or must not
}

type op uint8

const (
	opMatch  op = iota
	opSet       // one character of a set
	opSplit     // out, or alt
	opLook      // looks ahead
	opAssert    // a condition on the characters before and behind
)

// Compile compiles an expression.
func Compile(pattern string) (*Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("an expression of %d bytes; at most %d are taken", len(pattern), maxPattern)
	}
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("not UTF-8")
	}
	tree, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	re, err := compile(tree)
	if err != nil {
		return nil, err
	}
	re.findRun(tree)
	re.machines.New = func() any { return newMachine(re) }
	return re, nil
}

// Matches calls yield for each match in s, from left to right. An empty match directly
// behind another match is none, and the search goes on behind the next character.
func (re *Regexp) Matches(s string, yield func(start, end int)) {
	if re.run != nil {
		for i := 0; i < len(s); {
			start, end := re.Next(s, i)
			if start == end {
				break
			}
			yield(start, end)
			i = end
		}
		return
	}
	m := re.machines.Get().(*machine)
	m.begin(s)
	last := -1
	for from := 0; ; {
		start := m.search(from)
		if start < 0 {
			break
		}
		end := m.match(start)
		if start == end && end == last {
			if end == len(s) {
				break
			}
			_, size := utf8.DecodeRuneInString(s[end:])
			from = end + size
			continue
		}
		yield(start, end)
		from, last = end, end
	}
	m.s = ""
	re.machines.Put(m)
}

// findRun recognizes what Next can match.
func (re *Regexp) findRun(n *node) {
	r := &run{least: 1, most: 1}
	one := n
	switch {
	case n.kind == kindRepeat && !n.lazy && n.min > 0:
		one, r.least, r.most = n.subs[0], n.min, max(n.max, 0)
	case n.kind == kindSequence && len(n.subs) > 0:
		one, r.least, r.most = n.subs[0], len(n.subs), len(n.subs)
	}
	s, ok := one.single()
	if n.kind == kindSequence && ok {
		for _, sub := range n.subs {
			other, one := sub.single()
			ok = ok && one && slices.Equal(s, other)
		}
	}
	if !ok {
		return
	}
	r.in = make([]bool, re.classes)
	for i, lo := range re.bounds {
		r.in[re.class[i]] = s.has(lo)
	}
	re.run = r
}

// Run reports whether the expression is a greedy repeat of one class of characters,
// such as \p{N}{1,3}. Next and Has are for those alone.
func (re *Regexp) Run() bool { return re.run != nil }

// Has tells whether a character is of the class of a run.
func (re *Regexp) Has(r rune) bool { return re.run.in[re.classRune(r)] }

// Next returns the first match of a run in s[i:], or len(s) twice.
func (re *Regexp) Next(s string, i int) (start, end int) {
	for i < len(s) {
		class, size := re.classAt(s, i)
		if !re.run.in[class] {
			i += size
			continue
		}
		start, n := i, 0
		for i < len(s) && (re.run.most == 0 || n < re.run.most) {
			if class, size = re.classAt(s, i); !re.run.in[class] {
				break
			}
			i += size
			n++
		}
		if n >= re.run.least {
			return start, i
		}
	}
	return len(s), len(s)
}

// Repeats returns how often a run's class may repeat: at most 0 is endlessly.
func (re *Regexp) Repeats() (least, most int) { return re.run.least, re.run.most }

// classAt returns the class and size of the character at s[i].
func (re *Regexp) classAt(s string, i int) (uint8, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return re.classOf[b], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	return re.classRune(r), size
}

func (re *Regexp) classRune(r rune) uint8 {
	if r < 1<<16 {
		return re.classOf[r]
	}
	low, high := 0, len(re.bounds)
	for high-low > 1 {
		if mid := (low + high) / 2; re.bounds[mid] <= r {
			low = mid
		} else {
			high = mid
		}
	}
	return re.class[low]
}
