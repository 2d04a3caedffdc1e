package schedule

import (
	"container/list"
	"os"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// prefixes keeps beginnings of texts: recurrent states at points, and the keys
// and values before them in pages that points share. Its memory lies outside
// the collector's, so that the budget holds for the process too.
type prefixes struct {
	l      Limits
	budget int64
	held   int64
	trees  map[string]*node // by key
	order  *list.List       // of entries, the one used last in front
	mapped int64            // bytes from which pages lie in files
}

// entry is a point of a text.
type entry struct {
	key    string
	node   *node
	runs   []run
	state  *host.Buffer
	logged int
	pages  []*page // of all positions before the point
	at     *list.Element
	saved  bool // the store has it
}

// page is keys and values of up to Limits.Page positions, in a file without a
// name or in memory.
type page struct {
	f     *os.File // sequences map it, and keep what they mapped when it is closed
	data  *host.Buffer
	bytes int64
	n     int // positions that it holds; memory is rounded up to whole units
	refs  int // entries that share it
}

func newPrefixes(l Limits, budget int64) *prefixes {
	return &prefixes{l: l, budget: budget, trees: map[string]*node{}, order: list.New(), mapped: mapped}
}

// overhead is about what an entry takes beside its state and pages.
const overhead = 512

func (p *prefixes) labels(n int) int64 { return 8 * int64(n) }

// find is the longest kept beginning of a prompt, shorter than it, that may be
// gone on from. branch is how far the prompt agrees with a text that was read.
func (p *prefixes) find(key string, tokens []int32, reuse Reuse) (best *entry, branch int) {
	root := p.trees[key]
	if root == nil || reuse == ReuseNone {
		return nil, 0
	}
	var walk func(n *node)
	walk = func(n *node) {
		if e := n.kept; e != nil && n.end < len(tokens) && (best == nil || n.end > best.node.end) {
			best = e
		}
		if n.end == len(tokens) {
			return
		}
		for kind := read; kind <= begun; kind++ {
			child := n.next[label(kind)<<32|label(uint32(tokens[n.end]))]
			if child == nil {
				continue
			}
			k := child.agrees(tokens[n.end:], reuse)
			if n.end+k > branch {
				branch = n.end + k
			}
			if k == len(child.labels) {
				walk(child)
			}
		}
	}
	walk(root)
	if best != nil {
		p.order.MoveToFront(best.at)
	}
	return best, branch
}

// agrees is how many of the node's labels stand for the tokens.
func (n *node) agrees(tokens []int32, reuse Reuse) int {
	most := min(len(tokens), len(n.labels))
	for i, l := range n.labels[:most] {
		if l.token() != tokens[i] || l.kind() != read && reuse != ReuseAll {
			return i
		}
	}
	return most
}

// start puts an entry into an empty sequence.
func (p *prefixes) start(s Sequence, e *entry, tokens []int32) error {
	for i, pg := range e.pages {
		// A page may hold more than the entry's text. It is overwritten.
		var err error
		switch from := i * p.l.Page; {
		case pg.f != nil:
			err = s.Map(from, from+units32(pg.n), e.node.end, pg.f)
		case pg.bytes > 0:
			err = s.Put(from, from+units32(pg.n), e.node.end, pg.data.Bytes())
		}
		if err != nil {
			return err
		}
	}
	return s.Begin(tokens[:e.node.end], e.state.Bytes(), e.logged)
}

func units32(n int) int {
	return (n + backend.CacheUnit - 1) / backend.CacheUnit * backend.CacheUnit
}

// keep adds a sequence's present point, unless it is there or does not fit the
// budget. Entries that were not used for longest make room for it. Within a
// prompt only multiples of the unit are points, since going on elsewhere would
// change bits. It gives the entry at the point, nil where none is kept.
func (p *prefixes) keep(key string, s Sequence, runs []run) (*entry, error) {
	tokens := s.Tokens()
	if p.budget == 0 || len(tokens) < p.l.Unit || s.Dropped() > 0 {
		return nil, nil
	}
	if len(tokens)%p.l.Unit != 0 && !runs[len(runs)-1].decoded {
		return nil, nil
	}
	root := p.trees[key]
	if root == nil {
		root = &node{}
		p.trees[key] = root
	}
	n, more := root.insert(labels(tokens, runs, p.l.Unit))
	if n.kept != nil {
		p.order.MoveToFront(n.kept.at)
		return n.kept, nil
	}
	e := &entry{key: key, node: n, runs: append([]run(nil), runs...)}
	e.pages = p.shared(n)
	n.kept = e
	p.held += p.labels(more) + overhead
	if !p.room(p.need(e)) {
		p.remove(e)
		return nil, nil
	}
	if err := p.fill(e, s); err != nil {
		p.remove(e)
		return nil, err
	}
	p.deepen(e)
	e.at = p.order.PushFront(e)
	return e, nil
}

// shared lists the pages that entries above and below a new point have of its
// text, nil where there are none.
func (p *prefixes) shared(n *node) []*page {
	pages := make([]*page, (n.end+p.l.Page-1)/p.l.Page)
	take := func(e *entry) {
		for i := range min(len(pages), len(e.pages)) {
			// Behind an entry's end its page may hold another text.
			has := min(e.pages[i].n, e.node.end-i*p.l.Page)
			if pages[i] == nil && has >= min(p.l.Page, n.end-i*p.l.Page) {
				pages[i] = e.pages[i]
				pages[i].refs++
			}
		}
	}
	if below := n.any(); below != nil {
		take(below)
	}
	for above := n.parent; above != nil; above = above.parent {
		if above.kept != nil {
			take(above.kept)
			break
		}
	}
	return pages
}

// need is the memory that an entry takes beside what is there.
func (p *prefixes) need(e *entry) int64 {
	sum := p.l.State
	for i, pg := range e.pages {
		if pg == nil {
			sum += p.size(min(p.l.Page, e.node.end-i*p.l.Page))
		}
	}
	return sum
}

// room evicts until that much more fits the budget.
func (p *prefixes) room(need int64) bool {
	for p.held+need > p.budget {
		last := p.order.Back()
		if last == nil {
			return false
		}
		p.remove(last.Value.(*entry))
	}
	return true
}

// fill copies what is new.
func (p *prefixes) fill(e *entry, s Sequence) (err error) {
	if e.state, err = p.alloc(p.l.State); err != nil {
		return err
	}
	if e.logged, err = s.Point(e.state.Bytes()); err != nil {
		return err
	}
	for i := range e.pages {
		if e.pages[i] != nil {
			continue
		}
		from := i * p.l.Page
		if e.pages[i], err = p.page(s, from, min(p.l.Page, e.node.end-from)); err != nil {
			return err
		}
	}
	return nil
}

// mapped is the size from which pages lie in files. Smaller ones are copied in no
// time, and would take many files.
const mapped = 4 << 20

// size is the memory of a page of n positions.
func (p *prefixes) size(n int) int64 {
	bytes := p.l.rows(n)
	if bytes >= p.mapped {
		bytes += p.l.Slack
	}
	return bytes
}

// page copies a page out of a sequence.
func (p *prefixes) page(s Sequence, from, n int) (_ *page, err error) {
	pg := &page{n: n, refs: 1, bytes: p.size(n)}
	if pg.bytes > 0 && pg.bytes >= p.mapped {
		pg.f, _ = unnamed() // where there is none, memory does
	}
	switch to := from + units32(n); {
	case pg.f != nil:
		p.held += pg.bytes
		err = s.Store(from, to, pg.f)
	case pg.bytes > 0:
		pg.bytes = p.l.rows(n)
		if pg.data, err = p.alloc(pg.bytes); err == nil {
			err = s.Copy(from, to, pg.data.Bytes())
		}
	}
	if err != nil {
		p.drop(pg)
		return nil, err
	}
	return pg, nil
}

// deepen gives the pages of an entry to those above it that hold less of them.
func (p *prefixes) deepen(e *entry) {
	for n := e.node.parent; n != nil; n = n.parent {
		if n.kept == nil {
			continue
		}
		old := n.kept.pages
		last := len(old) - 1
		if last < 0 || old[last] == e.pages[last] || old[last].n >= e.pages[last].n {
			break
		}
		p.drop(old[last])
		old[last] = e.pages[last]
		old[last].refs++
	}
}

func (p *prefixes) alloc(n int64) (*host.Buffer, error) {
	b, err := host.Allocate(int(n))
	if err == nil {
		p.held += n
	}
	return b, err
}

func (p *prefixes) free(b *host.Buffer) {
	p.held -= int64(b.Size())
	b.Free()
}

func (p *prefixes) drop(pg *page) {
	if pg.refs--; pg.refs > 0 {
		return
	}
	if pg.f != nil {
		pg.f.Close()
		p.held -= pg.bytes
	}
	if pg.data != nil {
		p.free(pg.data)
	}
}

// remove takes an entry out, and everything that only it needed.
func (p *prefixes) remove(e *entry) {
	for _, pg := range e.pages {
		if pg != nil {
			p.drop(pg)
		}
	}
	if e.state != nil {
		p.free(e.state)
	}
	if e.at != nil {
		p.order.Remove(e.at)
	}
	e.node.kept = nil
	p.held -= p.labels(e.node.prune()) + overhead
	if root := p.trees[e.key]; root != nil && len(root.next) == 0 {
		delete(p.trees, e.key)
	}
}

// close frees everything.
func (p *prefixes) close() {
	for p.order.Len() > 0 {
		p.remove(p.order.Back().Value.(*entry))
	}
}
