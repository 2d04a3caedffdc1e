package serve

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/mil-run/mil/llm"
)

// item is a part of a conversation of OpenAI's responses.
type item struct {
	Type string `json:"type"`
	message
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output"`
	Summary   json.RawMessage `json:"summary"`
}

// add makes messages of an item: calls of functions belong to the assistant's message
// before them.
func (q *request) add(one *item, at string) error {
	switch one.Type {
	case "", "message":
		if one.Role == "assistant" {
			one.Reasoning, q.reasoned = q.reasoned, ""
		}
		q.Messages = append(q.Messages, one.message)
	case "reasoning": // which clients send back; it belongs to what follows
		q.reason(one)
	case "function_call":
		call := []llm.Call{{ID: one.CallID, Name: one.Name, Arguments: one.Arguments}}
		if one.Arguments == "" {
			call[0].Arguments = "{}"
		}
		if err := checkCall(&call[0], at+".name", at+".arguments"); err != nil {
			return err
		}
		last := len(q.Messages) - 1
		if last < 0 || q.Messages[last].Role != "assistant" {
			q.Messages, last = append(q.Messages, message{Role: "assistant", Reasoning: q.reasoned}), last+1
			q.reasoned = ""
		}
		before, err := calls(q.Messages[last].ToolCalls, at)
		if err != nil {
			return err
		}
		if q.Messages[last].ToolCalls, err = json.Marshal(append(before, call...)); err != nil {
			return err
		}
	case "function_call_output":
		text, err := content(one.Output)
		if err != nil {
			return bad(at+".output", "an output is a string or a list of parts of type input_text")
		}
		body, err := json.Marshal(text)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(q.Messages, func(m message) bool { return len(m.ToolCalls) > 0 }) || one.CallID == "" {
			return bad(at+".call_id", "%s is the output of no call before it", at)
		}
		q.Messages = append(q.Messages, message{Role: "tool", Content: body, ToolCallID: one.CallID})
	default:
		return bad(at+".type", "items of type %.40q are not supported; message, function_call and function_call_output are", one.Type)
	}
	return nil
}

// reason notes the text of an item of reasoning.
func (q *request) reason(one *item) {
	for _, v := range []json.RawMessage{one.Content, one.Summary} {
		var parts []struct{ Text string }
		if json.Unmarshal(v, &parts) != nil || len(parts) == 0 {
			continue
		}
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(p.Text)
		}
		q.reasoned = b.String()
		return
	}
}

func outputReasoning(id, status, text string) map[string]any {
	content := []any{}
	if text != "" {
		content = append(content, map[string]any{"type": "reasoning_text", "text": text})
	}
	return map[string]any{"type": "reasoning", "id": id, "status": status, "summary": []any{}, "content": content}
}

func outputText(text string) map[string]any {
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}}
}

func outputMessage(id, status string, content ...any) map[string]any {
	if content == nil {
		content = []any{}
	}
	return map[string]any{"type": "message", "id": id, "status": status, "role": "assistant", "content": content}
}

func outputCall(id, status string, c *llm.Call) map[string]any {
	return map[string]any{"type": "function_call", "id": id, "status": status, "call_id": c.ID, "name": c.Name, "arguments": c.Arguments}
}

// output is the items of a whole reply.
func (x *single) output() []any {
	var out []any
	if x.c.mind != "" {
		out = append(out, outputReasoning(x.s.id("rs"), "completed", x.c.mind))
	}
	if x.c.text != "" || len(x.c.made()) == 0 {
		out = append(out, outputMessage(x.s.id("msg"), x.status(), outputText(x.c.text)))
	}
	for _, c := range x.c.made() {
		status := "completed"
		if _, err := c.Object(); err != nil {
			status = "incomplete"
		}
		out = append(out, outputCall(x.s.id("fc"), status, &c))
	}
	return out
}

// itemEvents writes the events of a reply's items.
type itemEvents struct {
	*events
	s    *Server
	n    int    // events
	open string // the type of the item that is open, or ""
	id   string // its id
	all  strings.Builder
	call calling
	done []any // items that are whole
}

func (e *itemEvents) event(name string, v map[string]any) {
	v["sequence_number"] = e.n
	e.n++
	e.named(name, v)
}

// part writes an event of the item that is open, or of its one part.
func (e *itemEvents) part(name string, v map[string]any) {
	v["item_id"], v["output_index"] = e.id, len(e.done)
	if e.open == "message" || e.open == "reasoning" {
		v["content_index"] = 0
	}
	e.event("response."+name, v)
}

// begin opens an item, and ends the one before.
func (e *itemEvents) begin(kind, id string, one map[string]any) {
	e.end("completed")
	e.open, e.id = kind, id
	e.event("response.output_item.added", map[string]any{"output_index": len(e.done), "item": one})
}

// text adds to the message, which is open or new.
func (e *itemEvents) text(text string) {
	if e.open != "message" {
		id := e.s.id("msg")
		e.begin("message", id, outputMessage(id, "in_progress"))
		e.part("content_part.added", map[string]any{"part": outputText("")})
	}
	if text != "" {
		e.all.WriteString(text)
		e.part("output_text.delta", map[string]any{"delta": text, "logprobs": []any{}})
	}
}

// thought adds to the reasoning, which is open or new.
func (e *itemEvents) thought(text string) {
	if e.open != "reasoning" {
		id := e.s.id("rs")
		e.begin("reasoning", id, outputReasoning(id, "in_progress", ""))
	}
	e.all.WriteString(text)
	e.part("reasoning_text.delta", map[string]any{"delta": text})
}

// piece adds a piece of the reply.
func (e *itemEvents) piece(p piece) {
	if p.thought != "" {
		e.thought(p.thought)
		return
	}
	if p.call == nil {
		e.text(p.text)
		return
	}
	if p.call.Name != "" {
		id := e.s.id("fc")
		e.begin("function_call", id, outputCall(id, "in_progress", &llm.Call{ID: p.call.ID, Name: p.call.Name}))
	}
	e.call.add(p.call)
	if p.call.Arguments != "" {
		e.part("function_call_arguments.delta", map[string]any{"delta": p.call.Arguments})
	}
}

// end ends the item that is open, if one is. status is the reply's.
func (e *itemEvents) end(status string) {
	var one map[string]any
	switch e.open {
	case "":
		return
	case "message":
		text := outputText(e.all.String())
		e.part("output_text.done", map[string]any{"text": e.all.String(), "logprobs": []any{}})
		e.part("content_part.done", map[string]any{"part": text})
		one = outputMessage(e.id, status, text)
		e.all.Reset()
	case "reasoning":
		e.part("reasoning_text.done", map[string]any{"text": e.all.String()})
		one = outputReasoning(e.id, status, e.all.String())
		e.all.Reset()
	default:
		c := &e.call[len(e.call)-1]
		e.part("function_call_arguments.done", map[string]any{"name": c.Name, "arguments": c.Arguments})
		one = outputCall(e.id, status, c)
	}
	e.event("response.output_item.done", map[string]any{"output_index": len(e.done), "item": one})
	e.done, e.open = append(e.done, one), ""
}
