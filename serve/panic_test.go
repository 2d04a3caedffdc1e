package serve

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
)

// A mistake in a handler ends its own request: with an error where the answer has not
// begun, else by breaking off. One line tells the owner.
func TestPanic(t *testing.T) {
	var out bytes.Buffer
	s, err := New(Options{LLM: llm.Options{Backend: "cpu"}, Log: log.New(&out, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	var none []int
	s.mux.Handle("GET /early", s.guard(func(http.ResponseWriter, *http.Request) error { none[len(out.String())] = 1; return nil }, false))
	s.mux.Handle("GET /late", s.guard(func(w http.ResponseWriter, _ *http.Request) error {
		newEvents(w).ping()
		panic("an\nerror")
	}, false))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(t.Context(), l, 0) }()
	get := func(path string) (int, string, error) {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(data), err
	}
	if status, text, err := get("/early"); status != 500 || err != nil || !strings.Contains(text, "internal_error") {
		t.Errorf("%d %s %v", status, text, err)
	}
	if status, text, err := get("/late"); status != 200 || err == nil {
		t.Errorf("an answer that broke off looks whole: %d %s", status, text)
	}
	if status, _, err := get("/health"); status != 200 || err != nil {
		t.Errorf("health: %d %v", status, err)
	}
	l.Close()
	<-done
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "panic_test.go:") || !strings.Contains(lines[2], "panic_test.go:") {
		t.Errorf("%q", lines)
	}
}
