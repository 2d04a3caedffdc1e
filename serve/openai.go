package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/schedule"
	"github.com/mil-run/mil/tokenizer"
	"github.com/mil-run/mil/toolcall"
)

// form is how an endpoint writes its answers.
type form struct {
	prefix, object, chunk string // of ids, of whole answers, of streamed ones
	chat                  bool
}

var (
	chatForm = form{"chatcmpl", "chat.completion", "chat.completion.chunk", true}
	textForm = form{"cmpl", "text_completion", "text_completion", false}
)

// chatCompletions is POST /v1/chat/completions.
func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) error {
	q, err := s.read(r)
	if err != nil {
		return err
	}
	messages, err := q.chat()
	if err != nil {
		return err
	}
	if err := q.offers(false); err != nil {
		return err
	}
	begun := ""
	if q.Continue {
		if messages, begun, err = parted(messages); err != nil {
			return err
		}
	}
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return err
	}
	p, err := s.begunPrompt(q, messages, begun)(one, s.key(r))
	if err != nil {
		return err
	}
	return s.answer(w, r, q, one, chatForm, []*llm.Prompt{p})
}

// parted takes the last message, which the reply goes on with, from a conversation.
func parted(messages []llm.Message) (before []llm.Message, begun string, err error) {
	last := len(messages) - 1
	if messages[last].Role != "assistant" || messages[last].Content == "" {
		return nil, "", bad("continue_final_message", "continue_final_message needs a last message of the assistant with some content")
	}
	return messages[:last], messages[last].Content, nil
}

// completions is POST /v1/completions.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) error {
	q, err := s.read(r)
	if err != nil {
		return err
	}
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return err
	}
	prompts, err := q.prompts(one.m.Tokenizer())
	if err != nil {
		return err
	}
	if n := len(prompts) * q.choices(); n > s.o.Limits.Texts {
		return bad("prompt", "%d texts were asked for at once, at most %d can be", n, s.o.Limits.Texts)
	}
	return s.answer(w, r, q, one, textForm, prompts)
}

// prompts are those of a completion: a text, tokens, or a list of either, which may be
// mixed.
func (q *request) prompts(t *tokenizer.Tokenizer) (list []*llm.Prompt, err error) {
	add := func(v json.RawMessage) bool {
		var text string
		var ids []int32
		switch {
		case null(v):
			return false
		case json.Unmarshal(v, &text) == nil:
			ids = t.Encode(text, tokenizer.EncodeOptions{AddSpecial: true})
		case json.Unmarshal(v, &ids) != nil || bytes.Contains(v, []byte("null")): // null is no token
			return false
		}
		list = append(list, &llm.Prompt{Tokens: ids})
		return true
	}
	prompt := q.fields["prompt"]
	if prompt == nil {
		return nil, bad("prompt", "prompt is missing")
	}
	if !add(prompt) {
		var items []json.RawMessage
		if json.Unmarshal(prompt, &items) != nil || slices.ContainsFunc(items, func(v json.RawMessage) bool { return !add(v) }) {
			return nil, bad("prompt", "prompt is a text, a list of tokens, or a list of either")
		}
	}
	if slices.ContainsFunc(list, func(p *llm.Prompt) bool { return len(p.Tokens) == 0 }) {
		return nil, bad("prompt", "prompt is empty")
	}
	return list, nil
}

// answer hands in the request's choices and writes them.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q *request, one *served, f form, prompts []*llm.Prompt) error {
	if err := q.settings(one.m, &s.o.Limits); err != nil {
		return err
	}
	if err := q.logprobs(f.chat); err != nil {
		return err
	}
	bare := q.Echo && !f.chat && string(q.fields["max_tokens"]) == "0"
	if bare {
		q.set.MaxTokens = 1
	}
	ctx := r.Context()
	var list []*choice
	for _, p := range prompts {
		for n := range q.choices() {
			c, err := s.begin(r, q, one, p, n, q.Echo && !f.chat)
			if err == errRight {
				continue
			}
			if err != nil {
				return err
			}
			c.index, c.bare = len(list), bare
			if q.set.Sampling.Logprobs {
				c.probs = &probs{t: one.m.Tokenizer(), chat: f.chat}
			}
			list = append(list, c)
		}
	}
	if checks(ctx) {
		return errRight
	}
	reply := &reply{s: s, w: w, f: f, id: s.id(f.prefix), made: time.Now(), model: one.id, usage: q.StreamOptions.IncludeUsage, times: q.Times}
	if q.Stream {
		return reply.stream(ctx, list)
	}
	return reply.whole(ctx, list)
}

// reply writes an answer.
type reply struct {
	s     *Server
	w     http.ResponseWriter
	f     form
	id    string
	made  time.Time
	model string
	usage bool // a stream ends with it
	times bool // each chunk has those so far
}

// whole waits for all choices and writes them as one object.
func (p *reply) whole(ctx context.Context, list []*choice) error {
	choices := []any{}
	for _, c := range list {
		if err := c.whole(ctx); err != nil {
			return err
		}
		message := map[string]any{"role": "assistant", "content": c.text}
		if list := c.made(); len(list) > 0 {
			if message["tool_calls"] = list; c.text == "" {
				message["content"] = nil
			}
		}
		if c.mind != "" {
			message["reasoning_content"] = c.mind
		}
		one := map[string]any{"index": c.index, "finish_reason": c.finish(), "logprobs": c.log}
		if p.f.chat {
			one["message"] = message
		} else {
			one["text"] = c.text
		}
		choices = append(choices, one)
	}
	body := p.object(p.f.object, choices)
	body["usage"], body["timings"] = used(list), timings(list)
	return send(p.w, http.StatusOK, body)
}

func (p *reply) object(kind string, choices []any) map[string]any {
	return map[string]any{"id": p.id, "object": kind, "created": p.made.Unix(), "model": p.model, "choices": choices}
}

// finish is why the reply ended, in OpenAI's words.
func (c *choice) finish() string {
	switch why := c.result.Why; {
	case why == schedule.Limit || why == schedule.Full:
		return llm.FinishLength
	case len(c.made()) > 0:
		return llm.FinishToolCalls
	}
	return llm.FinishStop
}

// used is the usage of choices that have ended.
func used(list []*choice) map[string]any {
	var prompt, cached, made, minded int
	for _, c := range list {
		r := c.stats()
		prompt, cached, made, minded = prompt+r.Prompt, cached+r.Cached, made+r.Generated, minded+c.minded
	}
	return map[string]any{"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
		"prompt_tokens_details": map[string]any{"cached_tokens": cached}, "completion_tokens_details": map[string]any{"reasoning_tokens": minded}}
}

// timings are the times of choices so far.
func timings(list []*choice) map[string]any {
	var prompt, cached, made, proposed, accepted int
	var first, done time.Duration
	for _, c := range list {
		r := c.stats()
		prompt, cached, made = prompt+r.Prompt, cached+r.Cached, made+r.Generated
		proposed, accepted = proposed+r.Drafted.Proposed, accepted+r.Drafted.Accepted
		first, done = max(first, r.First), max(done, r.Done)
	}
	return map[string]any{"prompt_n": prompt - cached, "cache_n": cached, "prompt_ms": ms(first), "predicted_n": made, "predicted_ms": ms(done - first),
		"predicted_per_second": perSecond(made-len(list), done-first), "draft_n": proposed, "draft_n_accepted": accepted}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func perSecond(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// stream writes pieces as they come, as server-sent events.
func (p *reply) stream(ctx context.Context, list []*choice) error {
	out := newEvents(p.w)
	if p.f.chat {
		for _, c := range list {
			out.data(p.object(p.f.chunk, []any{map[string]any{"index": c.index, "delta": map[string]any{"role": "assistant", "content": ""}, "finish_reason": nil}}))
		}
	}
	err := p.s.follow(ctx, list, out, out.ping, func(x piece) {
		one := p.delta(x)
		if x.end {
			one = p.end(x.c)
		}
		chunk := p.object(p.f.chunk, []any{one})
		if p.times {
			chunk["timings"] = timings([]*choice{x.c})
		}
		out.data(chunk)
	})
	if err != nil {
		out.data(toAPI(err).body())
		return errGone
	}
	if p.usage {
		last := p.object(p.f.chunk, []any{})
		last["usage"], last["timings"] = used(list), timings(list)
		out.data(last)
	}
	out.done()
	return nil
}

// delta is a piece in a chunk.
func (p *reply) delta(x piece) map[string]any {
	one := map[string]any{"index": x.c.index, "finish_reason": nil}
	if x.log != nil {
		one["logprobs"] = x.log
	}
	switch {
	case x.call != nil:
		one["delta"] = map[string]any{"tool_calls": []any{callDelta(x.call)}}
	case x.thought != "":
		one["delta"] = map[string]any{"reasoning_content": x.thought}
	case p.f.chat:
		one["delta"] = map[string]any{"content": x.text}
	default:
		one["text"] = x.text
	}
	return one
}

// callDelta is a part of a call. Only the first part of a call has its id, type and
// name: clients put together what comes again.
func callDelta(part *toolcall.Part) map[string]any {
	function := map[string]any{"arguments": part.Arguments}
	one := map[string]any{"index": part.Call, "function": function}
	if part.Name != "" {
		one["id"], one["type"], function["name"] = part.ID, "function", part.Name
	}
	return one
}

// end is the end of a choice in a chunk.
func (p *reply) end(c *choice) map[string]any {
	one := map[string]any{"index": c.index, "finish_reason": c.finish()}
	if p.f.chat {
		one["delta"] = map[string]any{}
	} else {
		one["text"] = ""
	}
	return one
}
