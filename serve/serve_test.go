package serve_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// start serves the demo.
func start(t *testing.T, o serve.Options) *httptest.Server {
	t.Helper()
	o.LLM.Backend = "cpu"
	o.LLM.Threads = 2
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	on := httptest.NewServer(s)
	t.Cleanup(func() {
		on.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return on
}

// post asks and returns the status and the body.
func post(t *testing.T, on *httptest.Server, path, body string, head ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("POST", on.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(head); i += 2 {
		if r.Header.Set(head[i], head[i+1]); head[i] == "Host" {
			r.Host = head[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// completion is a whole answer.
type completion struct {
	Choices []struct {
		FinishReason string `json:"finish_reason"`
		Message      struct{ Role, Content string }
		Text         string
	}
	Usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Details    struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

func ask(t *testing.T, on *httptest.Server, path, body string) (c completion) {
	t.Helper()
	status, text := post(t, on, path, body)
	if status != 200 {
		t.Fatalf("%s: %d %s", body, status, text)
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(text, err)
	}
	return c
}

const tale = `{"messages":[{"role":"user","content":"Tell me a tale about a fox."}],"temperature":0,"max_tokens":24`

// A reply is the one that the library makes, whole and streamed, drafted or not.
func TestChat(t *testing.T) {
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := ""
	for p, err := range m.Chat(t.Context(), llm.User("Tell me a tale about a fox."), llm.Greedy, func(s *llm.Settings) { s.MaxTokens = 24 }) {
		if err != nil {
			t.Fatal(err)
		}
		want += p.Text
	}
	for _, draft := range []string{"", "demo", "lookup"} {
		on := start(t, serve.Options{LLM: llm.Options{Draft: draft}})
		c := ask(t, on, "/v1/chat/completions", tale+"}")
		if got := c.Choices[0].Message; got.Content != want || got.Role != "assistant" || c.Choices[0].FinishReason != "length" || c.Usage.Completion != 24 {
			t.Errorf("draft %q: %+v, want %q", draft, c, want)
		}
		status, text := post(t, on, "/v1/chat/completions", tale+`,"stream":true,"stream_options":{"include_usage":true}}`)
		if got := streamed(t, text); status != 200 || got != want {
			t.Errorf("draft %q: streamed %q, want %q", draft, got, want)
		}
	}
}

// streamed is the text of a stream, whose form it holds to what clients rely on.
func streamed(t *testing.T, text string) (reply string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	var events []string
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events = append(events, data)
		}
	}
	if n := len(events); n < 4 || events[n-1] != "[DONE]" {
		t.Fatalf("a stream ends with %q", events)
	}
	id := ""
	for i, e := range events[:len(events)-1] {
		var c struct {
			ID      string
			Choices []struct {
				Delta        map[string]any
				FinishReason *string `json:"finish_reason"`
			}
			Usage map[string]any
		}
		if err := json.Unmarshal([]byte(e), &c); err != nil {
			t.Fatal(e, err)
		}
		if i == 0 {
			id = c.ID
		}
		last := i == len(events)-2
		switch {
		case c.ID != id || last != (len(c.Choices) == 0) || last != (c.Usage != nil):
			t.Errorf("event %d: %s", i, e)
		case i == 0 && c.Choices[0].Delta["role"] != "assistant":
			t.Errorf("the first event is %s", e)
		case !last && c.Choices[0].FinishReason != nil && len(c.Choices[0].Delta) > 0:
			t.Errorf("the end has text: %s", e)
		case !last:
			piece, _ := c.Choices[0].Delta["content"].(string)
			reply += piece
		}
	}
	return reply
}

// Requests at the same time give the texts that each gives alone.
func TestCompany(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Draft: "lookup"}, Slots: 8})
	bodies := []string{}
	for _, about := range []string{"a fox", "a mole", "the sea", "a clumsy bear", "two friends", "a lamp"} {
		for _, how := range []string{`"temperature":0`, `"temperature":0.9,"seed":7`} {
			bodies = append(bodies, `{"messages":[{"role":"user","content":"Tell me a tale about `+about+`."}],"max_tokens":40,`+how+`}`)
		}
	}
	var want []string
	for _, b := range bodies {
		want = append(want, ask(t, on, "/v1/chat/completions", b).Choices[0].Message.Content)
	}
	var each sync.WaitGroup
	for i, b := range bodies {
		each.Go(func() {
			if status, text := post(t, on, "/v1/chat/completions", b); status != 200 || !strings.Contains(text, mustJSON(want[i])) {
				t.Errorf("%s: %s, alone %q", b, text, want[i])
			}
		})
	}
	each.Wait()
}

func mustJSON(text any) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// Who may not ask is refused before anything is done.
func TestGuards(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Context: 1024}, Keys: []string{"one", "two"}, Origins: []string{"http://friend.example"}, Limits: serve.Limits{Body: 4096}})
	for name, c := range map[string]struct {
		status int
		body   string
		head   []string
	}{
		"no key":            {401, tale + "}", nil},
		"a wrong key":       {401, tale + "}", []string{"Authorization", "Bearer three"}},
		"a key":             {200, tale + "}", []string{"Authorization", "Bearer two"}},
		"another header":    {200, tale + "}", []string{"X-Api-Key", "one"}},
		"another host":      {403, tale + "}", []string{"X-Api-Key", "one", "Host", "evil.example"}},
		"another origin":    {403, tale + "}", []string{"X-Api-Key", "one", "Origin", "http://evil.example"}},
		"a known origin":    {200, tale + "}", []string{"X-Api-Key", "one", "Origin", "http://friend.example"}},
		"another type":      {415, tale + "}", []string{"X-Api-Key", "one", "Content-Type", "text/plain"}},
		"too large":         {413, `{"messages":"` + strings.Repeat("x", 5000) + `"}`, []string{"X-Api-Key", "one"}},
		"no JSON":           {400, `{`, []string{"X-Api-Key", "one"}},
		"an unknown model":  {404, tale + `,"model":"../../etc/passwd"}`, []string{"X-Api-Key", "one"}},
		"tools":             {400, tale + `,"tools":[{"type":"function"}]}`, []string{"X-Api-Key", "one"}},
		"many choices":      {400, tale + `,"n":9}`, []string{"X-Api-Key", "one"}},
		"a stop of nothing": {400, tale + `,"stop":""}`, []string{"X-Api-Key", "one"}},
		"a role":            {400, `{"messages":[{"role":"tool","content":"x"}]}`, []string{"X-Api-Key", "one"}},
		"a temperature":     {400, tale + `,"top_p":2}`, []string{"X-Api-Key", "one"}},
		"a long prompt":     {400, `{"prompt":[` + strings.Repeat("1,", 1500) + `1]}`, []string{"X-Api-Key", "one"}},
	} {
		path := "/v1/chat/completions"
		if strings.Contains(c.body, `"prompt"`) {
			path = "/v1/completions"
		}
		status, text := post(t, on, path, c.body, c.head...)
		if status != c.status || status != 200 && !strings.Contains(text, `"message":`) {
			t.Errorf("%s: %d %s, want %d", name, status, text, c.status)
		}
	}
	if resp, err := http.Get(on.URL + "/health"); err != nil || resp.StatusCode != 200 {
		t.Errorf("health needs a key: %v", err)
	}
}
