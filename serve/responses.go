package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
)

// response reads a request to /v1/responses.
func (s *Server) response(r *http.Request) (*request, []llm.Message, error) {
	q, err := s.read(r)
	if err != nil {
		return nil, nil, err
	}
	state := map[string][]string{"conversation": nil, "background": {"false"}, "prompt": nil}
	if err := q.refuse(state, "; send the whole conversation as input"); err != nil {
		return nil, nil, err
	}
	if err := s.formats(q, q.responseForms); err != nil {
		return nil, nil, err
	}
	if v := q.fields["max_output_tokens"]; v != nil {
		q.fields["max_tokens"] = v
	}
	if _, err := q.field("previous_response_id", &q.previous); err != nil {
		return nil, nil, err
	}
	q.store = !s.o.Fresh
	if _, err := q.field("store", &q.store); err != nil {
		return nil, nil, err
	}
	before, err := s.kept.before(s.key(r), q.previous)
	if err != nil {
		return nil, nil, err
	}
	if err := q.input(before); err != nil {
		return nil, nil, err
	}
	q.news = len(before)
	if err := q.offers(true); err != nil {
		return nil, nil, err
	}
	messages, err := q.chat()
	if err != nil {
		if e := toAPI(err); strings.HasPrefix(e.param, "messages") {
			return nil, nil, bad("input", "%s", strings.Replace(e.text, "messages", "input", 1)) // its items are not one to one
		}
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

// input makes messages of input, a text or a list of items, behind those of the
// responses before.
func (q *request) input(before []message) error {
	q.Messages = before
	v := q.fields["input"]
	var text string
	if v != nil && json.Unmarshal(v, &text) == nil {
		q.Messages = append(q.Messages, message{Role: "user", Content: v})
		return nil
	}
	var items []item
	if v == nil || json.Unmarshal(v, &items) != nil {
		return bad("input", "input is a string or a list of items")
	}
	for i, one := range items {
		if err := q.add(&one, fmt.Sprintf("input[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

// told is a response as it stands.
func (x *single) told(q *request, id string, made int64, status string, output []any) map[string]any {
	set := &q.set
	out := map[string]any{
		"id": id, "object": "response", "created_at": made, "status": status, "model": x.one.id, "output": output, "error": nil, "incomplete_details": nil,
		"parallel_tool_calls": q.offer != nil && !q.offer.Single, "tool_choice": q.said("tool_choice", "auto"), "tools": q.said("tools", []any{}), "temperature": set.Sampling.Temp, "top_p": set.Sampling.TopP, "metadata": map[string]any{},
		"instructions": q.fields["instructions"], "previous_response_id": q.said("previous_response_id", nil), "store": q.store, "text": map[string]any{"format": q.textFormat()}, "usage": nil,
	}
	if status == "in_progress" {
		return out
	}
	r := &x.c.result
	if status == "incomplete" {
		out["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	out["usage"] = map[string]any{"input_tokens": r.Prompt, "input_tokens_details": map[string]any{"cached_tokens": r.Cached}, "output_tokens": r.Generated,
		"output_tokens_details": map[string]any{"reasoning_tokens": x.c.minded}, "total_tokens": r.Prompt + r.Generated}
	return out
}

// kept is the whole response, which is kept where the request does not say otherwise.
func (x *single) kept(r *http.Request, q *request, id string, made int64, output []any) map[string]any {
	if !q.store {
		return x.told(q, id, made, x.status(), output)
	}
	reply := message{Role: "assistant", Reasoning: x.c.mind}
	reply.Content, _ = json.Marshal(x.c.text) // texts and calls are JSON
	if list := x.c.made(); len(list) > 0 {
		reply.ToolCalls, _ = json.Marshal(list)
	}
	body := x.told(q, id, made, x.status(), output)
	data, err := json.Marshal(body)
	messages := append(slices.Clone(q.Messages[q.news:]), reply)
	q.store = err == nil && x.s.kept.keep(x.s.key(r), id, &keptReply{q.previous, messages, data})
	body["store"] = q.store
	return body
}

// status is a finished response's.
func (x *single) status() string {
	if x.c.finish() == llm.FinishLength {
		return "incomplete"
	}
	return "completed"
}

// said is a field of the request as it came, or what stands for it.
func (q *request) said(name string, without any) any {
	if v := q.fields[name]; v != nil {
		return v
	}
	return without
}

// responses is POST /v1/responses.
func (s *Server) responses(w http.ResponseWriter, r *http.Request) error {
	q, messages, err := s.response(r)
	if err != nil {
		return err
	}
	x, err := s.single(r, q, s.chatPrompt(q, messages))
	if err != nil {
		return err
	}
	id, made := newReplyID(), time.Now().Unix()
	if !q.Stream {
		if err := x.c.whole(x.ctx); err != nil {
			return err
		}
		return send(w, http.StatusOK, x.kept(r, q, id, made, x.output()))
	}
	out := &itemEvents{events: newEvents(w), s: s}
	out.event("response.created", map[string]any{"response": x.told(q, id, made, "in_progress", []any{})})
	out.event("response.in_progress", map[string]any{"response": x.told(q, id, made, "in_progress", []any{})})
	if x.c.calls == nil && x.c.think == nil {
		out.text("")
	}
	if err := x.follow(out.events, out.ping, out.piece); err != nil {
		e := toAPI(err)
		out.event("error", map[string]any{"code": e.code, "message": show.Text(e.text), "param": nil})
		return errGone
	}
	if len(out.done) == 0 && out.open == "" {
		out.text("")
	}
	out.end(x.status())
	out.event("response."+x.status(), map[string]any{"response": x.kept(r, q, id, made, out.done)})
	return nil
}
