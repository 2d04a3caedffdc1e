package clients

import (
	"context"
	"errors"
	"testing"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
)

// openai-go of version 1, which is stricter with streams than later ones, chats,
// streams, leaves and reads errors.
func TestOpenAIv1(t *testing.T) {
	want := want(t)
	c := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
	p := openai.ChatCompletionNewParams{Model: "demo", Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(length),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
	r, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || r.Choices[0].Message.Content != want || r.Usage.CompletionTokens != length || r.Choices[0].FinishReason != "length" {
		t.Fatalf("%v, %+v, want %q", err, r, want)
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream, all := c.Chat.Completions.NewStreaming(t.Context(), p), openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Fatalf("a chunk of another reply: %+v", stream.Current())
		}
	}
	if err := stream.Err(); err != nil || all.Choices[0].Message.Content != want || all.Usage.CompletionTokens != length || all.Choices[0].FinishReason != "length" {
		t.Errorf("streamed: %v, %+v", err, all.ChatCompletion)
	}
	text, err := c.Completions.New(t.Context(), openai.CompletionNewParams{Model: "demo", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{5, 40, 100}},
		Temperature: openai.Float(0), MaxTokens: openai.Int(4), Echo: openai.Bool(true), Logprobs: openai.Int(1)})
	if err != nil || len(text.Choices[0].Logprobs.TokenLogprobs) != 7 || text.Usage.CompletionTokens != 4 {
		t.Errorf("a completion: %v, %+v", err, text)
	}
	leaves(t, func(ctx context.Context, bias map[string]int64, piece func()) error {
		p := p
		p.MaxCompletionTokens, p.LogitBias = openai.Int(0), bias
		stream := c.Chat.Completions.NewStreaming(ctx, p)
		for stream.Next() {
			piece()
		}
		return stream.Err()
	})
	for _, w := range []struct {
		change func(*openai.ChatCompletionNewParams)
		key    string
		status int
		code   string
	}{
		{func(p *openai.ChatCompletionNewParams) { p.Model = "gone" }, key, 404, "model_not_found"},
		{func(p *openai.ChatCompletionNewParams) { p.TopP = openai.Float(2) }, key, 400, "invalid_value"},
		{func(*openai.ChatCompletionNewParams) {}, "no key", 401, "invalid_api_key"},
	} {
		p := p
		w.change(&p)
		var bad *openai.Error
		if _, err := c.Chat.Completions.New(t.Context(), p, option.WithAPIKey(w.key)); !errors.As(err, &bad) || bad.StatusCode != w.status || bad.Code != w.code || bad.Message == "" {
			t.Errorf("want %d %s: %v", w.status, w.code, err)
		}
		stream := c.Chat.Completions.NewStreaming(t.Context(), p, option.WithAPIKey(w.key))
		if stream.Next() || !errors.As(stream.Err(), &bad) || bad.StatusCode != w.status {
			t.Errorf("streamed, want %d: %v", w.status, stream.Err())
		}
	}
}
