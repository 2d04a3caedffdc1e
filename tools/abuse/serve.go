//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// served is a running mil serve.
type served struct {
	cmd  *exec.Cmd
	errs *strings.Builder
	path string // of its socket
	web  *http.Client
}

// serve starts mil serve on a socket and waits until it says that it answers.
func (a *abuse) serve(ctx context.Context, args ...string) *served {
	return a.serveLimited(ctx, "", args...)
}

// serveLimited does so under limits of a shell.
func (a *abuse) serveLimited(ctx context.Context, limits string, args ...string) *served {
	s := &served{path: a.path("mil.sock"), errs: &strings.Builder{}}
	s.cmd = a.command(ctx, call{shell: limits, args: append([]string{"serve", "--listen", "unix:" + s.path, "--ctx", "4096", "--grace", "1s"}, args...)})
	s.cmd.Stderr = s.errs
	out := must(s.cmd.StdoutPipe())
	must(0, s.cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on ") {
		a.fail("serve does not begin: %q, %v", line, err)
	}
	s.web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", s.path) }}}
	return s
}

// post asks and gives the status and the body.
func (s *served) post(ctx context.Context, body string) (int, string) {
	q := must(http.NewRequestWithContext(ctx, "POST", "http://localhost/v1/completions", strings.NewReader(body)))
	q.Header.Set("Content-Type", "application/json")
	resp, err := s.web.Do(q)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

// end sends a signal and waits for the process.
func (s *served) end(sig syscall.Signal) error {
	_ = s.cmd.Process.Signal(sig)
	return s.cmd.Wait()
}

// fable is a request whose text is known.
const fable = `{"prompt":"Once upon a time","max_tokens":20,"temperature":0}`

// unread is a request for a long stream.
const unread = `{"prompt":"Once","max_tokens":3000,"temperature":2,"stream":true}`

// servers attacks mil serve: floods, lies, clients that leave, kills. A neighbour's
// text stays, and the server answers and ends as it should.
func servers(a *abuse) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	s := a.serve(ctx)
	status, text := s.post(ctx, fable)
	_, want, ok := strings.Cut(text, `"choices":`)
	if want, _, _ = strings.Cut(want, `"created"`); status != 200 || !ok {
		a.fail("serve: %d %s", status, text)
	}
	for range a.some(1, 20) {
		a.attack(ctx, s)
		if status, text := s.post(ctx, fable); status != 200 || !strings.Contains(text, want) {
			a.fail("serve after an attack: %d %s, before %s", status, text, want)
		}
	}
	// One reply is at work when it is killed, and the next server takes the socket.
	go s.post(ctx, unread)
	_ = s.end(syscall.SIGKILL)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s = a.serve(ctx)
		busy, gone := context.WithCancel(ctx)
		go s.post(busy, unread)
		if status, text := s.post(ctx, fable); status != 200 || !strings.Contains(text, want) {
			a.fail("serve after a kill: %d %s, before %s", status, text, want)
		}
		slow := must(net.Dial("unix", s.path)) // its request never ends
		must(io.WriteString(slow, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"))
		if err := s.end(sig); err != nil || s.errs.Len() > 0 {
			a.fail("serve ends on %v with %v: %s", sig, err, s.errs)
		}
		slow.Close()
		gone()
		a.count++
	}
}

// attack is what hostile and clumsy clients do, many at the same time.
func (a *abuse) attack(ctx context.Context, s *served) {
	head := "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	raw := []string{
		"", "GET", "\x00\xff\x16\x03\x01", "GET / HTTP/9.9\r\n\r\n", "GET /" + strings.Repeat("a", 100<<10),
		head + "X: " + strings.Repeat("y", 64<<10), head + "Content-Length: 99999999999\r\n\r\n{", head + "Content-Length: -1\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", head + "Content-Length: 60\r\n\r\n{\"prompt\":",
		head + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", "GET /slots HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(fable), fable),
		head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(unread), unread), // whose reply nobody reads
	}
	bodies := []string{
		"", "null", "[]", "{", `{"prompt":` + strings.Repeat("[", 200000), `{"prompt":"x","n":1e9}`, `{"prompt":"x","max_tokens":-5}`,
		`{"prompt":[-1]}`, `{"prompt":[99999999]}`, `{"prompt":"x","stop":[` + strings.Repeat(`"a",`, 100000) + `"a"]}`,
		`{"prompt":"` + strings.Repeat("a ", 1<<20) + `"}`, `{"prompt":"x","logit_bias":{"99999999":1}}`, `{"prompt":"x","temperature":1e39}`,
		`{"prompt":"\ud800","max_tokens":3}`, `{"model":"../../etc/passwd","prompt":"x"}`, `{"prompt":"x` + "\xff" + `"}`,
	}
	var all sync.WaitGroup
	var held []net.Conn
	for i := range 40 * len(raw) { // more than may be open
		c, err := net.DialTimeout("unix", s.path, 5*time.Second)
		if err != nil {
			break // the queue of the socket is full
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, raw[i%len(raw)])
		switch i % 3 {
		case 0:
			c.Close()
		case 1:
			_ = c.(*net.UnixConn).CloseWrite()
			fallthrough
		default:
			held = append(held, c)
		}
		a.count++
	}
	for _, body := range bodies {
		all.Go(func() {
			if status, text := s.post(ctx, body); status != 0 && status/100 != 4 && status != 200 && status != 503 {
				a.fail("serve answers %d %s to %.80q", status, text, body)
			}
		})
		for _, stream := range []bool{false, true} { // clients that leave
			leave, gone := context.WithTimeout(ctx, time.Duration(a.rand.IntN(300))*time.Millisecond)
			all.Go(func() {
				defer gone()
				s.post(leave, fmt.Sprintf(`{"prompt":"Tell me a tale.","max_tokens":2000,"temperature":2,"stream":%v}`, stream))
			})
			a.count++
		}
		a.count++
	}
	all.Wait()
	for _, c := range held {
		c.Close()
	}
}
