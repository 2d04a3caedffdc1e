package serve

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/schedule"
)

// billing begins a line that Claude Code puts into the system text and changes with each
// request. It says nothing to a model, and would spoil every prefix.
const billing = "x-anthropic-billing-header"

// anthropic reads a request to /v1/messages.
func (s *Server) anthropic(r *http.Request) (*request, []llm.Message, error) {
	q, err := s.read(r)
	if err != nil {
		return nil, nil, err
	}
	q.fields["stop"] = q.fields["stop_sequences"]
	if err := q.offers(false); err != nil {
		return nil, nil, err
	}
	messages, err := q.blocks()
	if err != nil {
		return nil, nil, err
	}
	if messages[len(messages)-1].Role == "assistant" {
		return nil, nil, bad("messages", "the last message is the assistant's; a begun reply is not gone on with")
	}
	system, err := systemText(q.fields["system"])
	if err != nil {
		return nil, nil, bad("system", "system is a text or a list of blocks of type text")
	}
	if system != "" {
		messages = append([]llm.Message{{Role: "system", Content: system}}, messages...)
	}
	return q, messages, nil
}

// systemText is the system text, without lines that change with each request.
func systemText(v json.RawMessage) (string, error) {
	var blocks []json.RawMessage
	if v == nil || json.Unmarshal(v, &blocks) != nil {
		blocks = []json.RawMessage{v}
	}
	var all []string
	for _, one := range blocks {
		if one != nil && one[0] == '{' {
			one = json.RawMessage("[" + string(one) + "]")
		}
		text, err := content(one)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, billing) {
				b.WriteString(line)
			}
		}
		if text = b.String(); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, "\n"), nil
}

// countTokens is POST /v1/messages/count_tokens.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) error {
	q, messages, err := s.anthropic(r)
	if err != nil {
		return err
	}
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return err
	}
	p, err := s.chatPrompt(q, messages)(one, s.key(r))
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, map[string]any{"input_tokens": len(p.Tokens)})
}

// messages is POST /v1/messages.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) error {
	q, messages, err := s.anthropic(r)
	if err != nil {
		return err
	}
	x, err := s.single(r, q, s.chatPrompt(q, messages))
	if err != nil {
		return err
	}
	body := map[string]any{"id": s.id("msg"), "type": "message", "role": "assistant", "model": x.one.id, "content": []any{}, "stop_reason": nil, "stop_sequence": nil}
	if !q.Stream {
		if err := x.c.whole(x.ctx); err != nil {
			return err
		}
		body["content"] = x.blocks()
		body["stop_reason"], body["stop_sequence"] = x.stopReason()
		body["usage"] = x.messagesUsage()
		return send(w, http.StatusOK, body)
	}
	out := &blockEvents{events: newEvents(w), at: -1}
	body["usage"] = map[string]any{"input_tokens": len(x.c.prompt), "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
	out.named("message_start", map[string]any{"message": body})
	if x.c.calls == nil && x.c.think == nil {
		out.text("")
	}
	err = x.follow(out.events, func() { out.named("ping", map[string]any{}) }, out.piece)
	if err != nil {
		out.named("error", toAPI(err).body())
		return errGone
	}
	if out.at < 0 {
		out.text("")
	}
	out.stop()
	why, stop := x.stopReason()
	out.named("message_delta", map[string]any{"delta": map[string]any{"stop_reason": why, "stop_sequence": stop}, "usage": x.messagesUsage()})
	out.named("message_stop", map[string]any{})
	return nil
}

// stopReason is why the reply ended, in Anthropic's words.
func (x *single) stopReason() (why string, stop any) {
	switch x.c.result.Why {
	case schedule.Limit, schedule.Full:
		return "max_tokens", nil
	case schedule.Stopped:
		return "stop_sequence", x.c.answer.Stopped()
	}
	if len(x.c.made()) > 0 {
		return "tool_use", nil
	}
	return "end_turn", nil
}

// messagesUsage counts cached tokens apart, as Anthropic does.
func (x *single) messagesUsage() map[string]any {
	r := &x.c.result
	return map[string]any{"input_tokens": r.Prompt - r.Cached, "output_tokens": r.Generated, "cache_creation_input_tokens": 0, "cache_read_input_tokens": r.Cached}
}
