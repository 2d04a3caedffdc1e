package constrain

import (
	"bytes"
	"slices"
)

// trie is tokens by their bytes, in depth-first order.
type trie struct {
	nodes []trieNode
	depth int // bytes of the longest token
}

type trieNode struct {
	token int32 // the first that ends here, or -1; the vocabulary knows others with its bytes
	next  int32 // the first node that is not below this one
	depth uint16
	b     byte
}

// newTrie is a trie of tokens that are sorted by their bytes, all different.
func newTrie(tokens [][]byte, order []int32) *trie {
	t := new(trie)
	var path []int32 // nodes of the token before
	var last []byte
	for _, id := range order {
		text := tokens[id]
		common := 0
		for common < min(len(text), len(last)) && text[common] == last[common] {
			common++
		}
		t.close(path[common:])
		path = path[:common]
		for d := common; d < len(text); d++ {
			path = append(path, int32(len(t.nodes)))
			t.nodes = append(t.nodes, trieNode{token: -1, depth: uint16(d), b: text[d]})
		}
		t.nodes[path[len(path)-1]].token = id
		t.depth = max(t.depth, len(text))
		last = text
	}
	t.close(path)
	return t
}

// close says that nodes have all that is below them.
func (t *trie) close(path []int32) {
	for _, at := range path {
		t.nodes[at].next = int32(len(t.nodes))
	}
}

// find is the node of a text, or -1. each is told of the nodes on the way.
func (t *trie) find(text []byte, each func(at int32)) int32 {
	at, end := int32(-1), int32(len(t.nodes))
	for _, b := range text {
		n := at + 1
		for n < end && t.nodes[n].b != b {
			n = t.nodes[n].next
		}
		if n >= end {
			return -1
		}
		each(n)
		at, end = n, t.nodes[n].next
	}
	return at
}

// sortTokens lists the tokens with bytes in their order, and of those with the same
// bytes the first; same has the others.
func sortTokens(tokens [][]byte) (order []int32, same map[int32][]int32) {
	for id, t := range tokens {
		if len(t) > 0 {
			order = append(order, int32(id))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(tokens[a], tokens[b]) })
	same = map[int32][]int32{}
	kept := order[:0]
	for _, id := range order {
		if n := len(kept); n > 0 && bytes.Equal(tokens[kept[n-1]], tokens[id]) {
			same[kept[n-1]] = append(same[kept[n-1]], id)
		} else {
			kept = append(kept, id)
		}
	}
	return kept, same
}
