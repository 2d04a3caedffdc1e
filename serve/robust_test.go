package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run serves over a real listener, as the command does, and gives its address.
func run(t *testing.T, o serve.Options) (address string) {
	t.Helper()
	o.LLM.Backend, o.LLM.Threads = "cpu", 2
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	s, err := serve.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l, 0) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// dial sends text over a connection of its own.
func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// answer reads one response: its status and body.
func answer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute)) // a server that hangs fails the test
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
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

// chat is a request's head and the beginning of its body.
func chat(head, body string) string {
	return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + head + "\r\n" + body
}

// Bodies that lie, come slowly, or are no plain bodies are refused with a reason.
func TestBodies(t *testing.T) {
	address := run(t, serve.Options{Limits: serve.Limits{Body: 4096, Read: 300 * time.Millisecond}})
	for name, c := range map[string]struct {
		text, code string
		status     int
	}{
		"promises too much":  {chat("Content-Length: 99999999999\r\n", "{"), "request_too_large", 413},
		"sends too much":     {chat("Transfer-Encoding: chunked\r\n", "2000\r\n"+strings.Repeat("x", 0x2000)+"\r\n0\r\n\r\n"), "request_too_large", 413},
		"never comes":        {chat("Content-Length: 100\r\n", `{"messages":`), "request_timeout", 408},
		"is zipped":          {chat("Content-Length: 3\r\nContent-Encoding: gzip\r\n", "\x1f\x8b\x08"), "unsupported_encoding", 415},
		"has false chunks":   {chat("Transfer-Encoding: chunked\r\n", "zz\r\n"), "invalid_value", 400},
		"is cut to an end":   {chat("Content-Length: 2\r\n", `{"messages":[]}`), "invalid_value", 400},
		"has two lengths":    {chat("Content-Length: 2\r\nContent-Length: 3\r\n", `{}`), "", 400},
		"has a huge header":  {chat("X-A: "+strings.Repeat("x", 64<<10)+"\r\n", ``), "", 431},
		"has many headers":   {chat(strings.Repeat("X-A: b\r\n", 10<<10), ``), "", 431},
		"comes for nothing":  {"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", "request_timeout", 408},
		"expects a continue": {chat("Content-Length: 99999\r\nExpect: 100-continue\r\n", ""), "request_too_large", 413},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := answer(t, dial(t, address, c.text))
			if status != c.status || !strings.Contains(body, c.code) {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.code)
			}
		})
	}
}

// Large requests together take bounded memory, and give it back.
func TestBodiesTogether(t *testing.T) {
	address := run(t, serve.Options{Limits: serve.Limits{Body: 1 << 20, Bodies: 1 << 20, Read: time.Minute}})
	hold := dial(t, address, chat("Content-Length: 900000\r\n", strings.Repeat(" ", 1<<19))) // half of its buffer
	get := func(path string) (int, string) {
		return answer(t, dial(t, address, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	}
	until(t, "its body", func() bool { _, body := get("/metrics"); return strings.Contains(body, "mil_body_bytes 1048576\n") })
	ask := func() int {
		status, _ := answer(t, dial(t, address, chat("Content-Length: 700000\r\n", strings.Repeat(" ", 700000))))
		return status
	}
	if status := ask(); status != 503 {
		t.Errorf("%d", status)
	}
	if status, body := get("/health"); status != 200 {
		t.Errorf("health where there is no room: %d %s", status, body)
	}
	hold.Close()
	until(t, "room again", func() bool { return ask() == 400 })
}

func mustMarshal(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// until waits for what must come.
func until(t *testing.T, name string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come", name)
		}
	}
}

// More connections than may be open close those that wait for a request, never one
// that has a request at work.
func TestConnections(t *testing.T) {
	address := run(t, serve.Options{Limits: serve.Limits{Conns: 4, Read: time.Minute}})
	at := dial(t, address, chat("Content-Length: 2\r\nExpect: 100-continue\r\n", "")) // its request is at work
	if _, err := io.ReadFull(at, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 20 {
		idle = append(idle, dial(t, address, ""))
	}
	if status, _ := answer(t, dial(t, address, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")); status != 200 {
		t.Errorf("health: %d", status)
	}
	closed := 0
	for _, c := range idle[:16] {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	if closed != 16 {
		t.Errorf("%d of the idle connections were closed", closed)
	}
	io.WriteString(at, "{}")
	if status, body := answer(t, at); status != 400 || !strings.Contains(body, "messages is empty") {
		t.Errorf("the request at work: %d %s", status, body)
	}
}

// What a client chooses stands in the log on its own line.
func TestLog(t *testing.T) {
	out := &lines{}
	address := run(t, serve.Options{Log: log.New(out, "", 0)})
	for _, path := range []string{"/a%0aGET%20/health%20200", "/b%1b[2J%c2%9b", "/" + strings.Repeat("c", 9000)} {
		answer(t, dial(t, address, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	}
	until(t, "the log", func() bool { return strings.Count(out.String(), "\n") >= 3 })
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		if !strings.HasPrefix(line, "GET /") || !strings.Contains(line, " 404 ") || len(line) > 1000 || strings.ContainsAny(line, "\x1b\u009b") {
			t.Errorf("%q", line)
		}
	}
}

// A page that may ask is told so by the browser's question before it.
func TestPreflight(t *testing.T) {
	address := run(t, serve.Options{Keys: []string{"k"}, Origins: []string{"http://friend.example"}})
	for origin, want := range map[string]int{"http://friend.example": 204, "http://evil.example": 403, "null": 403} {
		c := dial(t, address, "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: "+origin+"\r\nAccess-Control-Request-Method: POST\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(time.Minute))
		resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "OPTIONS"})
		if err != nil {
			t.Fatal(err)
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Headers"); resp.StatusCode != want || (want == 204) != strings.Contains(allowed, "Authorization") {
			t.Errorf("%s: %d, headers %q", origin, resp.StatusCode, allowed)
		}
	}
}

// load is /slots.
func load(t *testing.T, address string) (all map[string]struct {
	Waiting, Reading, Decoding int
	Memory                     int64 `json:"memory_bytes"`
	Prefixes                   int64 `json:"prefixes_bytes"`
}) {
	t.Helper()
	resp, err := http.Get("http://" + address + "/slots")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A client that leaves while it is queued, in its prompt or in its reply gives its
// slot back, and its neighbour's text stays.
func TestLeaves(t *testing.T) {
	out := &lines{}
	address := run(t, serve.Options{LLM: llm.Options{Context: 8192}, Slots: 2, Log: log.New(out, "", 0)})
	long := strings.Repeat("Tell me a tale about a fox and a mole. ", 150)
	endless := func(prompt string, stream bool) string {
		body := fmt.Sprintf(`{"prompt":%q,"max_tokens":3000,"temperature":0,"stream":%v,"logit_bias":%s}`, prompt, stream, mustMarshal(endless))
		return strings.Replace(chat(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body), "/chat", "", 1)
	}
	neighbour := `{"prompt":"Once upon a time","max_tokens":60,"temperature":0}`
	want := text(t, address, neighbour)
	now := func() (waiting, reading, decoding int) {
		l := load(t, address)["demo"]
		return l.Waiting, l.Reading, l.Decoding
	}
	for _, stream := range []bool{false, true} {
		var gone []net.Conn
		for range 6 { // more than the slots
			gone = append(gone, dial(t, address, endless(long, stream)))
		}
		until(t, "a queue", func() bool { w, _, _ := now(); return w > 0 })
		half, full := gone[0].(*net.TCPConn), gone[1:]
		half.CloseWrite() // one that will not send any more has left too
		for _, c := range full {
			c.Close()
		}
		until(t, "free slots", func() bool { w, r, d := now(); return w+r+d == 0 })
		if got := text(t, address, neighbour); got != want {
			t.Errorf("after others left: %q, alone %q", got, want)
		}
	}
	if got := out.String(); strings.Count(got, " 499 ") < 6 {
		t.Errorf("the log does not tell who left: %s", got)
	}
}

// text is the text of a completion.
func text(t *testing.T, address, body string) string {
	t.Helper()
	resp, err := http.Post("http://"+address+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var c completion
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || resp.StatusCode != 200 || len(c.Choices) == 0 {
		t.Fatalf("%s: %d %v", body, resp.StatusCode, err)
	}
	return c.Choices[0].Text
}
