package schedule

// label is one token of a timeline and how it was computed. Keys and values of
// a token that was read as a prompt and of one that was decoded may differ in
// their last bits, so they are two labels.
type label uint64

const (
	read    = iota // as part of a prompt
	decoded        // as a row of a pass
	begun          // as a prompt's first token, where no unit begins
)

// run is a stretch of a timeline that was computed in one way, up to the next.
type run struct {
	from    int
	decoded bool
}

// add notes that the tokens from a position on are computed in a way. A prompt
// that goes on at a multiple of the unit goes on with the same bits.
func add(runs []run, from int, decoded bool, unit int) []run {
	for len(runs) > 0 && runs[len(runs)-1].from >= from { // nothing came of it
		runs = runs[:len(runs)-1]
	}
	if n := len(runs); n > 0 {
		last := runs[n-1]
		if last.decoded == decoded && (decoded || from%unit == 0) {
			return runs
		}
	}
	return append(runs, run{from, decoded})
}

// labels are the labels of a timeline's tokens.
func labels(tokens []int32, runs []run, unit int) []label {
	out := make([]label, len(tokens))
	for i, r := range runs {
		end := len(tokens)
		if i+1 < len(runs) {
			end = min(end, runs[i+1].from)
		}
		kind := read
		if r.decoded {
			kind = decoded
		}
		for at := r.from; at < end; at++ {
			out[at] = label(kind)<<32 | label(uint32(tokens[at]))
		}
		if !r.decoded && r.from%unit != 0 && r.from < end && i > 0 && !runs[i-1].decoded {
			out[r.from] = begun<<32 | label(uint32(tokens[r.from]))
		}
	}
	return out
}

func (l label) token() int32 { return int32(uint32(l)) }
func (l label) kind() int    { return int(l >> 32) }

// node is a stretch of labels in a radix tree, and what is kept behind it.
type node struct {
	parent *node
	labels []label // from the parent to here; of the root none
	end    int     // labels from the root to here
	next   map[label]*node
	kept   *entry // or nil
}

// tokens are those of the labels from the root to the node.
func (n *node) tokens() []int32 {
	out := make([]int32, n.end)
	for ; n.parent != nil; n = n.parent {
		for i, l := range n.labels {
			out[n.end-len(n.labels)+i] = l.token()
		}
	}
	return out
}

// walk follows labels down from a node, and returns the last node on the way,
// how many of the labels agree up to there, and how many of the next node's
// agree beyond.
func (n *node) walk(list []label) (at *node, more int) {
	at = n
	for at.end < len(list) {
		child := at.next[list[at.end]]
		if child == nil {
			return at, 0
		}
		k := common(child.labels, list[at.end:])
		if k < len(child.labels) {
			return at, k
		}
		at = child
	}
	return at, 0
}

func common(a, b []label) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// insert makes the node behind all of the labels. It returns how many labels
// the tree holds more.
func (n *node) insert(list []label) (at *node, more int) {
	at, k := n.walk(list)
	if k > 0 {
		at = at.split(list[at.end], k)
	}
	if at.end == len(list) {
		return at, 0
	}
	child := &node{parent: at, labels: append([]label(nil), list[at.end:]...), end: len(list)}
	at.adopt(child)
	return child, len(child.labels)
}

func (n *node) adopt(child *node) {
	if n.next == nil {
		n.next = map[label]*node{}
	}
	child.parent = n
	n.next[child.labels[0]] = child
}

// split cuts the child with a label behind its first k labels.
func (n *node) split(l label, k int) *node {
	child := n.next[l]
	mid := &node{labels: child.labels[:k:k], end: n.end + k}
	child.labels = child.labels[k:]
	n.adopt(mid)
	mid.adopt(child)
	return mid
}

// prune takes out a node that keeps nothing, and those above that kept nothing
// but it. It returns how many labels the tree holds less.
func (n *node) prune() (less int) {
	for n.parent != nil && n.kept == nil && len(n.next) == 0 {
		less += len(n.labels)
		delete(n.parent.next, n.labels[0])
		n = n.parent
	}
	if n.parent != nil && n.kept == nil && len(n.next) == 1 {
		for _, child := range n.next {
			child.labels = append(append([]label(nil), n.labels...), child.labels...)
			n.parent.adopt(child)
		}
	}
	return less
}

// any is an entry somewhere below, or at, the node, or nil.
func (n *node) any() *entry {
	for n.kept == nil {
		var below *node
		for _, child := range n.next { // each has one, and all agree up to the node
			if below == nil || child.labels[0] < below.labels[0] {
				below = child
			}
		}
		if below == nil {
			return nil
		}
		n = below
	}
	return n.kept
}
