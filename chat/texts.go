package chat

import (
	"container/list"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
	"github.com/mil-run/mil/toolcall"
)

// Texts remembers conversations' texts and the tokens that made them. A reply's
// tokens need not be those that its text would be encoded to. So a later prompt that
// begins with the same text takes the same tokens, and goes on where they were read.
// Each key has its own. Texts may be used by several goroutines.
type Texts struct {
	most  int
	mu    sync.Mutex
	bytes int
	keys  map[string]*list.List // of *told, the one used last in front
	uses  int

	// The file that holds them too, if any.
	path   string
	f      *os.File
	size   int64
	warn   func(error)
	warned bool
}

// told is a prompt and the reply behind it.
type told struct {
	prompt *Prompt
	reply  string
	tokens []int32 // of both
	inner  []cut   // places within the reply, from its beginning
	used   int
}

// cut is a place between two tokens: bytes of the text before it, and tokens.
type cut struct{ bytes, tokens int }

// size is about the memory that it takes.
func (o *told) size() int {
	p := o.prompt
	return 512 + len(p.text.Text) + len(o.reply) + 4*len(o.tokens) + 16*(len(p.text.Outside)+len(p.cuts)+len(o.inner)) + 24*len(p.added)
}

// NewTexts remembers about that many bytes. Those that were used longest ago go.
func NewTexts(bytes int) *Texts { return &Texts{most: bytes, keys: map[string]*list.List{}} }

// Prompt is a conversation up to the beginning of a reply.
type Prompt struct {
	Tokens []int32

	text  jinja.Rendered
	added []tokenizer.Found
	cuts  []cut // ends of earlier replies that kept their tokens, and some places within those
}

// alike is how many bytes two texts begin with in common that are encoded alike.
func (p *Prompt) alike(o *Prompt) int {
	n := jinja.Common(p.text.Text, o.text.Text)
	for i := 0; i < len(p.added) || i < len(o.added); i++ {
		switch {
		case i == len(p.added):
			return min(n, o.added[i].From)
		case i == len(o.added):
			return min(n, p.added[i].From)
		case p.added[i] != o.added[i]:
			return min(n, p.added[i].From, o.added[i].From)
		}
	}
	return n
}

// Prompt is like [Engine.PromptTools]. It has the tokens that are remembered for its
// beginning, and the rest is encoded. A nil t remembers nothing.
func (t *Texts) Prompt(e *Engine, key string, messages []Message, offer *toolcall.Offer, begun string) (*Prompt, error) {
	text, err := e.begin(messages, offer, begun)
	if err != nil {
		return nil, err
	}
	p := e.prompt(text)
	if t == nil {
		p.Tokens = e.encode(text)
		return p, nil
	}
	p.Tokens, p.cuts = t.find(key, p)
	at := 0
	if n := len(p.cuts); n > 0 {
		at = p.cuts[n-1].bytes
	}
	p.Tokens = append(p.Tokens, e.encode(text.From(at))...)
	return p, nil
}

// prompt is one without tokens.
func (e *Engine) prompt(text jinja.Rendered) *Prompt {
	return &Prompt{text: text, added: e.Tokenizer.Added(text.Text, options(text))}
}

// find gives the tokens of a prompt's longest beginning that is remembered.
func (t *Texts) find(key string, p *Prompt) (tokens []int32, cuts []cut) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, longest := t.keys[key], 0
	if all == nil {
		return nil, nil
	}
	var best *list.Element
	for at := all.Front(); at != nil; at = at.Next() {
		if found := at.Value.(*told).of(p); len(found) > 0 && found[len(found)-1].bytes > longest {
			best, cuts, longest = at, found, found[len(found)-1].bytes
		}
	}
	if best == nil {
		return nil, nil
	}
	o := best.Value.(*told)
	t.uses++
	o.used = t.uses
	all.MoveToFront(best)
	return slices.Clone(o.tokens[:cuts[len(cuts)-1].tokens]), cuts
}

// of are the cuts up to which a prompt is the told one, by their places in it. The
// character behind a cut is the same too, so no message was made longer there.
func (o *told) of(p *Prompt) (list []cut) {
	text, alike, end := p.text, p.alike(o.prompt), len(o.prompt.text.Text)
	for _, c := range o.prompt.cuts {
		if c.bytes < alike {
			list = append(list, c)
		}
	}
	if alike < end {
		return list
	}
	// The reply came back as a message. A template may have trimmed it.
	rest, lead, whole := text.Text[end:], 0, false
	n := jinja.Common(rest, o.reply)
	switch trimmed := strings.TrimFunc(o.reply, space); {
	case n == len(o.reply):
		whole = n > 0 && text.Ends(end+n)
	case strings.HasPrefix(rest, trimmed):
		n, lead = len(trimmed), strings.Index(o.reply, trimmed)
		whole = n > 0 && text.Ends(end+n)
	}
	for _, c := range o.inner {
		if at := c.bytes - lead; at > 0 && at < n {
			list = append(list, cut{end + at, c.tokens})
		}
	}
	if whole {
		list = append(list, cut{end + n, len(o.tokens)})
	}
	return list
}

// Keep remembers a prompt and its reply: the tokens that were made with the
// settings, and all of the text that they stand for.
func (t *Texts) Keep(e *Engine, key string, p *Prompt, set *Settings, reply string, made []int32) {
	if t == nil || p.text.Text == "" || reply == "" {
		return
	}
	o := &told{prompt: p, reply: reply, tokens: slices.Concat(p.Tokens, made), inner: e.within(set, len(p.Tokens), made)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(key, o)
	t.append(key, o)
}

// add makes a text the one used last.
func (t *Texts) add(key string, o *told) {
	all := t.keys[key]
	if all == nil {
		all = list.New()
		t.keys[key] = all
	}
	for at := all.Front(); at != nil; {
		next := at.Next()
		if old := at.Value.(*told).tokens; len(old) <= len(o.tokens) && slices.Equal(old, o.tokens[:len(old)]) {
			t.drop(all, at) // the new one says the same and more
		}
		at = next
	}
	t.uses++
	o.used = t.uses
	all.PushFront(o)
	for t.bytes += o.size(); t.bytes > t.most; {
		t.dropOldest()
	}
}

func (t *Texts) drop(all *list.List, at *list.Element) {
	t.bytes -= at.Value.(*told).size()
	all.Remove(at)
}

func (t *Texts) dropOldest() {
	oldest := ""
	for key, all := range t.keys {
		if old := t.keys[oldest]; old == nil || all.Back().Value.(*told).used < old.Back().Value.(*told).used {
			oldest = key
		}
	}
	all := t.keys[oldest]
	if t.drop(all, all.Back()); all.Len() == 0 {
		delete(t.keys, oldest)
	}
}

// apart is how many tokens lie between two cuts within a reply.
const apart = 64

// within are places in a reply, before spaces, from which a changed reply is encoded
// anew. before is how many tokens stand before it.
func (e *Engine) within(set *Settings, before int, made []int32) (list []cut) {
	stream := e.Text(set).stream
	for i, last, bytes := 0, 0, 0; i < len(made); i++ {
		text := stream.Push(made[i])
		if i-last >= apart && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\n")) {
			list, last = append(list, cut{bytes, before + i}), i
		}
		bytes += len(text)
	}
	return list
}

// space says what a template trims.
func space(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }
