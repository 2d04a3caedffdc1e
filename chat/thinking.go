package chat

import "strings"

// thinkingMarks are the pairs of texts between which checkpoints think.
var thinkingMarks = [][2]string{
	{"<think>", "</think>"}, // Qwen, DeepSeek, Nemotron
	{"[THINK]", "[/THINK]"}, // Mistral
	{"<seed:think>", "</seed:think>"},
	{"<|START_THINKING|>", "<|END_THINKING|>"}, // Cohere
}

// thinking is the marks of the model's thoughts, where its template or its vocabulary has
// them.
func (e *Engine) thinking() (begin, end string, ok bool) {
	template := e.Tokenizer.ChatTemplate()
	for _, m := range thinkingMarks {
		if strings.Contains(template, m[0]) || strings.Contains(template, m[1]) {
			return m[0], m[1], true
		}
	}
	for _, m := range thinkingMarks {
		_, a := e.Tokenizer.ID(m[0])
		if _, b := e.Tokenizer.ID(m[1]); a && b {
			return m[0], m[1], true
		}
	}
	return "", "", false
}

// Thoughts parts a reply's text as it comes into what the model thinks at its beginning,
// between its template's marks, and what it says.
type Thoughts struct {
	begin, end string
	at         stage
	held       string // text that a mark may begin with, or space before one
}

// stage is where a reply stands.
type stage int

const (
	before    stage = iota // nothing but space has come
	beginning              // the first mark has come
	within                 // thoughts have come
	behind                 // the last mark has come
	saying
)

// Thoughts begins to read the reply to a prompt. It is nil where the model knows no
// thoughts, and for prompts that are not of messages.
func (e *Engine) Thoughts(p *Prompt) *Thoughts {
	begin, end, ok := e.thinking()
	if !ok || p.text.Text == "" {
		return nil
	}
	t := &Thoughts{begin: begin, end: end}
	if e.Thinks(p) {
		t.at = beginning // the template has written the mark
	}
	return t
}

// Thinks says whether a prompt has begun the model's thoughts. p may be nil.
func (e *Engine) Thinks(p *Prompt) bool { return p != nil && e.thinks(p.text.Text) }

func (e *Engine) thinks(prompt string) bool {
	begin, _, ok := e.thinking()
	return ok && strings.HasSuffix(strings.TrimRightFunc(prompt, space), begin)
}

// Thinking says whether the reply is still at its thoughts.
func (t *Thoughts) Thinking() bool { return t.at == beginning || t.at == within }

// Push takes the next text. It returns what of it was thought and what was said. Text
// that may be a mark is held back. Marks, and space around them, are dropped.
func (t *Thoughts) Push(text string) (thought, said string) {
	text, t.held = t.held+text, ""
	if t.at == before {
		body := strings.TrimLeftFunc(text, space)
		if strings.HasPrefix(t.begin, body) && body != t.begin {
			t.held = text
			return "", ""
		}
		if t.at = saying; strings.HasPrefix(body, t.begin) {
			text, t.at = body[len(t.begin):], beginning
		}
	}
	if t.at == beginning {
		if text = strings.TrimLeftFunc(text, space); text != "" {
			t.at = within
		}
	}
	if t.at == within {
		var ended bool
		if thought, text, ended = strings.Cut(text, t.end); !ended {
			thought, t.held = open(thought, t.end)
			return thought, ""
		}
		thought, t.at = strings.TrimRightFunc(thought, space), behind
	}
	if t.at == behind {
		if text = strings.TrimLeftFunc(text, space); text != "" {
			t.at = saying
		}
	}
	return thought, text
}

// open parts a text before what may be the beginning of a mark, with the space there.
func open(text, mark string) (whole, held string) {
	n := len(text)
	for k := min(len(mark)-1, n); k > 0; k-- {
		if strings.HasSuffix(text, mark[:k]) {
			n -= k
			break
		}
	}
	n = len(strings.TrimRightFunc(text[:n], space))
	return text[:n], text[n:]
}

// Flush returns what was held back, where no more comes.
func (t *Thoughts) Flush() (thought, said string) {
	text := t.held
	if t.held = ""; t.Thinking() {
		return text, ""
	}
	return "", text
}
