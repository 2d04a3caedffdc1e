package clients

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/ollama/ollama/api"
)

// keyed adds the key, for which ollama's client has no place.
type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

func ollama(t *testing.T, key string) *api.Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return api.NewClient(u, &http.Client{Transport: keyed(key)})
}

// ollama's own client, which its command uses, lists models, chats, generates, leaves
// and reads errors.
func TestOllama(t *testing.T) {
	want, c, ctx := want(t), ollama(t, key), t.Context()
	if v, err := c.Version(ctx); err != nil || v == "" {
		t.Errorf("version %q, %v", v, err)
	}
	if l, err := c.List(ctx); err != nil || len(l.Models) != 1 || l.Models[0].Model != "demo" || l.Models[0].Details.Format != "gguf" {
		t.Errorf("%+v, %v", l, err)
	}
	if s, err := c.Show(ctx, &api.ShowRequest{Model: "demo:latest"}); err != nil || s.Details.Family == "" || s.ModelInfo["general.architecture"] == nil || len(s.Capabilities) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if l, err := c.ListRunning(ctx); err != nil || len(l.Models) != 1 || l.Models[0].Name != "demo" || l.Models[0].Size <= 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if err := c.Heartbeat(ctx); err != nil { // the command begins with it
		t.Error(err)
	}
	options := map[string]any{"temperature": 0, "num_predict": length}
	whole := false
	for _, stream := range []*bool{nil, &whole} {
		text, last := "", api.Metrics{}
		err := c.Chat(ctx, &api.ChatRequest{Model: "demo", Messages: []api.Message{{Role: "user", Content: prompt}}, Options: options, Stream: stream}, func(r api.ChatResponse) error {
			if text += r.Message.Content; r.Done {
				last = r.Metrics
				if r.DoneReason != "length" {
					t.Errorf("done because of %q", r.DoneReason)
				}
			}
			return nil
		})
		if err != nil || text != want || last.EvalCount != length || last.PromptEvalCount == 0 || last.TotalDuration <= 0 {
			t.Errorf("a chat: %v, %q, %+v, want %q", err, text, last, want)
		}
		text = ""
		err = c.Generate(ctx, &api.GenerateRequest{Model: "demo", Prompt: prompt, Options: options, Stream: stream}, func(r api.GenerateResponse) error {
			text += r.Response
			return nil
		})
		if err != nil || text != want {
			t.Errorf("generated: %v, %q, want %q", err, text, want)
		}
	}
	// A request without a prompt makes the model ready.
	if err := c.Generate(ctx, &api.GenerateRequest{Model: "demo"}, func(r api.GenerateResponse) error {
		if !r.Done || r.DoneReason != "load" {
			t.Errorf("%+v", r)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	leaves(t, func(ctx context.Context, _ map[string]int64, piece func()) error {
		return c.Generate(ctx, &api.GenerateRequest{Model: "demo", Prompt: "Once", Raw: true, Options: map[string]any{"temperature": 2, "seed": 1}}, func(api.GenerateResponse) error {
			piece()
			return nil
		})
	})
	var bad api.StatusError
	if _, err := c.Show(ctx, &api.ShowRequest{Model: "gone"}); !errors.As(err, &bad) || bad.StatusCode != 404 || bad.ErrorMessage == "" {
		t.Errorf("an unknown model: %v", err)
	}
	none := func(api.ChatResponse) error { t.Error("a reply"); return nil }
	if err := c.Chat(ctx, &api.ChatRequest{Model: "gone", Messages: []api.Message{{Role: "user", Content: prompt}}}, none); !errors.As(err, &bad) || bad.StatusCode != 404 || bad.ErrorMessage == "" {
		t.Errorf("a chat with an unknown model: %v", err)
	}
}
