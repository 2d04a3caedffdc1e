package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/schedule"
	"github.com/mil-run/mil/tokenizer"
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
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return err
	}
	ids, err := one.m.Engine().Prompt(messages)
	if err != nil {
		return bad("messages", "%v", err)
	}
	return s.answer(w, r, q, one, chatForm, [][]int32{ids})
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
	if n := len(prompts) * q.choices(); n > s.o.Limits.Choices {
		return bad("prompt", "%d texts were asked for at once, at most %d can be", n, s.o.Limits.Choices)
	}
	return s.answer(w, r, q, one, textForm, prompts)
}

// prompts are those of a completion: a text, tokens, or a list of either.
func (q *request) prompts(t *tokenizer.Tokenizer) ([][]int32, error) {
	encode := func(text string) []int32 {
		return t.Encode(text, tokenizer.EncodeOptions{AddSpecial: true})
	}
	var text string
	var texts []string
	var ids []int32
	var lists [][]int32
	switch {
	case q.Prompt == nil || null(q.Prompt):
		return nil, bad("prompt", "prompt is missing")
	case json.Unmarshal(q.Prompt, &text) == nil:
		lists = [][]int32{encode(text)}
	case json.Unmarshal(q.Prompt, &texts) == nil:
		for _, text := range texts {
			lists = append(lists, encode(text))
		}
	case json.Unmarshal(q.Prompt, &ids) == nil:
		lists = [][]int32{ids}
	case json.Unmarshal(q.Prompt, &lists) != nil:
		return nil, bad("prompt", "prompt is a text, a list of tokens, or a list of either")
	}
	for _, ids := range lists {
		if len(ids) == 0 {
			return nil, bad("prompt", "prompt is empty")
		}
	}
	if len(lists) == 0 {
		return nil, bad("prompt", "prompt is empty")
	}
	return lists, nil
}

// choice is one reply at work.
type choice struct {
	index  int
	answer *llm.Answer
	prompt []int32
	echo   string // text before the reply
	bare   bool   // the echo alone was asked for
	text   string
	probs  *probs // nil where none are asked for
	log    any    // log-probabilities so far
	result schedule.Result
}

// told is the reply as it comes, behind the echo.
func (c *choice) told(ctx context.Context) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		first := true
		echo := func() bool {
			first = false
			var table any
			if c.probs != nil {
				table = c.probs.echoed(c.prompt, c.answer.Echo())
			}
			return yield(c.echo, table)
		}
		for text, list := range c.answer.Told(ctx) {
			if first && c.echo != "" && !echo() {
				return
			}
			var p any
			if c.probs != nil {
				p = c.probs.of(list)
			}
			if !c.bare && !yield(text, p) {
				return
			}
		}
		if first && c.echo != "" {
			echo()
		}
	}
}

// answer hands in the request's choices and writes them.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q *request, one *served, f form, prompts [][]int32) error {
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
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	var list []*choice
	for _, ids := range prompts {
		for n := range q.choices() {
			c, err := s.begin(ctx, r, q, one, ids, n, q.Echo && !f.chat)
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
	reply := &reply{s: s, w: w, f: f, id: s.id(f.prefix), made: time.Now(), model: one.id, usage: q.StreamOptions.IncludeUsage}
	if q.Stream {
		return reply.stream(ctx, cancel, list)
	}
	return reply.whole(ctx, list)
}

// begin hands in the n-th choice of a prompt.
func (s *Server) begin(ctx context.Context, r *http.Request, q *request, one *served, ids []int32, n int, echo bool) (*choice, error) {
	if len(ids) >= one.s.Context() {
		return nil, fmt.Errorf("%w: the prompt has %d tokens and the context holds %d", model.ErrContext, len(ids), one.s.Context())
	}
	set := q.set
	set.Sampling.Seed += uint64(n)
	a, err := one.s.Ask(ctx, llm.Ask{Tokens: ids, Settings: set, Key: s.key(r), Draft: true, Echo: echo && set.Sampling.Logprobs})
	if err != nil {
		return nil, err
	}
	c := &choice{answer: a, prompt: ids}
	if echo {
		c.echo = one.m.Tokenizer().Decode(ids, true)
	}
	return c, nil
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
}

// whole waits for all choices and writes them as one object.
func (p *reply) whole(ctx context.Context, list []*choice) error {
	var each sync.WaitGroup
	for _, c := range list {
		each.Go(func() {
			var b strings.Builder
			for text, p := range c.told(ctx) {
				b.WriteString(text)
				c.log = joined(c.log, p)
			}
			c.text, c.result = b.String(), c.ended()
		})
	}
	each.Wait()
	choices := []any{}
	for _, c := range list {
		if err := failed(ctx, c); err != nil {
			return err
		}
		one := map[string]any{"index": c.index, "finish_reason": finish(c.result.Why), "logprobs": c.log}
		if p.f.chat {
			one["message"] = map[string]any{"role": "assistant", "content": c.text}
		} else {
			one["text"] = c.text
		}
		choices = append(choices, one)
	}
	body := p.object(p.f.object, choices)
	body["usage"], body["timings"] = p.counted(list)
	return send(p.w, http.StatusOK, body)
}

// ended waits for the end. Where the echo alone was asked for, the token that was made
// for it does not count.
func (c *choice) ended() schedule.Result {
	r := c.answer.Result()
	if c.bare {
		r.Generated = 0
	}
	return r
}

// failed is why a choice has no reply.
func failed(ctx context.Context, c *choice) error {
	switch {
	case c.result.Why == schedule.Cancelled && ctx.Err() != nil:
		return llm.ErrEnded
	case c.result.Err != nil:
		return c.result.Err
	}
	return nil
}

func (p *reply) object(kind string, choices []any) map[string]any {
	return map[string]any{"id": p.id, "object": kind, "created": p.made.Unix(), "model": p.model, "choices": choices}
}

// finish is a reason in OpenAI's words.
func finish(why schedule.Reason) string {
	if why == schedule.Limit || why == schedule.Full {
		return "length"
	}
	return "stop"
}

// counted is the usage and the times of all choices.
func (p *reply) counted(list []*choice) (usage, timings map[string]any) {
	var prompt, cached, made, proposed, accepted int
	var first, done time.Duration
	for _, c := range list {
		r := &c.result
		prompt, cached, made = prompt+r.Prompt, cached+r.Cached, made+r.Generated
		proposed, accepted = proposed+r.Drafted.Proposed, accepted+r.Drafted.Accepted
		first, done = max(first, r.First), max(done, r.Done)
	}
	p.s.count.tokens(prompt, cached, made, proposed, accepted)
	usage = map[string]any{"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
		"prompt_tokens_details": map[string]any{"cached_tokens": cached}}
	timings = map[string]any{"prompt_n": prompt - cached, "cache_n": cached, "prompt_ms": ms(first), "predicted_n": made, "predicted_ms": ms(done - first),
		"predicted_per_second": perSecond(made-len(list), done-first), "draft_n": proposed, "draft_n_accepted": accepted}
	return usage, timings
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func perSecond(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// stream writes pieces as they come, as server-sent events.
func (p *reply) stream(ctx context.Context, cancel func(), list []*choice) error {
	out := newEvents(p.w)
	type piece struct {
		c    *choice
		text string
		log  any
		end  bool
	}
	pieces := make(chan piece)
	for _, c := range list {
		go func() {
			hand := func(x piece) bool {
				select {
				case pieces <- x:
					return true
				case <-ctx.Done():
					return false
				}
			}
			for text, p := range c.told(ctx) {
				if !hand(piece{c: c, text: text, log: p}) {
					return
				}
			}
			c.result = c.ended()
			hand(piece{c: c, end: true})
		}()
	}
	if p.f.chat {
		for _, c := range list {
			out.data(p.object(p.f.chunk, []any{map[string]any{"index": c.index, "delta": map[string]any{"role": "assistant", "content": ""}, "finish_reason": nil}}))
		}
	}
	quiet := time.NewTicker(p.s.o.Limits.Ping)
	defer quiet.Stop()
	for left := len(list); left > 0 && out.err == nil; {
		select {
		case x := <-pieces:
			switch {
			case !x.end:
				out.data(p.object(p.f.chunk, []any{p.delta(x.c, x.text, x.log)}))
			case failed(ctx, x.c) != nil:
				out.data(toAPI(failed(ctx, x.c)).body())
				cancel()
				return errGone
			default:
				out.data(p.object(p.f.chunk, []any{p.end(x.c)}))
				left--
			}
			quiet.Reset(p.s.o.Limits.Ping)
		case <-quiet.C:
			out.ping()
		case <-ctx.Done():
			out.err = ctx.Err()
		}
	}
	if out.err != nil { // the client left, or the server ends
		cancel()
		return errGone
	}
	usage, timings := p.counted(list)
	if p.usage {
		last := p.object(p.f.chunk, []any{})
		last["usage"], last["timings"] = usage, timings
		out.data(last)
	}
	out.done()
	return nil
}

// delta is a piece of text in a chunk.
func (p *reply) delta(c *choice, text string, log any) map[string]any {
	one := map[string]any{"index": c.index, "finish_reason": nil}
	if log != nil {
		one["logprobs"] = log
	}
	if p.f.chat {
		one["delta"] = map[string]any{"content": text}
	} else {
		one["text"] = text
	}
	return one
}

// end is the end of a choice in a chunk.
func (p *reply) end(c *choice) map[string]any {
	one := map[string]any{"index": c.index, "finish_reason": finish(c.result.Why)}
	if p.f.chat {
		one["delta"] = map[string]any{}
	} else {
		one["text"] = ""
	}
	return one
}
