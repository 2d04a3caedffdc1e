package chat

import (
	"strings"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
	"github.com/mil-run/mil/toolcall"
)

// Prompt is the ids of a conversation up to the beginning of a reply. Special
// tokens are those that the template wrote.
func (e *Engine) Prompt(messages []Message) ([]int32, error) { return e.PromptBegun(messages, "") }

// PromptBegun is Prompt with the beginning of the reply, which goes on from there. No
// special token comes of that text.
func (e *Engine) PromptBegun(messages []Message, begun string) ([]int32, error) {
	return e.PromptTools(messages, nil, begun)
}

// PromptTools is PromptBegun for a reply that may call functions.
func (e *Engine) PromptTools(messages []Message, offer *toolcall.Offer, begun string) ([]int32, error) {
	text, err := e.begin(messages, offer, begun)
	if err != nil {
		return nil, err
	}
	return e.encode(text), nil
}

// begin renders messages, and a reply that has begun.
func (e *Engine) begin(messages []Message, offer *toolcall.Offer, begun string) (jinja.Rendered, error) {
	text, err := e.render(messages, offer)
	if err != nil {
		return text, e.file.Named(err)
	}
	if begun != "" {
		if mark, end, _ := e.thinking(); mark != "" && strings.HasSuffix(strings.TrimRightFunc(text.Text, space), mark) {
			text.Text += end + "\n\n" // what was said has no thoughts
		}
		from := len(text.Text)
		text.Text += begun
		text.Outside = append(text.Outside, [2]int{from, len(text.Text)})
	}
	return text, nil
}

// Ends are the tokens that end a reply. The caller must not change them.
func (e *Engine) Ends() map[int32]bool { return e.ends }

// Text turns a reply's tokens into text as they come, in whole characters, up to
// the first of some stop strings. It is not for two goroutines.
type Text struct {
	stream *tokenizer.Stream
	stop   stopper
}

// Text begins a reply's text. Special tokens are left out, but those around thoughts,
// and, where it may call functions, those that belong to calls.
func (e *Engine) Text(set *Settings) *Text {
	t := &Text{e.Tokenizer.Stream(true), stopper{stops: set.Stop}}
	if begin, end, ok := e.thinking(); ok {
		for _, mark := range []string{begin, end} {
			if id, ok := e.Tokenizer.ID(mark); ok && !e.ends[id] {
				t.stream.Show(id)
			}
		}
	}
	if set.Tools.Calls() {
		t.stream.Show(e.marks()...)
	}
	return t
}

// marks are the special tokens that belong to calls.
func (e *Engine) marks() (ids []int32) {
	for _, text := range e.Tokenizer.Special() {
		if id, ok := e.Tokenizer.ID(text); ok && !e.ends[id] && e.tools().format.Marks(text) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Calls begins to read a reply's calls out of its text. It is nil where the reply may
// make none.
func (e *Engine) Calls(offer *toolcall.Offer) *toolcall.Parser {
	if !offer.Calls() {
		return nil
	}
	return e.tools().format.Parse(offer)
}

// Push takes the next token. It returns the text to show, and whether a stop
// string begins right after it. Text that may be the beginning of one is held back.
func (t *Text) Push(id int32) (text string, stopped bool) { return t.stop.push(t.stream.Push(id)) }

// Stopped is the stop string that came, "" before.
func (t *Text) Stopped() string { return t.stop.found }

// Flush is the text that was held back, where no token comes any more.
func (t *Text) Flush() string {
	text, stopped := t.stop.push(t.stream.Flush())
	if !stopped {
		text += t.stop.flush()
	}
	return text
}
