package serve

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mil-run/mil/llm"
)

// An answer may take longer than a request's body may, also where there is no body: then
// the deadline is set while net/http waits for what the client sends next.
func TestLongReply(t *testing.T) {
	const most = 50 * time.Millisecond
	s, err := New(Options{LLM: llm.Options{Backend: "cpu"}, Limits: Limits{Read: most}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.mux.Handle("GET /long", s.guard(func(w http.ResponseWriter, r *http.Request) error {
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-time.After(20 * most):
			return send(w, http.StatusOK, "whole")
		}
	}, false))
	on := httptest.NewServer(s)
	defer on.Close()
	resp, err := http.Get(on.URL + "/long")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil {
		t.Errorf("%d %s %v", resp.StatusCode, data, err)
	}
}

// A mistake in a handler or beside it ends its own request: with an error where the
// answer has not begun, else by breaking off. One line tells the owner.
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
	s.mux.Handle("GET /aside", s.guard(func(w http.ResponseWriter, r *http.Request) error {
		none := &choice{} // without an answer
		out := newEvents(w)
		out.ping()
		return s.follow(r.Context(), []*choice{none}, out, out.ping, func(piece) {})
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
	for _, path := range []string{"/late", "/aside"} {
		if status, text, err := get(path); status != 200 || err == nil {
			t.Errorf("%s: an answer that broke off looks whole: %d %s", path, status, text)
		}
	}
	if status, _, err := get("/health"); status != 200 || err != nil {
		t.Errorf("health: %d %v", status, err)
	}
	l.Close()
	<-done
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 7 || !strings.Contains(lines[0], "panic_test.go:") || !strings.Contains(lines[2], "panic_test.go:") || !strings.Contains(lines[4], "service.go:") {
		t.Errorf("%q", lines)
	}
}

// A mistake while a model loads is that load's error.
func TestLoadPanic(t *testing.T) {
	m := &models{o: &Options{}} // without a machine
	if _, err := m.open(&entry{}); err == nil || !strings.Contains(err.Error(), "a mistake of mil") {
		t.Errorf("%v", err)
	}
}
