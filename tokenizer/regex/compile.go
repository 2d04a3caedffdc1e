package regex

import (
	"errors"
	"fmt"
	"slices"
)

// compiler turns a parsed expression into states.
type compiler struct {
	insts   []inst
	sets    []set
	asserts []*node
}

func compile(tree *node) (*Regexp, error) {
	c := &compiler{}
	match, err := c.emit(inst{op: opMatch})
	if err != nil {
		return nil, err
	}
	re := new(Regexp)
	if re.start, err = c.compile(tree, match); err != nil {
		return nil, err
	}
	re.insts = c.insts
	if re.order, err = c.sort(); err != nil {
		return nil, err
	}
	return re, re.classify(c)
}

func (c *compiler) emit(i inst) (int32, error) {
	if len(c.insts) == maxStates {
		return 0, fmt.Errorf("an expression of more than %d states", maxStates)
	}
	c.insts = append(c.insts, i)
	return int32(len(c.insts) - 1), nil
}

// compile emits the states of n, which go on at out, and returns the first.
func (c *compiler) compile(n *node, out int32) (int32, error) {
	switch n.kind {
	case kindEmpty:
		return out, nil
	case kindSet:
		c.sets = append(c.sets, n.set)
		return c.emit(inst{op: opSet, set: int32(len(c.sets) - 1), out: out})
	case kindSequence:
		var err error
		for _, sub := range slices.Backward(n.subs) {
			if out, err = c.compile(sub, out); err != nil {
				break
			}
		}
		return out, err
	case kindOneOf:
		return c.oneOf(n.subs, out)
	case kindRepeat:
		return c.repeat(n, out)
	case kindAhead:
		match, err := c.emit(inst{op: opMatch})
		if err != nil {
			return 0, err
		}
		look, err := c.compile(n.subs[0], match)
		if err != nil {
			return 0, err
		}
		return c.emit(inst{op: opLook, not: n.not, out: out, alt: look})
	}
	c.asserts = append(c.asserts, n)
	return c.emit(inst{op: opAssert, set: int32(len(c.asserts) - 1), out: out})
}

func (c *compiler) oneOf(subs []*node, out int32) (int32, error) {
	alt, err := c.compile(subs[len(subs)-1], out)
	for _, sub := range slices.Backward(subs[:len(subs)-1]) {
		if err != nil {
			break
		}
		var first int32
		if first, err = c.compile(sub, out); err == nil {
			alt, err = c.emit(inst{op: opSplit, out: first, alt: alt})
		}
	}
	return alt, err
}

func (c *compiler) repeat(n *node, out int32) (int32, error) {
	sub, err := n.subs[0], error(nil)
	if n.max != 0 && sub.kind == kindEmpty {
		return out, nil
	}
	split := func(more, enough int32) inst {
		if n.lazy {
			return inst{op: opSplit, out: enough, alt: more}
		}
		return inst{op: opSplit, out: more, alt: enough}
	}
	least := n.min
	if n.max < 0 {
		loop, err := c.emit(inst{})
		if err != nil {
			return 0, err
		}
		body, err := c.compile(sub, loop)
		if err != nil {
			return 0, err
		}
		c.insts[loop] = split(body, out)
		if out = loop; least > 0 { // the first time need not be asked for
			out = body
			least--
		}
	}
	enough := out
	for range n.max - n.min {
		var body int32
		if body, err = c.compile(sub, out); err != nil {
			return 0, err
		}
		if out, err = c.emit(split(body, enough)); err != nil {
			return 0, err
		}
	}
	for range least {
		if out, err = c.compile(sub, out); err != nil {
			return 0, err
		}
	}
	return out, nil
}

// sort puts the states in an order in which each comes behind those that it asks
// without taking a character.
func (c *compiler) sort() ([]int32, error) {
	order := make([]int32, 0, len(c.insts))
	state := make([]uint8, len(c.insts)) // 1: begun, 2: done
	var visit func(pc int32) bool
	visit = func(pc int32) bool {
		if state[pc] != 0 {
			return state[pc] == 2
		}
		state[pc] = 1
		switch in := &c.insts[pc]; in.op {
		case opSplit, opLook:
			if !visit(in.alt) || !visit(in.out) {
				return false
			}
		case opAssert:
			if !visit(in.out) {
				return false
			}
		}
		state[pc] = 2
		order = append(order, pc)
		return true
	}
	for pc := range c.insts {
		if !visit(int32(pc)) {
			return nil, errors.New("an endless repeat of what may match nothing is not supported")
		}
	}
	return order, nil
}

// classify sorts all characters into classes of those that no set tells apart.
func (re *Regexp) classify(c *compiler) error {
	sets := slices.Clone(c.sets)
	behind := len(sets) // sets from here on are asked of the character before
	for _, a := range c.asserts {
		switch a.kind {
		case kindBehind:
			sets = append(sets, a.set)
		case kindWord:
			sets = append(sets, word())
		default:
			sets = append(sets, nil)
		}
	}
	// Many states ask the same: each set once.
	unique, at := [][]span{}, make([]int, len(sets))
	for i, s := range sets {
		at[i] = slices.IndexFunc(unique, func(u []span) bool { return slices.Equal(u, s) })
		if at[i] < 0 {
			at[i] = len(unique)
			unique = append(unique, s)
		}
	}
	cuts := []rune{0}
	for _, s := range unique {
		for _, r := range s {
			cuts = append(cuts, r.lo, r.hi+1)
		}
	}
	slices.Sort(cuts)
	re.bounds = slices.Compact(cuts)
	re.class = make([]uint8, len(re.bounds))
	number := map[string]int{}
	var members [][]byte // by class, then set
	for i, r := range re.bounds {
		key := make([]byte, len(unique))
		for k, s := range unique {
			if set(s).has(r) {
				key[k] = 1
			}
		}
		n, ok := number[string(key)]
		if !ok {
			n = len(members)
			if n == maxClasses {
				return fmt.Errorf("an expression that tells more than %d kinds of characters apart", maxClasses)
			}
			number[string(key)] = n
			members = append(members, key)
		}
		re.class[i] = uint8(n)
		next := rune(1 << 16)
		if i+1 < len(re.bounds) {
			next = min(next, re.bounds[i+1])
		}
		for ; r < next; r++ {
			re.classOf[r] = uint8(n)
		}
	}
	re.classes = len(members)
	return re.tables(c, members, at, behind)
}

// tables fills what the classes lie in, and what asserts say where they meet.
func (re *Regexp) tables(c *compiler, members [][]byte, at []int, behind int) error {
	n := re.classes
	re.set = make([]bool, len(c.sets)*(n+1))
	for i := range c.sets {
		for class := range n {
			re.set[i*(n+1)+class] = members[class][at[i]] == 1
		}
	}
	// What asserts ask of the character before: one bit each.
	asks := at[behind:]
	has := func(class, i int) bool { return class < n && members[class][asks[i]] == 1 }
	re.sig = make([]int, n+1)
	number := map[string]int{}
	var first []int // a class of each kind
	for class := range n + 1 {
		key := make([]byte, len(asks)+1)
		for i := range asks {
			if has(class, i) {
				key[i] = 1
			}
		}
		if class == n && len(asks) > 0 {
			key[len(asks)] = 1
		}
		sig, ok := number[string(key)]
		if !ok {
			sig = len(first)
			number[string(key)] = sig
			first = append(first, class)
		}
		re.sig[class] = sig
	}
	re.sigs = len(first)
	if re.sigs*(n+1) > maxRow {
		return fmt.Errorf("an expression that tells too many pairs of characters apart")
	}
	re.asserts = make([]bool, len(asks)*re.sigs*(n+1))
	for i, a := range c.asserts {
		for sig, before := range first {
			for class := range n + 1 {
				var ok bool
				switch a.kind {
				case kindBehind:
					ok = has(before, i) != a.not
				case kindBegin:
					ok = before == n
				case kindEnd:
					ok = class == n
				case kindWord:
					ok = (has(before, i) != has(class, i)) != a.not
				}
				re.asserts[(i*re.sigs+sig)*(n+1)+class] = ok
			}
		}
	}
	return nil
}
