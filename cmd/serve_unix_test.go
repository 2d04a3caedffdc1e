//go:build unix

package cmd_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mil-run/mil/cmd"
)

// server is a running mil serve.
type server struct {
	at    string // as its line tells
	ended chan error
	get   *http.Client
}

// serving starts mil serve and waits for its line.
func serving(t *testing.T, args ...string) *server {
	t.Helper()
	r, w := io.Pipe()
	s := &server{ended: make(chan error, 1), get: http.DefaultClient}
	go func() {
		err := cmd.Execute(append([]string{"serve", "--backend", "cpu", "--threads", "2"}, args...), strings.NewReader(""), w, io.Discard)
		w.CloseWithError(io.EOF)
		s.ended <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("mil serve %q: %v, %v", args, err, <-s.ended)
	}
	s.at = strings.TrimSuffix(strings.TrimPrefix(line, "listening on "), "\n")
	if path, ok := strings.CutPrefix(s.at, "unix:"); ok {
		s.at = "http://localhost"
		s.get = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	}
	return s
}

// end sends SIGTERM and waits for the command's end.
func (s *server) end(t *testing.T) {
	t.Helper()
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	if err := <-s.ended; err != nil {
		t.Errorf("at its end: %v", err)
	}
}

// ask asks for the models with a key.
func (s *server) ask(t *testing.T, key string) int {
	t.Helper()
	q, err := http.NewRequest("GET", s.at+"/v1/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Api-Key", key)
	resp, err := s.get.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// The server tells its address once it answers, lets keys in, and ends with its
// running reply cut after the grace.
func TestServe(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("one\n\n  two \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serving(t, "--listen", "127.0.0.1:0", "--api-key-file", keys, "--grace", "50ms", "--ctx", "8192")
	if one, two, none, wrong := s.ask(t, "one"), s.ask(t, "two"), s.ask(t, ""), s.ask(t, "three"); one != 200 || two != 200 || none != 401 || wrong != 401 {
		t.Errorf("keys: %d %d %d %d", one, two, none, wrong)
	}
	q, err := http.NewRequest("POST", s.at+"/v1/completions", strings.NewReader(`{"prompt":"Once","max_tokens":8000,"stream":true,"temperature":2,"seed":1}`))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Api-Key", "one")
	q.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	rest := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(resp.Body)
		rest <- string(data)
	}()
	began := time.Now()
	s.end(t)
	if text := <-rest; !strings.Contains(text, `"shutting_down"`) || strings.Contains(text, "[DONE]") {
		t.Errorf("the reply that was cut ends with %q", text[max(0, len(text)-300):])
	}
	if took := time.Since(began); took > 30*time.Second { // far from any machine's speed
		t.Errorf("it took %v to end", took)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.at, "http://")); err == nil {
		t.Error("it still listens")
	}
}

// A socket that a killed server left is taken, one that answers and other files stay.
func TestServeSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mil.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	s := serving(t, "--listen", "unix:"+path)
	if at, err := os.Stat(path); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: others may ask", at.Mode(), err)
	}
	if got := s.ask(t, ""); got != 200 {
		t.Errorf("%d", got)
	}
	if _, _, err := mil(t, "", "serve", "--listen", "unix:"+path); err == nil || !strings.Contains(err.Error(), "another program listens") {
		t.Errorf("a second server: %v", err)
	}
	s.end(t)
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := mil(t, "", "serve", "--listen", "unix:"+file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if data, _ := os.ReadFile(file); string(data) != "mine" {
		t.Error("the file is gone")
	}
}

// What cannot be served is said in one line before anything listens.
func TestServeRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		want   string
		status int
		args   []string
	}{
		{"size", 2, []string{"--memory", "much"}},
		{"size", 2, []string{"--body", "-1"}},
		{"slots", 2, []string{"--slots", "0"}},
		{"holds no key", 1, []string{"--api-key-file", empty}},
		{"no such file", 1, []string{"--api-key-file", empty + "x"}},
		{"too long", 1, []string{"--api-key-file", "/dev/zero"}},
		{"in use", 1, []string{"--listen", busy.Addr().String()}},
		{"nowhere", 1, []string{"nowhere"}},
	} {
		out, _, err := mil(t, "", append([]string{"serve"}, c.args...)...)
		if err == nil || out != "" || !strings.Contains(err.Error(), c.want) || cmd.Status(err) != c.status || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q, %v (status %d)", c.args, out, err, cmd.Status(err))
		}
	}
}
