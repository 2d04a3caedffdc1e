package regex

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	// blockBytes is how much of a text is known at a time: of the rest only the
	// states at the blocks' ends are kept.
	blockBytes = 1 << 11
	// maxKept bounds the memory for sets of states that is kept from block to block,
	// in words.
	maxKept = 1 << 18
)

// machine matches one expression in one text after the other.
type machine struct {
	re *Regexp
	s  string

	// Sets of states by number, each words long: those that lead to a match. next is
	// the set in front of a character, by the set behind it and the kinds of the
	// character and of the one before; -1 where it is not known yet.
	words  int
	sets   []uint64
	next   []int32
	number map[string]int32
	key    []byte

	// The block from from to to: the characters' places, classes and sizes, and the
	// sets in front of them.
	block    int
	from, to int
	places   []int32
	class    [blockBytes + utf8.UTFMax]uint8
	size     [blockBytes + utf8.UTFMax]uint8
	at       [blockBytes + utf8.UTFMax]int32
	starts   []int    // of the blocks
	ends     []uint64 // the sets in front of them, where there are several
}

func newMachine(re *Regexp) *machine {
	m := &machine{re: re, words: (len(re.insts) + 63) / 64}
	m.key = make([]byte, 8*m.words)
	m.reset()
	return m
}

// reset forgets all sets but the empty one, which is number 0.
func (m *machine) reset() {
	m.sets = append(m.sets[:0], make([]uint64, m.words)...)
	m.next = m.next[:0]
	m.row()
	m.number = map[string]int32{string(make([]byte, 8*m.words)): 0}
}

func (m *machine) row() {
	for range m.re.sigs * (m.re.classes + 1) {
		m.next = append(m.next, -1)
	}
}

// begin takes a text.
func (m *machine) begin(s string) {
	m.s = s
	m.starts, m.ends = m.starts[:0], m.ends[:0]
	for at := 0; ; {
		m.starts = append(m.starts, at)
		if len(s)-at <= blockBytes {
			break
		}
		at = boundary(s, at+blockBytes)
	}
	n := len(m.starts)
	if n > 1 { // the sets at the blocks' ends, from the last on
		m.ends = append(m.ends, make([]uint64, n*m.words)...)
		for k := n - 1; k > 0; k-- {
			m.load(k)
			copy(m.ends[k*m.words:], m.set(m.at[0]))
		}
	}
	m.load(0)
}

// boundary is the start of the character that s[i] belongs to.
func boundary(s string, i int) int {
	for k := i; k > i-utf8.UTFMax; k-- {
		if utf8.RuneStart(s[k]) {
			if _, size := utf8.DecodeRuneInString(s[k:]); k+size > i {
				return k
			}
			break
		}
	}
	return i
}

// load finds the sets of a block.
func (m *machine) load(k int) {
	re, s := m.re, m.s
	m.block, m.from, m.to = k, m.starts[k], len(s)
	if len(m.sets)+len(m.next)/2 > maxKept {
		m.reset()
	}
	last := k+1 == len(m.starts)
	if !last {
		m.to = m.starts[k+1]
	}
	before := re.classes
	if m.from > 0 {
		r, _ := utf8.DecodeLastRuneInString(s[:m.from])
		before = int(re.classRune(r))
	}
	m.places = m.places[:0]
	class := before // of the last character
	for i := m.from; i < m.to; {
		c, size := re.classAt(s, i)
		class = int(c)
		place := i - m.from
		m.places = append(m.places, int32(place))
		m.class[place], m.size[place] = c, uint8(size)
		i += size
	}
	var state int32
	if last {
		state = m.step(0, re.classes, re.sig[class])
	} else {
		state = m.intern(m.ends[(k+1)*m.words : (k+2)*m.words])
	}
	m.at[m.to-m.from] = state
	width := re.classes + 1
	for k := len(m.places) - 1; k >= 0; k-- {
		sig := re.sig[before]
		if k > 0 {
			sig = re.sig[m.class[m.places[k-1]]]
		}
		c := int(m.class[m.places[k]])
		n := m.next[(int(state)*re.sigs+sig)*width+c]
		if n < 0 {
			n = m.step(state, c, sig)
		}
		state = n
		m.at[m.places[k]] = state
	}
}

func (m *machine) set(n int32) []uint64 { return m.sets[int(n)*m.words : (int(n)+1)*m.words] }

// step finds the set in front of a character, or of the text's end.
func (m *machine) step(behind int32, class, sig int) int32 {
	re := m.re
	width := re.classes + 1
	set := make([]uint64, m.words)
	after := m.set(behind)
	has := func(set []uint64, pc int32) bool { return set[pc/64]>>(pc%64)&1 != 0 }
	for _, pc := range re.order {
		in, ok := &re.insts[pc], true
		switch in.op {
		case opSet:
			ok = re.set[int(in.set)*width+class] && has(after, in.out)
		case opSplit:
			ok = has(set, in.out) || has(set, in.alt)
		case opLook:
			ok = has(set, in.alt) != in.not && has(set, in.out)
		case opAssert:
			ok = re.asserts[(int(in.set)*re.sigs+sig)*width+class] && has(set, in.out)
		}
		if ok {
			set[pc/64] |= 1 << (pc % 64)
		}
	}
	n := m.intern(set)
	m.next[(int(behind)*re.sigs+sig)*width+class] = n
	return n
}

// intern returns the number of a set.
func (m *machine) intern(set []uint64) int32 {
	for i, w := range set {
		binary.LittleEndian.PutUint64(m.key[8*i:], w)
	}
	n, ok := m.number[string(m.key)]
	if !ok {
		n = int32(len(m.sets) / m.words)
		m.sets = append(m.sets, set...)
		m.row()
		m.number[string(m.key)] = n
	}
	return n
}

// leads tells whether state pc at s[i] leads to a match.
func (m *machine) leads(pc int32, i int) bool {
	return m.sets[int(m.at[i-m.from])*m.words+int(pc/64)]>>(pc%64)&1 != 0
}

// search returns the first place from from on where a match begins, -1 without one.
func (m *machine) search(from int) int {
	for i := from; i <= len(m.s); {
		for i >= m.to && m.to < len(m.s) {
			m.load(m.block + 1)
		}
		if m.leads(m.re.start, i) {
			return i
		}
		if i == m.to {
			break
		}
		i += int(m.size[i-m.from])
	}
	return -1
}

// match returns the end of the match that begins at s[i].
func (m *machine) match(i int) int {
	pc := m.re.start
	for {
		switch in := &m.re.insts[pc]; in.op {
		case opMatch:
			return i
		case opSet:
			i += int(m.size[i-m.from])
			for i >= m.to && m.to < len(m.s) {
				m.load(m.block + 1)
			}
			pc = in.out
		case opSplit:
			if pc = in.out; !m.leads(pc, i) {
				pc = in.alt
			}
		default: // it holds, since the state leads to a match
			pc = in.out
		}
	}
}
