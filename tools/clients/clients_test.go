package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	other "github.com/sashabaranov/go-openai"
)

const (
	key    = "a key of the test"
	prompt = "Tell me a tale about a fox."
	length = 24
	room   = 1 << 17 // of the context: a reply that fills it takes minutes
)

// mil was built, and serves the demo at the address.
var mil, address string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mil-clients-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	mil = filepath.Join(dir, "mil")
	build := exec.Command("go", "build", "-o", mil, ".")
	build.Dir, build.Stderr = filepath.Join("..", ".."), os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	at, stop, err := serve("--api-key", key, "--ctx", strconv.Itoa(room))
	if err != nil {
		panic(err)
	}
	defer stop()
	address = at
	return m.Run()
}

// serve starts mil serve, and gives its address when it answers.
func serve(args ...string) (address string, stop func(), err error) {
	c := exec.Command(mil, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { c.Process.Kill(); c.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err == nil && !ok {
		err = errors.New(line)
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	return address, stop, nil
}

// want is the reply to the prompt, as it is without any client.
func want(t *testing.T) string {
	t.Helper()
	c := other.NewClientWithConfig(config(key))
	r, err := c.CreateChatCompletion(t.Context(), chat(false))
	if err != nil || len(r.Choices) != 1 || r.Choices[0].Message.Content == "" {
		t.Fatal(r, err)
	}
	if r.Usage.CompletionTokens != length || r.Choices[0].FinishReason != "length" {
		t.Errorf("%+v", r)
	}
	return r.Choices[0].Message.Content
}

func config(key string) other.ClientConfig {
	c := other.DefaultConfig(key)
	c.BaseURL = address + "/v1"
	return c
}

func chat(stream bool) other.ChatCompletionRequest {
	r := other.ChatCompletionRequest{Model: "demo", MaxCompletionTokens: length, TopP: 1, Temperature: 1e-9, Messages: []other.ChatCompletionMessage{{Role: "user", Content: prompt}}}
	if r.Stream = stream; stream {
		r.StreamOptions = &other.StreamOptions{IncludeUsage: true}
	}
	return r
}

// go-openai streams, sees usage, and reads errors.
func TestGoOpenAI(t *testing.T) {
	want := want(t)
	c := other.NewClientWithConfig(config(key))
	stream, err := c.CreateChatCompletionStream(t.Context(), chat(true))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	text, made := "", 0
	for {
		e, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Choices) > 0 {
			text += e.Choices[0].Delta.Content
		}
		if e.Usage != nil {
			made = e.Usage.CompletionTokens
		}
	}
	if text != want || made != length {
		t.Errorf("%d tokens, %q, want %q", made, text, want)
	}
	wrong := chat(false)
	wrong.Model = "gone"
	var bad *other.APIError
	if _, err := c.CreateChatCompletion(t.Context(), wrong); !errors.As(err, &bad) || bad.HTTPStatusCode != 404 || bad.Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
	if _, err := other.NewClientWithConfig(config("no key")).CreateChatCompletion(t.Context(), chat(false)); !errors.As(err, &bad) || bad.HTTPStatusCode != 401 {
		t.Errorf("a wrong key: %v", err)
	}
}

func openAI() openai.Client {
	return openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func params() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "demo", Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(length),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
}

// openai-go chats, streams, asks for responses and log-probabilities, and reads errors.
func TestOpenAI(t *testing.T) {
	want, c := want(t), openAI()
	p := params()
	p.Logprobs, p.TopLogprobs = openai.Bool(true), openai.Int(2)
	r, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if one := r.Choices[0]; one.Message.Content != want || r.Usage.CompletionTokens != length || len(one.Logprobs.Content) != length || len(one.Logprobs.Content[3].TopLogprobs) != 2 {
		t.Errorf("%+v, want %q", r, want)
	}
	p = params()
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	all := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil || all.Choices[0].Message.Content != want || all.Usage.CompletionTokens != length {
		t.Errorf("streamed: %v, %+v", err, all.ChatCompletion)
	}
	ask := responses.ResponseNewParams{Model: "demo", Temperature: openai.Float(0), MaxOutputTokens: openai.Int(length), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)}}
	answer, err := c.Responses.New(t.Context(), ask)
	if err != nil || answer.OutputText() != want || answer.Usage.OutputTokens != length {
		t.Errorf("a response: %v, %+v", err, answer)
	}
	events, text, ended := c.Responses.NewStreaming(t.Context(), ask), "", ""
	for events.Next() {
		e := events.Current()
		if e.Type == "response.output_text.delta" {
			text += e.Delta
		}
		ended = e.Type
	}
	if err := events.Err(); err != nil || text != want || ended != "response.incomplete" {
		t.Errorf("a streamed response: %v, %q, ended by %s", err, text, ended)
	}
	p.Model = "gone"
	var bad *openai.Error
	if _, err := c.Chat.Completions.New(t.Context(), p); !errors.As(err, &bad) || bad.StatusCode != 404 || bad.Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
}

// endless is a bias against the token that ends the demo's replies.
func endless(t *testing.T) map[string]int64 {
	t.Helper()
	c := exec.Command(mil, "tokenize", "demo", "--special", "--jsonl")
	c.Stdin = strings.NewReader(`{"text":"<|eot_id|>"}`)
	out, err := c.Output()
	var tokens struct{ IDs []int }
	if err == nil {
		err = json.Unmarshal(out, &tokens)
	}
	if err != nil || len(tokens.IDs) == 0 {
		t.Fatalf("%s: %v", out, err)
	}
	bias := map[string]int64{}
	for _, id := range tokens.IDs {
		bias[strconv.Itoa(id)] = -100
	}
	return bias
}

// get reads what the server tells of itself.
func get(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequest("GET", address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", path, resp.StatusCode, data, err)
	}
	return string(data)
}

// A client that leaves in the middle of a reply, which would go on for longer than the
// test waits, leaves nothing at work. read takes three pieces of such a reply and leaves.
func leaves(t *testing.T, read func(ctx context.Context, bias map[string]int64, piece func()) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	err := read(ctx, endless(t), func() {
		if n++; n == 3 {
			if slots := get(t, "/slots"); !strings.Contains(slots, `"decoding":1`) {
				t.Error(slots)
			}
			cancel()
		}
	})
	if n < 3 || ctx.Err() == nil {
		t.Fatalf("the reply ends after %d pieces: %v", n, err)
	}
	for end := time.Now().Add(20 * time.Second); strings.Contains(get(t, "/slots"), `"decoding":1`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the request is still at work")
		}
	}
}

func TestCancel(t *testing.T) {
	c, p := openAI(), params()
	leaves(t, func(ctx context.Context, bias map[string]int64, piece func()) error {
		p.MaxCompletionTokens, p.LogitBias = openai.Int(0), bias
		stream := c.Chat.Completions.NewStreaming(ctx, p)
		for stream.Next() {
			piece()
		}
		return stream.Err()
	})
}

// anthropic-sdk-go asks, counts, streams, and reads errors.
func TestAnthropic(t *testing.T) {
	want := want(t)
	c := anthropic.NewClient(anthropicoption.WithBaseURL(address), anthropicoption.WithAPIKey(key), anthropicoption.WithMaxRetries(0))
	p := anthropic.MessageNewParams{Model: "demo", MaxTokens: length, Temperature: anthropic.Float(0),
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))}}
	m, err := c.Messages.New(t.Context(), p)
	if err != nil || m.Content[0].Text != want || m.Usage.OutputTokens != length || m.StopReason != "max_tokens" {
		t.Fatalf("%v, %+v", err, m)
	}
	n, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: "demo", Messages: p.Messages})
	if err != nil || n.InputTokens != m.Usage.InputTokens+m.Usage.CacheReadInputTokens {
		t.Errorf("%v: %+v are counted, %+v are used", err, n, m.Usage)
	}
	stream, all := c.Messages.NewStreaming(t.Context(), p), anthropic.Message{}
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil || all.Content[0].Text != want || all.Usage.OutputTokens != length || all.StopReason != "max_tokens" {
		t.Errorf("streamed: %v, %+v", err, all)
	}
	p.Model = "gone"
	var bad *anthropic.Error
	if _, err := c.Messages.New(t.Context(), p); !errors.As(err, &bad) || bad.StatusCode != 404 {
		t.Errorf("an unknown model: %v", err)
	}
}
