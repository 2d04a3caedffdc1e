package serve_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// local makes a server that nobody reaches over a network.
func local(t *testing.T, o serve.Options) *serve.Server {
	t.Helper()
	o.LLM = llm.Options{Backend: "cpu", Threads: 2}
	o.Memory = 1 << 30
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Check says of each request what Local says, and of right ones that they are.
func TestCheck(t *testing.T) {
	s := local(t, serve.Options{})
	for _, c := range []struct {
		path, body string
		status     int
		has        string
	}{
		{"/v1/chat/completions", tale + "}", 200, `"chat.completion"`},
		{"/v1/completions", `{"prompt":[[5],[6]],"max_tokens":2}`, 200, `"text_completion"`},
		{"/v1/responses", `{"input":"Hello","max_output_tokens":2}`, 200, `"response"`},
		{"/v1/completions", `{"prompt":[[5],[99999999]],"max_tokens":2}`, 400, "99999999"},
		{"/v1/completions", `{"prompt":"a","temperature":-1}`, 400, "temperature"},
		{"/v1/completions", `{"prompt":"a","model":"other"}`, 404, "other"},
		{"/v1/chat/completions", `{"messages":[]}`, 400, "messages"},
		{"/v1/completions", `{"prompt":"` + strings.Repeat("word ", 9000) + `"}`, 400, "context_length_exceeded"},
		{"/v1/completions", `{"prompt":"a","max_tokens":3,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"nothing"}}}}`, 400, "schema"},
		{"/v1/completions", `{"prompt":"a","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"boolean"}}}}`, 200, `"stop"`},
		{"/v1/embeddings", `{}`, 400, "embeddings"},
		{"/v1/nothing", `{}`, 404, "not_found"},
	} {
		status, answer, err := s.Local(t.Context(), c.path, []byte(c.body))
		if err != nil || status != c.status || !strings.Contains(string(answer), c.has) {
			t.Errorf("Local %s %.60s: %d %.200s, %v", c.path, c.body, status, answer, err)
		}
		looked, text, err := s.Check(t.Context(), c.path, []byte(c.body))
		if err != nil || looked != c.status || status != 200 && string(text) != string(answer) {
			t.Errorf("Check %s %.60s: %d %.200s, %v, want %d %.200s", c.path, c.body, looked, text, err, status, answer)
		}
	}
}

// A request that is left gives no answer.
func TestLocalLeft(t *testing.T) {
	s := local(t, serve.Options{})
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(gone) })
	status, answer, err := s.Local(ctx, "/v1/completions", []byte(`{"prompt":"Once","max_tokens":3000,"temperature":0,"logit_bias":`+mustMarshal(endless)+`}`))
	if status != 0 || answer != nil || !errors.Is(err, gone) {
		t.Errorf("%d %s %v", status, answer, err)
	}
	if status, _, err := s.Local(t.Context(), "/v1/chat/completions", []byte(tale+"}")); status != http.StatusOK || err != nil {
		t.Errorf("afterwards: %d %v", status, err)
	}
}
