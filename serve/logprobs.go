package serve

import (
	"unicode/utf8"

	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/tokenizer"
)

// logprobs takes the wish for log-probabilities: chats say whether, and of how many
// of the best tokens; completions say of how many.
func (q *request) logprobs(chat bool) error {
	o := &q.set.Sampling
	name := "logprobs"
	var err error
	if chat {
		name = "top_logprobs"
		if _, err = q.field("logprobs", &o.Logprobs); err == nil {
			_, err = q.field(name, &o.TopLogprobs)
		}
	} else {
		o.Logprobs, err = q.field(name, &o.TopLogprobs)
	}
	switch {
	case err != nil:
		return err
	case o.TopLogprobs < 0 || o.TopLogprobs > sample.MostLogprobs:
		return bad(name, "%s is a whole number from 0 to %d", name, sample.MostLogprobs)
	case o.TopLogprobs > 0 && !o.Logprobs:
		return bad(name, "top_logprobs needs logprobs")
	}
	return nil
}

// probs is the log-probabilities of a choice, as its endpoint writes them.
type probs struct {
	t    *tokenizer.Tokenizer
	chat bool
	at   int // characters of the tokens before, for completions
}

func (p *probs) text(id int32) string { return p.t.Piece(id) }

// of writes the log-probabilities of tokens that follow those written before. It is nil
// without any.
func (p *probs) of(list []sample.Logprobs) any {
	switch {
	case len(list) == 0:
		return nil
	case p.chat:
		content := []any{}
		for _, l := range list {
			one := p.token(l.Chosen)
			top := []any{}
			for _, x := range l.Top {
				top = append(top, p.token(x))
			}
			one["top_logprobs"] = top
			content = append(content, one)
		}
		return map[string]any{"content": content, "refusal": nil}
	}
	out := p.table()
	for _, l := range list {
		out.add(p, l.Chosen.ID, l.Chosen.Logprob, p.top(l.Top))
	}
	return out
}

// token is one of a chat.
func (p *probs) token(l sample.Logprob) map[string]any {
	text := p.text(l.ID)
	bytes := []int{}
	for i := range len(text) {
		bytes = append(bytes, int(text[i]))
	}
	return map[string]any{"token": text, "logprob": l.Logprob, "bytes": bytes}
}

// table is the log-probabilities of a completion.
type table struct {
	Tokens   []string `json:"tokens"`
	Logprobs []any    `json:"token_logprobs"`
	Top      []any    `json:"top_logprobs"`
	Offsets  []int    `json:"text_offset"`
}

func (p *probs) table() *table { return &table{[]string{}, []any{}, []any{}, []int{}} }

func (t *table) add(p *probs, id int32, logprob, top any) {
	text := p.text(id)
	t.Tokens, t.Logprobs = append(t.Tokens, text), append(t.Logprobs, logprob)
	t.Top, t.Offsets = append(t.Top, top), append(t.Offsets, p.at)
	p.at += utf8.RuneCountInString(text)
}

// top is the best tokens by their texts. Of several with one text the best stays.
func (p *probs) top(list []sample.Logprob) map[string]float64 {
	out := map[string]float64{}
	for _, x := range list {
		if text := p.text(x.ID); len(out) == 0 || out[text] == 0 {
			out[text] = x.Logprob
		}
	}
	return out
}

// joined is log-probabilities behind earlier ones of the same endpoint.
func joined(a, b any) any {
	switch b := b.(type) {
	case *table:
		if a, ok := a.(*table); ok {
			return &table{append(a.Tokens, b.Tokens...), append(a.Logprobs, b.Logprobs...), append(a.Top, b.Top...), append(a.Offsets, b.Offsets...)}
		}
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			a["content"] = append(a["content"].([]any), b["content"].([]any)...)
			return a
		}
	case nil:
		return a
	}
	return b
}

// echoed is the log-probabilities of a prompt, and of what follows it. The first token
// has none.
func (p *probs) echoed(prompt []int32, list []sample.Logprobs) *table {
	out := p.table()
	for i, id := range prompt {
		if i == 0 || i > len(list) {
			out.add(p, id, nil, nil)
			continue
		}
		out.add(p, id, list[i-1].Chosen.Logprob, p.top(list[i-1].Top))
	}
	return out
}
