package toolcall

import (
	"crypto/rand"
	"encoding/json"
	"strings"
)

// Part is a piece of a reply that may call functions: a text, or a part of a call.
type Part struct {
	Text string // "" in a part of a call

	Call      int    // the number of the call in the reply
	ID, Name  string // in a call's first part alone
	Arguments string // a piece of the JSON
	Done      bool   // the call is whole
}

// Parser reads a reply while it is made. What it holds back is short: white space, text
// that may begin a call, and one value where values come one by one. It is not for two
// goroutines.
type Parser struct {
	f    *Format
	o    *Offer
	step func(*Parser) bool // does one thing with rest, and says whether it could

	rest   string // text that was not used yet
	held   string // text of what may be a call, to show if it is none
	space  string // white space that was not shown yet
	behind string // the mark at the end of thoughts, "" where none come
	begun  bool   // a text was shown, or it was seen that there is no call at the beginning
	calls  []Call
	told   bool // the last call's name was told, and its end was not
	json   scanner
	fields int // of the arguments so far, where they come one by one
	out    []Part
}

// Parse begins a reply. Calls of other functions than the offer's are text.
func (f *Format) Parse(o *Offer) *Parser { return &Parser{f: f, o: o, step: (*Parser).text} }

// Think says that the reply begins within the model's thoughts, which end with a mark.
// There are no calls before it.
func (p *Parser) Think(end string) *Parser {
	p.behind, p.step = end, (*Parser).thought
	return p
}

// thought passes thoughts on, with their mark.
func (p *Parser) thought() bool {
	if at := strings.Index(p.rest, p.behind); at >= 0 {
		n := at + len(p.behind)
		p.show(p.rest[:n])
		p.rest, p.step = p.rest[n:], (*Parser).text
		return true
	}
	n := len(p.rest) - overlap(p.rest, p.behind)
	p.show(p.rest[:n])
	p.rest = p.rest[n:]
	return false
}

// NewID is an id for a call. It fits every format.
func NewID() string { return ShortID(rand.Text()) }

// Push takes the next piece of the text.
func (p *Parser) Push(text string) []Part {
	p.out = nil
	p.rest += text
	for p.step(p) {
	}
	return p.out
}

// Flush ends the reply and returns what was held back. A call that was cut stays as it
// is.
func (p *Parser) Flush() []Part {
	p.out = nil
	if text := p.held + p.rest; !p.told && (text != "" || len(p.calls) == 0) {
		p.show(text)
	}
	p.space, p.held, p.rest = "", "", ""
	return p.out
}

// Calls are those of the reply so far. The caller must not change them.
func (p *Parser) Calls() []Call { return p.calls }

// Cut says that the reply so far ends within the last call.
func (p *Parser) Cut() bool { return p.told }

// show passes text on, behind the white space before it.
func (p *Parser) show(text string) {
	if text = p.space + text; text != "" {
		p.out = append(p.out, Part{Text: text})
	}
	p.space = ""
}

const spaces = " \t\r\n"

// text passes text on until a call starts.
func (p *Parser) text() bool {
	body := p.skip(p.rest)
	p.rest = body
	if body == "" {
		return false
	}
	start := p.start()
	at := len(body)
	if i := strings.Index(body, start); start != "" && i >= 0 {
		at = i
	} else if start != "" {
		at -= overlap(body, start)
	}
	if start != "" && p.f.Start == "" && at > 0 { // this start counts at the beginning alone
		at = len(body)
	}
	if before := body[:at]; before != "" {
		shown := strings.TrimRight(before, spaces)
		p.show(shown)
		p.space, p.rest, p.begun = before[len(shown):], body[at:], true
	}
	if start == "" || !strings.HasPrefix(p.rest, start) {
		return false
	}
	p.step = (*Parser).open
	return true
}

// skip moves white space at the beginning out of the text.
func (p *Parser) skip(text string) string {
	body := strings.TrimLeft(text, spaces)
	p.space += text[:len(text)-len(body)]
	return body
}

// start is the text that starts a call here, "" where none can start.
func (p *Parser) start() string {
	switch n := len(p.calls); {
	case n == MostCalls || n > 0 && (p.f.single || p.o.Single):
		return ""
	case p.f.Start != "":
		return p.f.Start
	case p.begun:
		return ""
	}
	return "{"
}

// overlap is how many bytes at text's end may begin what.
func overlap(text, what string) int {
	for n := min(len(what)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, what[:n]) {
			return n
		}
	}
	return 0
}

// begins says how many bytes of text spell what, apart from white space. more says that
// text ends before it is decided; n is 0 then, and where text is another.
func begins(text, what string) (n int, more bool) {
	for {
		what = strings.TrimLeft(what, spaces)
		if what == "" {
			return n, false
		}
		rest := strings.TrimLeft(text[n:], spaces)
		if rest == "" {
			return 0, true
		}
		if rest[0] != what[0] {
			return 0, false
		}
		n, what = len(text)-len(rest)+1, what[1:]
	}
}

// take moves n bytes to what is held.
func (p *Parser) take(n int) {
	p.held, p.rest = p.held+p.rest[:n], p.rest[n:]
}

// none says that what began like a call is text.
func (p *Parser) none() bool {
	p.begun = true
	text := p.held + p.rest
	p.held = ""
	p.show(text[:1])
	p.rest, p.step = text[1:], (*Parser).text
	return true
}

// open reads the beginning of a call up to the name.
func (p *Parser) open() bool { return p.literal(p.f.begin+p.f.open, (*Parser).name) }

// literal reads a text, and goes on with a step.
func (p *Parser) literal(what string, then func(*Parser) bool) bool {
	n, more := begins(p.rest, what)
	if more {
		return false
	}
	if n == 0 && what != "" {
		return p.none()
	}
	p.take(n)
	p.step = then
	return true
}

// name reads a function's name and what stands behind it, and tells of the call.
func (p *Parser) name() bool {
	n := 0
	for n < len(p.rest) && nameByte(p.rest[n]) {
		n++
	}
	if n == len(p.rest) && n <= 128 {
		return false
	}
	name := p.rest[:n]
	if p.o.tool(name) == nil {
		return p.none()
	}
	mid, more := begins(p.rest[n:], p.f.mid)
	if more {
		return false
	}
	if mid == 0 {
		return p.none()
	}
	rest := strings.TrimLeft(p.rest[n+mid:], spaces)
	if !p.f.values && rest == "" {
		return false
	}
	if !p.f.values && rest[0] != '{' {
		return p.none()
	}
	p.calls = append(p.calls, Call{ID: NewID(), Name: name})
	p.rest, p.held, p.space, p.told = rest, "", "", true
	p.json, p.fields = scanner{}, 0
	c := p.last()
	p.out = append(p.out, Part{Call: len(p.calls) - 1, ID: c.ID, Name: c.Name})
	if p.step = (*Parser).object; p.f.values {
		p.step = (*Parser).value
	}
	return true
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

func (p *Parser) last() *Call { return &p.calls[len(p.calls)-1] }

// argue adds a piece of the arguments.
func (p *Parser) argue(text string, done bool) {
	p.last().Arguments += text
	p.out = append(p.out, Part{Call: len(p.calls) - 1, Arguments: text, Done: done})
	p.told = !done
}

// object reads the arguments.
func (p *Parser) object() bool {
	n, done := p.json.end(p.rest)
	if n > 0 {
		p.argue(p.rest[:n], done)
		p.rest = p.rest[n:]
	}
	if !done {
		return false
	}
	if p.step = (*Parser).close; p.f.id {
		p.step = (*Parser).id
	}
	return true
}

// id passes over a call's id, if there is one.
func (p *Parser) id() bool {
	const before, length = `, "id": "`, 9
	n, more := begins(p.rest, before)
	if more || n > 0 && len(p.rest) < n+length+1 {
		return false
	}
	if n > 0 && shortID.MatchString(p.rest[n:n+length]) && p.rest[n+length] == '"' {
		p.rest = p.rest[n+length+1:]
	}
	p.step = (*Parser).close
	return true
}

// close reads what stands behind the arguments, and what follows: another call, or the
// end of calls. Anything else is text.
func (p *Parser) close() bool {
	p.step = (*Parser).text
	if p.f.close == "" {
		return true
	}
	n, more := begins(p.rest, p.f.close)
	if more {
		p.step = (*Parser).close
		return false
	}
	p.rest = p.rest[n:]
	if n > 0 && p.f.begin != "" {
		p.step = (*Parser).next
	}
	return true
}

// next reads what stands between calls, or behind all.
func (p *Parser) next() bool {
	end, more := begins(p.rest, p.f.end)
	open, also := begins(p.rest, p.f.next+p.f.open)
	switch {
	case end > 0:
		p.rest, p.step = p.rest[end:], (*Parser).text
	case open > 0 && p.start() != "":
		p.take(open)
		p.step = (*Parser).name
	case more || also:
		return false
	default:
		p.step = (*Parser).text
	}
	return true
}

// value reads one argument where they come one by one, or the end of the call.
func (p *Parser) value() bool {
	n, more := begins(p.rest, openParameter)
	if n > 0 {
		key, rest, ok := strings.Cut(p.rest[n:], ">")
		text, after, closed := strings.Cut(rest, closeParameter)
		if !ok || !closed {
			return false
		}
		text = strings.TrimSuffix(strings.TrimPrefix(text, "\n"), "\n")
		p.field(key, p.o.tool(p.last().Name).value(key, text))
		p.rest = after
		return true
	}
	end, also := begins(p.rest, p.f.close)
	if end == 0 && (more || also) {
		return false
	}
	p.rest, p.step = p.rest[end:], (*Parser).text
	if p.fields == 0 {
		p.argue("{", false)
	}
	p.argue("}", true)
	return true
}

// field adds an argument.
func (p *Parser) field(key string, value []byte) {
	before := ", "
	if p.fields == 0 {
		before = "{"
	}
	p.fields++
	name, err := plainJSON(key)
	if err != nil {
		return
	}
	p.argue(before+string(name)+": "+string(value), false)
}

// value is an argument's JSON. Where the schema asks for a text, or it is no JSON, it is
// a text.
func (t *Tool) value(key, text string) []byte {
	var schema struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	_ = json.Unmarshal(t.Parameters, &schema)
	if schema.Properties[key].Type != "string" && json.Valid([]byte(text)) {
		return []byte(text)
	}
	v, err := plainJSON(text)
	if err != nil {
		return []byte("null")
	}
	return v
}
