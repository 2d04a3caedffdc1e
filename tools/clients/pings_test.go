package clients

import (
	"bytes"
	"io"
	"net/url"
	"strconv"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/ollama/ollama/api"
	v1 "github.com/openai/openai-go"
	v1option "github.com/openai/openai-go/option"
	v2 "github.com/openai/openai-go/v2"
	v2option "github.com/openai/openai-go/v2/option"
	v3 "github.com/openai/openai-go/v3"
	v3option "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	other "github.com/sashabaranov/go-openai"
)

// Comments on quiet streams change the text of no client.
func TestPings(t *testing.T) {
	want := want(t)
	at, stop, err := serve("--ping", "1ms", "--ctx", strconv.Itoa(room))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for name, one := range map[string]struct {
		ping string
		text func(w *wire) (string, error)
	}{
		"openai-go v1": {": ping\n", func(w *wire) (string, error) {
			c := v1.NewClient(v1option.WithBaseURL(at+"/v1"), v1option.WithAPIKey("none"), v1option.WithHTTPClient(w.client()))
			s := c.Chat.Completions.NewStreaming(t.Context(), v1.ChatCompletionNewParams{Model: "demo", Temperature: v1.Float(0), MaxCompletionTokens: v1.Int(length),
				Messages: []v1.ChatCompletionMessageParamUnion{v1.UserMessage(prompt)}})
			all := v1.ChatCompletionAccumulator{}
			for s.Next() {
				all.AddChunk(s.Current())
			}
			return all.Choices[0].Message.Content, s.Err()
		}},
		"openai-go v2": {": ping\n", func(w *wire) (string, error) {
			c := v2.NewClient(v2option.WithBaseURL(at+"/v1"), v2option.WithAPIKey("none"), v2option.WithHTTPClient(w.client()))
			s := c.Chat.Completions.NewStreaming(t.Context(), v2.ChatCompletionNewParams{Model: "demo", Temperature: v2.Float(0), MaxCompletionTokens: v2.Int(length),
				Messages: []v2.ChatCompletionMessageParamUnion{v2.UserMessage(prompt)}})
			all := v2.ChatCompletionAccumulator{}
			for s.Next() {
				all.AddChunk(s.Current())
			}
			return all.Choices[0].Message.Content, s.Err()
		}},
		"openai-go v3": {": ping\n", func(w *wire) (string, error) {
			c := v3.NewClient(v3option.WithBaseURL(at+"/v1"), v3option.WithAPIKey("none"), v3option.WithHTTPClient(w.client()))
			s, all := c.Chat.Completions.NewStreaming(t.Context(), params()), v3.ChatCompletionAccumulator{}
			for s.Next() {
				all.AddChunk(s.Current())
			}
			return all.Choices[0].Message.Content, s.Err()
		}},
		"responses": {": ping\n", func(w *wire) (text string, err error) {
			c := v3.NewClient(v3option.WithBaseURL(at+"/v1"), v3option.WithAPIKey("none"), v3option.WithHTTPClient(w.client()))
			s := c.Responses.NewStreaming(t.Context(), responses.ResponseNewParams{Model: "demo", Temperature: v3.Float(0), MaxOutputTokens: v3.Int(length),
				Input: responses.ResponseNewParamsInputUnion{OfString: v3.String(prompt)}})
			for s.Next() {
				if e := s.Current(); e.Type == "response.output_text.delta" {
					text += e.Delta
				}
			}
			return text, s.Err()
		}},
		"go-openai": {": ping\n", func(w *wire) (text string, err error) {
			o := other.DefaultConfig("none")
			o.BaseURL, o.HTTPClient = at+"/v1", w.client()
			s, err := other.NewClientWithConfig(o).CreateChatCompletionStream(t.Context(), chat(true))
			if err != nil {
				return "", err
			}
			defer s.Close()
			for {
				e, err := s.Recv()
				if err == io.EOF {
					return text, nil
				}
				if err != nil {
					return text, err
				}
				if len(e.Choices) > 0 {
					text += e.Choices[0].Delta.Content
				}
			}
		}},
		"anthropic-sdk-go": {"event: ping\n", func(w *wire) (string, error) {
			c := anthropic.NewClient(anthropicoption.WithBaseURL(at), anthropicoption.WithAPIKey("none"), anthropicoption.WithHTTPClient(w.client()))
			s := c.Messages.NewStreaming(t.Context(), anthropic.MessageNewParams{Model: "demo", MaxTokens: length, Temperature: anthropic.Float(0),
				Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))}})
			all := anthropic.Message{}
			for s.Next() {
				if err := all.Accumulate(s.Current()); err != nil {
					return "", err
				}
			}
			return all.Content[0].Text, s.Err()
		}},
		"ollama": {"", func(w *wire) (text string, err error) {
			u, err := url.Parse(at)
			if err != nil {
				return "", err
			}
			err = api.NewClient(u, w.client()).Chat(t.Context(), &api.ChatRequest{Model: "demo", Messages: []api.Message{{Role: "user", Content: prompt}},
				Options: map[string]any{"temperature": 0, "num_predict": length}}, func(r api.ChatResponse) error {
				text += r.Message.Content
				return nil
			})
			return text, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			got, err := one.text(w)
			if err != nil || got != want {
				t.Errorf("%v, %q, want %q", err, got, want)
			}
			if pings := bytes.Count(w.body.Bytes(), []byte(one.ping)); one.ping != "" && pings == 0 || one.ping == "" && bytes.Contains(w.body.Bytes(), []byte("ping")) {
				t.Errorf("%d signs of life in %q", pings, w.body.Bytes())
			}
		})
	}
}
