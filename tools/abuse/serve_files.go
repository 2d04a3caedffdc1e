//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ask asks by any method, and gives the status and the body.
func (s *served) ask(ctx context.Context, method, path, body string) (int, string) {
	q := must(http.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body)))
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

const talks = "/v1/mil/conversations"

// version is a conversation whose title and message say the same number, so that a half of
// one and a half of another are told apart.
func version(n int) string {
	return fmt.Sprintf(`{"title":"n%d","current":"a","messages":{"a":{"parent":null,"role":"user","content":"n%d %s"}}}`, n, n, strings.Repeat("x", 20000))
}

// wholeVersion is the number of a conversation that is whole.
func wholeVersion(text string) (n int, ok bool) {
	var c struct {
		Title    string
		Messages map[string]struct{ Content string }
	}
	if json.Unmarshal([]byte(text), &c) != nil || len(c.Messages) != 1 {
		return 0, false
	}
	_, err := fmt.Sscanf(c.Title, "n%d", &n)
	return n, err == nil && strings.HasPrefix(c.Messages["a"].Content, fmt.Sprintf("n%d x", n)) && len(c.Messages["a"].Content) > 20000
}

// serverFiles mistreats what a server keeps and reads: it is killed while conversations
// are written, its disk fills up, its files are damaged, its model is replaced.
func serverFiles(a *abuse) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	dir := a.path("kept")
	sessions := []string{"--sessions", dir}
	s := a.serve(ctx, sessions...)
	status, text := s.ask(ctx, "POST", talks, version(0))
	var head struct{ ID string }
	if json.Unmarshal([]byte(text), &head) != nil || status != 201 || head.ID == "" {
		a.fail("a conversation is not kept: %d %s", status, text)
		_ = s.end(syscall.SIGKILL)
		return
	}
	at := talks + "/" + head.ID
	n := 0
	for range a.some(3, 40) {
		n = a.killedKeeping(ctx, s, at, n)
		s = a.serve(ctx, sessions...)
		if status, text := s.ask(ctx, "GET", at, ""); status != 200 {
			a.fail("a conversation after a kill: %d %.300s", status, text)
		} else if got, ok := wholeVersion(text); !ok || got < n {
			a.fail("version %d was acknowledged before a kill, and %d is there: %.300s", n, got, text)
		}
	}
	a.fullServer(ctx, s, at)
	s = a.serve(ctx, sessions...)
	a.damagedTalks(ctx, s, dir, at)
	a.replacedModel(ctx)
}

// killedKeeping kills a server at a random moment while a conversation is written again
// and again and a reply runs, and gives the last version that was acknowledged.
func (a *abuse) killedKeeping(ctx context.Context, s *served, at string, n int) int {
	var work sync.WaitGroup
	work.Go(func() {
		for i := n + 1; ; i++ {
			if status, text := s.ask(ctx, "PUT", at, version(i)); status == 0 {
				return
			} else if status != 200 {
				a.fail("a conversation is not written: %d %.300s", status, text)
				return
			}
			n = i
		}
	})
	work.Go(func() { s.post(ctx, unread) })
	time.Sleep(time.Duration(a.rand.IntN(400)) * time.Millisecond)
	_ = s.end(syscall.SIGKILL)
	work.Wait()
	a.count++
	return n
}

// fullServer takes the disk's room from a server. What is there stays, and it answers.
func (a *abuse) fullServer(ctx context.Context, s *served, at string) {
	_, before := s.ask(ctx, "GET", at, "")
	_ = s.end(syscall.SIGTERM)
	s = a.serveLimited(ctx, "ulimit -f 8", "--sessions", a.path("kept")) // 4,096 bytes a file
	for i := range 3 {
		status, text := s.ask(ctx, "PUT", at, version(1<<20+i))
		if status != 507 && status != 500 || !strings.Contains(text, `"message"`) {
			a.fail("a conversation without room: %d %.300s", status, text)
		}
		a.count++
	}
	if status, text := s.ask(ctx, "GET", at, ""); status != 200 || text != before {
		a.fail("the conversation without room: %d %.300s", status, text)
	}
	if status, text := s.post(ctx, fable); status != 200 {
		a.fail("a reply without room: %d %s", status, text)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		a.fail("serve without room ends with %v: %s", err, s.errs)
	}
}

// damagedTalks changes kept files. Each is refused or as it was, and the others stay.
func (a *abuse) damagedTalks(ctx context.Context, s *served, dir, at string) {
	id := filepath.Base(at)
	var file string
	must(0, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), id) {
			file = path
		}
		return nil
	}))
	if file == "" {
		a.fail("no file of conversation %s is in %s", id, dir)
		return
	}
	good := must(os.ReadFile(file))
	_ = s.end(syscall.SIGTERM)
	for range a.some(3, 100) {
		bad := append([]byte{}, good...)
		switch a.rand.IntN(3) {
		case 0:
			bad = bad[:a.rand.IntN(len(bad))]
		case 1:
			bad[a.rand.IntN(len(bad))] ^= byte(1 + a.rand.IntN(255))
		default:
			bad = []byte(strings.Repeat("[", 1<<20))
		}
		must(0, os.WriteFile(file, bad, 0o600))
		s := a.serve(ctx, "--sessions", dir)
		status, text := s.ask(ctx, "GET", at, "")
		if status/100 != 2 && status/100 != 4 && status != 500 || status != 200 && !strings.Contains(text, `"message"`) {
			a.fail("a damaged conversation: %d %.300s", status, text)
		}
		if status, text := s.ask(ctx, "POST", talks, version(7)); status != 201 {
			a.fail("a conversation beside a damaged one: %d %.300s", status, text)
		}
		if err := s.end(syscall.SIGTERM); err != nil {
			a.fail("serve with a damaged conversation ends with %v: %s", err, s.errs)
		}
		a.count++
	}
}

// replacedModel changes a model's file under a server. The next request is answered by
// the new file, or is told why it cannot be, and the server goes on.
func (a *abuse) replacedModel(ctx context.Context) {
	path := a.path("m.bin")
	a.works(call{args: []string{"convert", a.demoFolder(), "-o", path, "--type", "q8_0"}})
	good := must(os.ReadFile(path))
	s := a.serve(ctx, path)
	_, want := s.post(ctx, fable)
	want, _, _ = strings.Cut(want, `"created"`)
	for _, c := range []struct {
		name   string
		change func() error
		status int
	}{
		{"removed", func() error { return os.Remove(path) }, 200},
		{"there again", func() error { return a.newFile(path, good) }, 200},
		{"replaced by zeros", func() error { return a.newFile(path, make([]byte, len(good))) }, 503},
		{"replaced by half of itself", func() error { return a.newFile(path, good[:len(good)/2]) }, 503},
		{"whole again", func() error { return a.newFile(path, good) }, 200},
	} {
		go s.post(ctx, `{"prompt":"Once","max_tokens":200,"temperature":2,"stream":true}`) // at work meanwhile
		must(0, c.change())
		status, text := s.post(ctx, fable)
		if status != c.status || status == 200 && !strings.Contains(text, want) || status != 200 && !strings.Contains(text, "cannot be loaded") {
			a.fail("a model %s under a server: %d %.400s", c.name, status, text)
		}
		a.count++
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		a.fail("serve whose model was replaced ends with %v: %s", err, s.errs)
	}
}

// newFile puts a file in the place of another.
func (a *abuse) newFile(path string, data []byte) error {
	must(0, os.WriteFile(path+".new", data, 0o600))
	return os.Rename(path+".new", path)
}
