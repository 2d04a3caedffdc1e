package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mil-run/mil/llm"
)

// response reads a request to /v1/responses.
func (s *Server) response(r *http.Request) (*request, []llm.Message, error) {
	q, err := s.read(r)
	if err != nil {
		return nil, nil, err
	}
	state := map[string][]string{"previous_response_id": {`""`}, "conversation": nil, "background": {"false"}, "prompt": nil}
	if err := q.refuse(state, "; send the whole conversation as input"); err != nil {
		return nil, nil, err
	}
	var text struct{ Format json.RawMessage }
	if _, err := q.field("text", &text); err != nil {
		return nil, nil, err
	}
	if text.Format != nil && !null(text.Format) && !same(text.Format, refused["response_format"]) {
		return nil, nil, bad("text.format", "text.format is not supported, other than that of type text")
	}
	if v := q.fields["max_output_tokens"]; v != nil {
		q.fields["max_tokens"] = v
	}
	if err := q.input(); err != nil {
		return nil, nil, err
	}
	messages, err := q.chat()
	if err != nil {
		return nil, nil, err
	}
	var system string
	if _, err := q.field("instructions", &system); err != nil {
		return nil, nil, err
	}
	if system != "" {
		messages = append([]llm.Message{{Role: "system", Content: system}}, messages...)
	}
	return q, messages, nil
}

// input makes messages of input: a text, or a list of messages.
func (q *request) input() error {
	v := q.fields["input"]
	var text string
	if v != nil && json.Unmarshal(v, &text) == nil {
		q.Messages = []message{{Role: "user", Content: v}}
		return nil
	}
	var items []struct {
		Type string `json:"type"`
		message
	}
	if v == nil || json.Unmarshal(v, &items) != nil {
		return bad("input", "input is a string or a list of messages")
	}
	q.Messages = nil
	for i, one := range items {
		if one.Type != "" && one.Type != "message" {
			return bad(fmt.Sprintf("input[%d].type", i), "only messages are supported here")
		}
		q.Messages = append(q.Messages, one.message)
	}
	return nil
}

// told is a response as it stands.
func (x *single) told(q *request, id string, made int64, status string, output []any) map[string]any {
	set := &q.set
	out := map[string]any{
		"id": id, "object": "response", "created_at": made, "status": status, "model": x.one.id, "output": output, "error": nil, "incomplete_details": nil,
		"parallel_tool_calls": false, "tool_choice": "auto", "tools": []any{}, "temperature": set.Sampling.Temp, "top_p": set.Sampling.TopP, "metadata": map[string]any{},
		"instructions": q.fields["instructions"], "previous_response_id": nil, "store": false, "text": map[string]any{"format": map[string]any{"type": "text"}}, "usage": nil,
	}
	if status == "in_progress" {
		return out
	}
	r := &x.c.result
	if status == "incomplete" {
		out["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	out["usage"] = map[string]any{"input_tokens": r.Prompt, "input_tokens_details": map[string]any{"cached_tokens": r.Cached}, "output_tokens": r.Generated,
		"output_tokens_details": map[string]any{"reasoning_tokens": 0}, "total_tokens": r.Prompt + r.Generated}
	return out
}

// status is a finished response's.
func (x *single) status() string {
	if finish(x.c.result.Why) == "length" {
		return "incomplete"
	}
	return "completed"
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

// responses is POST /v1/responses.
func (s *Server) responses(w http.ResponseWriter, r *http.Request) error {
	q, messages, err := s.response(r)
	if err != nil {
		return err
	}
	x, err := s.single(r, q, s.chatPrompt(messages))
	if err != nil {
		return err
	}
	id, item, made := s.id("resp"), s.id("msg"), time.Now().Unix()
	if !q.Stream {
		if err := x.c.whole(x.ctx); err != nil {
			return err
		}
		return send(w, http.StatusOK, x.told(q, id, made, x.status(), []any{outputMessage(item, x.status(), outputText(x.c.text))}))
	}
	out, n := newEvents(w), 0
	event := func(name string, v map[string]any) {
		v["sequence_number"] = n
		n++
		out.named(name, v)
	}
	part := func(name string, v map[string]any) {
		v["item_id"], v["output_index"], v["content_index"] = item, 0, 0
		event(name, v)
	}
	event("response.created", map[string]any{"response": x.told(q, id, made, "in_progress", []any{})})
	event("response.in_progress", map[string]any{"response": x.told(q, id, made, "in_progress", []any{})})
	event("response.output_item.added", map[string]any{"output_index": 0, "item": outputMessage(item, "in_progress")})
	part("response.content_part.added", map[string]any{"part": outputText("")})
	var all strings.Builder
	if err := x.follow(out, out.ping, func(text string) {
		all.WriteString(text)
		part("response.output_text.delta", map[string]any{"delta": text, "logprobs": []any{}})
	}); err != nil {
		e := toAPI(err)
		event("error", map[string]any{"code": e.code, "message": e.text, "param": nil})
		return errGone
	}
	part("response.output_text.done", map[string]any{"text": all.String(), "logprobs": []any{}})
	part("response.content_part.done", map[string]any{"part": outputText(all.String())})
	done := outputMessage(item, x.status(), outputText(all.String()))
	event("response.output_item.done", map[string]any{"output_index": 0, "item": done})
	event("response."+x.status(), map[string]any{"response": x.told(q, id, made, x.status(), []any{done})})
	return nil
}
