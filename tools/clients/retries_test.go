package clients

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	v1 "github.com/openai/openai-go"
	v1option "github.com/openai/openai-go/option"
	v2 "github.com/openai/openai-go/v2"
	v2option "github.com/openai/openai-go/v2/option"
	v3 "github.com/openai/openai-go/v3"
	v3option "github.com/openai/openai-go/v3/option"
)

// retrying are the clients that ask again by themselves. Each asks once, for a short reply.
var retrying = map[string]func(ctx context.Context, at string, w *wire) error{
	"openai-go v1": func(ctx context.Context, at string, w *wire) error {
		c := v1.NewClient(v1option.WithBaseURL(at+"/v1"), v1option.WithAPIKey("none"), v1option.WithHTTPClient(w.client()))
		_, err := c.Chat.Completions.New(ctx, v1.ChatCompletionNewParams{Model: "demo", MaxCompletionTokens: v1.Int(2), Messages: []v1.ChatCompletionMessageParamUnion{v1.UserMessage(prompt)}})
		return err
	},
	"openai-go v2": func(ctx context.Context, at string, w *wire) error {
		c := v2.NewClient(v2option.WithBaseURL(at+"/v1"), v2option.WithAPIKey("none"), v2option.WithHTTPClient(w.client()))
		_, err := c.Chat.Completions.New(ctx, v2.ChatCompletionNewParams{Model: "demo", MaxCompletionTokens: v2.Int(2), Messages: []v2.ChatCompletionMessageParamUnion{v2.UserMessage(prompt)}})
		return err
	},
	"openai-go v3": func(ctx context.Context, at string, w *wire) error {
		c := v3.NewClient(v3option.WithBaseURL(at+"/v1"), v3option.WithAPIKey("none"), v3option.WithHTTPClient(w.client()))
		_, err := c.Chat.Completions.New(ctx, v3.ChatCompletionNewParams{Model: "demo", MaxCompletionTokens: v3.Int(2), Messages: []v3.ChatCompletionMessageParamUnion{v3.UserMessage(prompt)}})
		return err
	},
	"anthropic-sdk-go": func(ctx context.Context, at string, w *wire) error {
		c := anthropic.NewClient(anthropicoption.WithBaseURL(at), anthropicoption.WithAPIKey("none"), anthropicoption.WithHTTPClient(w.client()))
		_, err := c.Messages.New(ctx, anthropic.MessageNewParams{Model: "demo", MaxTokens: 2, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))}})
		return err
	},
}

// Clients that come to a full queue or to a server with too many large requests wait for
// as long as Retry-After says, ask again, and are answered.
func TestRetries(t *testing.T) {
	at, stop, err := serve("--slots", "1", "--queue", fmt.Sprint(len(retrying)), "--body", fmt.Sprint(2*half), "--ctx", fmt.Sprint(room))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	t.Run("429", func(t *testing.T) { retry(t, at, 429, fullQueue(t, at)) })
	t.Run("503", func(t *testing.T) { retry(t, at, 503, largeBody(t, at)) })
}

// retry lets all clients meet a status, ends its cause, and waits for their answers.
func retry(t *testing.T, at string, status int, end func()) {
	var met, all sync.WaitGroup
	met.Add(len(retrying))
	for name, ask := range retrying {
		all.Go(func() {
			w, once := &wire{}, sync.Once{}
			w.seen = func(int) { once.Do(met.Done) }
			if err := ask(t.Context(), at, w); err != nil {
				t.Errorf("%s: %v", name, err)
				once.Do(met.Done)
				return
			}
			if n := len(w.statuses); n < 2 || w.statuses[0] != status || w.statuses[n-1] != 200 {
				t.Errorf("%s: statuses %d", name, w.statuses)
			} else if waited := w.times[1].Sub(w.times[0]); waited < time.Second {
				t.Errorf("%s asks again after %v, not the second of Retry-After", name, waited)
			}
		})
	}
	met.Wait()
	end()
	all.Wait()
}

// fullQueue fills the slot and the queue with replies that do not end by themselves.
func fullQueue(t *testing.T, at string) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var bias []string
	for id, v := range endless(t) {
		bias = append(bias, fmt.Sprintf("%q:%d", id, v))
	}
	body := `{"messages":[{"role":"user","content":"Go on."}],"logit_bias":{` + strings.Join(bias, ",") + `}}`
	hold := func() {
		r, err := http.NewRequestWithContext(ctx, "POST", at+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return // it left
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		if ctx.Err() == nil {
			t.Errorf("a reply ends: %d %.300s", resp.StatusCode, data)
		}
	}
	go hold() // of more at once, one would find the queue full before the slot is taken
	until(t, at+"/slots", `"decoding":1`)
	for range len(retrying) {
		go hold()
	}
	until(t, at+"/slots", fmt.Sprintf(`"waiting":%d`, len(retrying)))
	for _, path := range []string{"/api/chat", "/v1/responses"} { // clients that do not ask again are told when they might
		resp, err := http.Post(at+path, "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}],"input":"Hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || strings.HasPrefix(path, "/api/") != strings.HasPrefix(string(data), `{"error":"`) {
			t.Errorf("%s at a full queue: %d %v %s", path, resp.StatusCode, resp.Header, data)
		}
	}
	return cancel
}

// until waits until what an address says contains a part.
func until(t *testing.T, address, part string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(data), part) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come: %s", part, data)
		}
	}
}

// half of what all requests together may take, and a power of two, as their buffers are.
const half = 64 << 20

// largeBody sends a part of a request that fills what all requests together may take.
func largeBody(t *testing.T, at string) (end func()) {
	c, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", 2*half)
	spaces := []byte(strings.Repeat(" ", 1<<20))
	for range half/len(spaces) + 1 {
		if _, err := c.Write(spaces); err != nil {
			t.Fatal(err)
		}
	}
	// A request that came meanwhile could take the room that this one needs.
	until(t, at+"/metrics", fmt.Sprintf("mil_body_bytes %d\n", 2*half))
	return func() { c.Close() }
}
