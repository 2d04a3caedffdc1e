package serve

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mil-run/mil/llm"
)

// block is a part of a message of Anthropic's API.
type block struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Input   json.RawMessage `json:"input"`
	For     string          `json:"tool_use_id"`
	Content json.RawMessage `json:"content"`
	IsError bool            `json:"is_error"`
	// Thinking is the text of a block of that type. Its signature is not looked at.
	Thinking string `json:"thinking"`
}

// blocks is the messages of a request to /v1/messages. A message that brings results
// becomes one for each of them, and one of the text behind them.
func (q *request) blocks() ([]llm.Message, error) {
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages is empty")
	}
	var list []llm.Message
	var places []string
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		role, ok := roles[m.Role]
		if !ok || role == "tool" {
			return nil, bad(at+".role", "a message's role is user, assistant or system")
		}
		one := llm.Message{Role: role}
		var blocks []block
		if m.Content == nil || json.Unmarshal(m.Content, &one.Content) != nil {
			if json.Unmarshal(m.Content, &blocks) != nil {
				return nil, bad(at+".content", "a message's content is a string or a list of blocks")
			}
		}
		results := 0
		for n, b := range blocks {
			place := fmt.Sprintf("%s.content[%d]", at, n)
			switch {
			case b.Type == "text":
				one.Content += b.Text
			case b.Type == "thinking" && role == "assistant":
				one.Reasoning += b.Thinking
			case b.Type == "redacted_thinking" && role == "assistant": // another server's, which nobody here can read
			case b.Type == "tool_use" && role == "assistant":
				c := llm.Call{ID: b.ID, Name: b.Name}
				if err := c.SetArguments(b.Input); err != nil {
					return nil, bad(place+".input", "%s.input is no object", place)
				}
				if err := checkCall(&c, place+".name", place+".input"); err != nil {
					return nil, err
				}
				one.ToolCalls = append(one.ToolCalls, c)
			case b.Type == "tool_result" && role == "user":
				text, err := content(b.Content)
				if err != nil {
					return nil, bad(place+".content", "a result's content is a string or a list of blocks of type text")
				}
				if b.IsError {
					text = "Error: " + text
				}
				list, places = append(list, llm.Message{Role: "tool", Content: text, ToolCallID: b.For}), append(places, place)
				results++
			default:
				return nil, bad(place+".type", "blocks of type %.40q are not supported in a message of the %s", b.Type, role)
			}
		}
		if results == 0 || one.Content != "" {
			list, places = append(list, one), append(places, at)
		}
	}
	return list, link(list, func(i int) string { return places[i] })
}

// blocks is the content of a whole reply. A call that was cut is left out: its input is
// no object.
func (x *single) blocks() []any {
	out := []any{}
	if x.c.mind != "" {
		out = append(out, map[string]any{"type": "thinking", "thinking": x.c.mind, "signature": ""})
	}
	if x.c.text != "" || len(x.c.made()) == 0 {
		out = append(out, map[string]any{"type": "text", "text": x.c.text})
	}
	for _, c := range x.c.made() {
		if object, err := c.Object(); err == nil {
			out = append(out, map[string]any{"type": "tool_use", "id": toolUse(c.ID), "name": c.Name, "input": object})
		}
	}
	return out
}

// toolUse is a call's id, as Anthropic's begin.
func toolUse(id string) string { return "toolu_" + id }

// blockEvents writes the events of a reply's blocks.
type blockEvents struct {
	*events
	at   int    // of the block that is open, or -1
	open string // its type
}

// begin opens a block, and ends the one before.
func (e *blockEvents) begin(kind string, block map[string]any) {
	if e.at >= 0 {
		e.stop()
	}
	e.at, e.open = e.at+1, kind
	block["type"] = kind
	e.named("content_block_start", map[string]any{"index": e.at, "content_block": block})
}

func (e *blockEvents) stop() { e.named("content_block_stop", map[string]any{"index": e.at}) }

func (e *blockEvents) delta(kind, field, text string) {
	e.named("content_block_delta", map[string]any{"index": e.at, "delta": map[string]any{"type": kind, field: text}})
}

// text adds to the text, in a block that is open or new.
func (e *blockEvents) text(text string) {
	if e.open != "text" {
		e.begin("text", map[string]any{"text": ""})
	}
	if text != "" {
		e.delta("text_delta", "text", text)
	}
}

// piece adds a piece of the reply.
func (e *blockEvents) piece(p piece) {
	part := p.call
	switch {
	case p.thought != "":
		if e.open != "thinking" {
			e.begin("thinking", map[string]any{"thinking": "", "signature": ""})
		}
		e.delta("thinking_delta", "thinking", p.thought)
	case part == nil:
		e.text(p.text)
	case part.Name != "":
		e.begin("tool_use", map[string]any{"id": toolUse(part.ID), "name": part.Name, "input": map[string]any{}})
	case strings.TrimSpace(part.Arguments) != "":
		e.delta("input_json_delta", "partial_json", part.Arguments)
	}
}
