package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// Every address but health and those that do not exist needs the key, however it is
// written and whatever address headers name.
func TestEveryRouteNeedsTheKey(t *testing.T) {
	address := run(t, serve.Options{Keys: []string{"secret"}})
	for _, path := range []string{
		"GET /v1/models", "HEAD /v1/models", "GET /v1/models/demo", "GET /v1/models/%2e%2e", "GET /metrics", "GET /slots", "POST /v1/chat/completions",
		"POST /v1/completions", "POST /v1/embeddings", "POST /v1/responses", "POST /v1/messages",
		"POST /v1/messages/count_tokens", "GET /api/version", "GET /api/tags", "GET /api/ps", "POST /api/show", "POST /api/chat", "POST /api/generate",
		"GET http://localhost/slots", "GET /slots?key=secret", "GET /slots?/health", "GET /%73lots",
	} {
		c := dial(t, address, path+" HTTP/1.1\r\nHost: localhost\r\nX-Original-URL: /health\r\nX-Rewrite-URL: /health\r\nX-Forwarded-Prefix: /health\r\nContent-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(time.Minute))
		text, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 401 ") || !strings.Contains(string(text), "Www-Authenticate: Bearer") {
			t.Errorf("%s: %q %v", path, text, err)
		}
	}
	for _, path := range []string{"GET //slots", "GET /health/../slots", "GET /slots/", "GET /%2fslots", "PUT /slots", "POST /health", "CONNECT /slots", "GET /nothing"} {
		status, body := answer(t, dial(t, address, path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"))
		if status == 200 || strings.Contains(body, "waiting") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// Names by which a page elsewhere could reach the server are refused.
func TestHosts(t *testing.T) {
	address := run(t, serve.Options{Hosts: []string{"Box.local"}})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:1": 200, "localhost.": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "192.168.1.7": 200, "box.local:8080": 200,
		"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "box.local.evil": 403, "2130706433": 403, "0x7f.1": 403,
	} {
		if status, body := answer(t, dial(t, address, "GET /slots HTTP/1.1\r\nHost: "+host+"\r\n\r\n")); status != want {
			t.Errorf("%s: %d %s, want %d", host, status, body, want)
		}
	}
}

// What one key read is not known to another: neither by usage nor, so, by time.
func TestPrefixesBelongToKeys(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 2048}, Keys: []string{"one", "two"}})
	ids, _ := json.Marshal(make([]int, 600))
	cached := func(key string) int {
		q, err := http.NewRequest("POST", "http://"+address+"/v1/completions", strings.NewReader(fmt.Sprintf(`{"prompt":%s,"max_tokens":1}`, ids)))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var c completion
		if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || c.Usage.Prompt != 600 {
			t.Fatal(c, err)
		}
		return c.Usage.Details.Cached
	}
	if a, b, c, d := cached("one"), cached("one"), cached("two"), cached("two"); a != 0 || b < 500 || c != 0 || d < 500 {
		t.Errorf("cached: one %d, one again %d, two %d, two again %d", a, b, c, d)
	}
}

// Numbers of things that a request asks for are bounded before any work.
func TestBounds(t *testing.T) {
	address := run(t, serve.Options{})
	many := func(n int, one string) string { return strings.Repeat(one+",", n) + one }
	var bias []string
	for i := range 2000 {
		bias = append(bias, fmt.Sprintf(`"%d":1`, i))
	}
	for name, fields := range map[string]string{
		"n": `"n":1000000000`, "stop": `"stop":[` + many(500000, `"a"`) + `]`, "logit_bias": `"logit_bias":{` + strings.Join(bias, ",") + `}`,
		"prompt": `"prompt":[` + many(300, `"a"`) + `]`,
	} {
		body := `{` + fields + `,"max_tokens":1}`
		if name != "prompt" {
			body = `{"prompt":"a",` + fields + `}`
		}
		resp, err := http.Post("http://"+address+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 400 || !strings.Contains(string(data), `"param":"`+name) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, data)
		}
	}
}

// pipes is a listener whose connections hold nothing: a write waits for its reader.
type pipes struct {
	conns chan net.Conn
	end   context.Context
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end.Done():
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// A client that does not read its reply holds nothing for longer than a write may
// take, and one that does not send its head no connection.
func TestSlowReaders(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	p := &pipes{make(chan net.Conn), ctx}
	s, err := serve.New(serve.Options{LLM: llm.Options{Backend: "cpu", Threads: 2}, Memory: 1 << 30, Limits: serve.Limits{Write: 50 * time.Millisecond, Head: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx, p, 0) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for _, text := range []string{
		func() string {
			body := `{"prompt":"Once","max_tokens":3000,"temperature":2,"stream":true}`
			return strings.Replace(chat(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body), "/chat", "", 1)
		}(),
		"GET /slots HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /slots HTTP/1.1\r\nHo",
	} {
		client, server := net.Pipe()
		p.conns <- server
		go io.WriteString(client, text)
		// Only the server's end of the connection ends this: nothing is read.
		until(t, "the end of "+text[:4], func() bool {
			_ = client.SetWriteDeadline(time.Now())
			_, err := client.Write([]byte("x"))
			return err == io.ErrClosedPipe
		})
	}
}

// Errors of ollama's addresses have that API's form, also those that come before a handler.
func TestOllamaErrors(t *testing.T) {
	on := start(t, serve.Options{Keys: []string{"key"}, Limits: serve.Limits{Body: 100}})
	for _, x := range []struct {
		path, body string
		head       []string
		status     int
	}{
		{"/api/chat", `{}`, nil, 401},
		{"/api/chat", `{}`, []string{"Host", "evil.example"}, 403},
		{"/api/chat", `{}`, []string{"Origin", "http://evil.example"}, 403},
		{"/api/chat", `{"model":"` + strings.Repeat("a", 100) + `"}`, []string{"X-Api-Key", "key"}, 413},
		{"/api/chat", `{"model":"other"}`, []string{"X-Api-Key", "key"}, 404},
		{"/api/chat", `{"model":1}`, []string{"X-Api-Key", "key"}, 400},
		{"/api/chat", `{}`, []string{"X-Api-Key", "key", "Content-Type", "text/plain"}, 415},
		{"/api/pull", `{}`, []string{"X-Api-Key", "key"}, 404},
	} {
		status, text := post(t, on, x.path, x.body, x.head...)
		var e map[string]any
		if err := json.Unmarshal([]byte(text), &e); err != nil || status != x.status || len(e) != 1 || str(e["error"]) == "" {
			t.Errorf("%s %v: %d %s", x.path, x.head, status, text)
		}
	}
}
