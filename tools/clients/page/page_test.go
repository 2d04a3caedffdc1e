package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for what must happen; none depends on speed.
const patience = 30 * time.Second

// mil was built, chromium runs, and open and locked are servers of the demo, the second
// with a key.
var (
	mil          string
	chromium     context.Context
	open, locked string
)

const key = "a key of the test"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mil-page-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	mil = filepath.Join(dir, "mil")
	build := exec.Command("go", "build", "-o", mil, ".")
	build.Dir, build.Stderr = filepath.Join("..", "..", ".."), os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	var end1, end2 func()
	open, end1 = begin("--sessions", filepath.Join(dir, "sessions"), "--draft", "demo")
	defer end1()
	locked, end2 = begin("--api-key", key)
	defer end2()
	// The model is loaded then, so that its context is known.
	if r, err := http.Post(open+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}],"max_tokens":1}`)); err != nil || r.StatusCode != 200 {
		panic(fmt.Sprint(r, err))
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("disable-dev-shm-usage", true))
	if path := os.Getenv("MIL_CHROMIUM"); path != "" {
		o = append(o, chromedp.ExecPath(path))
	}
	all, stop := chromedp.NewExecAllocator(context.Background(), o...)
	defer stop()
	var stopBrowser func()
	chromium, stopBrowser = chromedp.NewContext(all)
	defer stopBrowser()
	if err := chromedp.Do(chromium); err != nil {
		panic(err)
	}
	return m.Run()
}

// begin starts a server of the demo and returns its address.
func begin(args ...string) (string, func()) {
	c := exec.Command(mil, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := c.Start(); err != nil {
		panic(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		panic(fmt.Sprint(line, err))
	}
	return at, func() { c.Process.Kill(); c.Wait() }
}

// ready is true when the page has asked the server for what it shows first, or for a key.
const ready = "document.activeElement?.matches('#input, #key')"

// tab is a page in a browser that has seen nothing yet.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site string // the proxy before the server
	tale chan *request

	mu     sync.Mutex
	errors []string
	asked  []string // addresses of all requests
	allow  string   // a part of errors that the test makes on purpose
}

// request is one for a reply, which the test answers.
type request struct {
	Model    string
	Messages []struct{ Role, Content string }
	Continue bool `json:"continue_final_message"`
	Fields   map[string]any

	w    http.ResponseWriter
	gone <-chan struct{} // closed when the client has left
	done chan struct{}   // closed by the test
}

// newTab opens the page of a server. Where told is set, requests for replies come to the
// test, otherwise they go to the model.
func newTab(t *testing.T, server string, told bool) *tab {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &tab{t: t, tale: make(chan *request)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }, FlushInterval: -1,
		ErrorLog: log.New(io.Discard, "", 0)} // of requests that a reload cuts
	on := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !told || r.URL.Path != "/v1/chat/completions" {
			proxy.ServeHTTP(w, r)
			return
		}
		p.hand(w, r)
	}))
	p.site = on.URL
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	p.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as this context
		t.Fatal(err)
	}
	p.size(1180, 760)
	p.run(chromedp.Navigate(p.site))
	p.wait(ready)
	t.Cleanup(func() {
		cancel()
		on.CloseClientConnections()
		on.Close()
		p.check()
	})
	return p
}

// hear notes what a page of ours must not do.
func (p *tab) hear(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			p.errors = append(p.errors, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" || e.Entry.Source == "security" {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	case *cdpage.EventJavascriptDialogOpening:
		p.errors = append(p.errors, "a dialog: "+e.Message)
	}
}

// check says what the page did that it must not do: errors, violations of its policy, and
// requests to anybody else.
func (p *tab) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		if p.allow == "" || !strings.Contains(e, p.allow) {
			p.t.Errorf("the page: %s", e)
		}
	}
	for _, at := range p.asked {
		if !strings.HasPrefix(at, p.site+"/") && !strings.HasPrefix(at, "blob:"+p.site) && !strings.HasPrefix(at, "data:") {
			p.t.Errorf("the page asked %s", at)
		}
	}
	if len(p.asked) < 10 {
		p.t.Errorf("requests are not seen: %q", p.asked)
	}
}

// hand gives a request to the test and stays until it was answered.
func (p *tab) hand(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	q := &request{w: w, gone: r.Context().Done(), done: make(chan struct{})}
	if json.Unmarshal(data, q) != nil || json.Unmarshal(data, &q.Fields) != nil {
		http.Error(w, "no JSON", 400)
		return
	}
	select {
	case p.tale <- q:
	case <-q.gone:
		return
	}
	select {
	case <-q.done:
	case <-q.gone:
	}
}

// next is the next request for a reply.
func (p *tab) next() *request {
	p.t.Helper()
	select {
	case q := <-p.tale:
		return q
	case <-time.After(patience):
		p.t.Fatal("no request for a reply came")
		return nil
	}
}

// chunk sends a piece of a reply.
func (q *request) chunk(delta map[string]any, more ...any) {
	body := map[string]any{"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": nil}}}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	q.send(body)
}

func (q *request) send(body map[string]any) {
	data, _ := json.Marshal(body)
	q.w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(q.w, "data: %s\n\n", data)
	q.w.(http.Flusher).Flush()
}

func (q *request) text(s string) { q.chunk(map[string]any{"content": s}) }

// end ends a reply.
func (q *request) end(finish string) {
	q.send(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]any{}, "finish_reason": finish}}})
	q.send(map[string]any{"choices": []any{}, "usage": map[string]any{"prompt_tokens": 1200, "completion_tokens": 40, "prompt_tokens_details": map[string]any{"cached_tokens": 1024}},
		"timings": map[string]any{"prompt_n": 176, "cache_n": 1024, "predicted_n": 40, "predicted_per_second": 62.5, "prompt_ms": 210, "draft_n": 20, "draft_n_accepted": 15}})
	fmt.Fprint(q.w, "data: [DONE]\n\n")
	close(q.done)
}

// fail answers with an error.
func (q *request) fail(status int, body string, head ...string) {
	q.w.Header().Set("Content-Type", "application/json")
	for i := 0; i < len(head); i += 2 {
		q.w.Header().Set(head[i], head[i+1])
	}
	q.w.WriteHeader(status)
	io.WriteString(q.w, body)
	close(q.done)
}

// tell answers the next request with a text.
func (p *tab) tell(text string) *request {
	p.t.Helper()
	q := p.next()
	q.text(text)
	q.end("stop")
	return q
}

// left waits until the page has ended a request.
func (p *tab) left(q *request) {
	p.t.Helper()
	select {
	case <-q.gone:
	case <-time.After(patience):
		p.t.Fatal("the request goes on")
	}
}

func (p *tab) run(list ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, list...); err != nil {
		p.t.Fatal(err)
	}
}

// js runs a script in the page.
func (p *tab) js(script string) {
	p.t.Helper()
	p.run(chromedp.Evaluate[chromedp.Void](script))
}

// command is a command of the browser's protocol.
func command[P, R any](p *tab, c cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, c, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// value is what an expression gives.
func value[T any](p *tab, js string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		p.t.Fatal(js, err)
	}
	return v
}

// wait waits until an expression is true.
func (p *tab) wait(js string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if ok {
			return
		} else if ctx.Err() != nil {
			seen, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("never true: %s (%v); the page shows\n%s", js, err, seen)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shows waits until an element has a text.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%s))", selector, quoted(text)))
}

// hides waits until no element has a text.
func (p *tab) hides(selector, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("![...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%s))", selector, quoted(text)))
}

func quoted(s string) string {
	data, _ := json.Marshal(s)
	return string(data)
}

// write types into what has the focus.
func (p *tab) write(text string) {
	p.t.Helper()
	command(p, input.InsertText, input.InsertTextParams{Text: text})
}

const (
	enter, escape, tabKey, up, down = kb.Enter, kb.Escape, kb.Tab, kb.ArrowUp, kb.ArrowDown
)

// press presses a key, perhaps with others held.
func (p *tab) press(key string, held ...chromedp.Modifier) {
	p.t.Helper()
	if key != enter {
		p.run(chromedp.KeyEvent(key, chromedp.KeyModifiers(held...)))
		return
	}
	// chromedp sends the character on its own, also where the page takes the key for itself.
	e := input.DispatchKeyEventParams{Type: "keyDown", Key: "Enter", Code: "Enter", Text: enter, WindowsVirtualKeyCode: 13}
	for _, m := range held {
		e.Modifiers |= int64(m)
	}
	command(p, input.DispatchKeyEvent, e)
	e.Type, e.Text = "keyUp", ""
	command(p, input.DispatchKeyEvent, e)
}

// say sends a message.
func (p *tab) say(text string) {
	p.t.Helper()
	p.run(chromedp.Focus("#input"))
	p.write(text)
	p.press(enter)
}

// click clicks the button of a label or text in the page, the last of several.
func (p *tab) click(label string) {
	p.t.Helper()
	at := fmt.Sprintf("[...document.querySelectorAll('button')].filter((b) => !b.disabled && b.checkVisibility({visibilityProperty: true}) && (b.getAttribute('aria-label') === %[1]s || b.textContent.trim() === %[1]s)).at(-1)", quoted(label))
	p.wait(at)
	p.js("{ const b = " + at + "; b.focus(); b.click() }")
}

// reload is a reload by the reader.
func (p *tab) reload() {
	p.t.Helper()
	p.run(chromedp.Reload())
	p.wait(ready)
}

// size makes the screen another one.
func (p *tab) size(w, h int64) {
	p.t.Helper()
	p.run(chromedp.EmulateViewport(w, h))
}

// kept is the conversation that the page shows, as the server keeps it.
type kept struct {
	Title, Current string
	Settings       map[string]any
	Messages       map[string]struct {
		Parent                           *string
		Role, Content, Reasoning, Finish string
	}
}

// api asks the server itself.
func (p *tab) api(method, path string, body any, to any) {
	p.t.Helper()
	var from io.Reader
	if body != nil {
		data, _ := json.Marshal(body)
		from = bytes.NewReader(data)
	}
	r, _ := http.NewRequest(method, p.site+path, from)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 || json.Unmarshal(data, to) != nil {
		p.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
}

// kept waits until the server keeps the conversation in view in a certain way.
func (p *tab) kept(is func(kept) bool) (c kept) {
	p.t.Helper()
	p.wait("location.hash.startsWith('#/c/')")
	id := value[string](p, "location.hash.slice(4)")
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c = kept{}
		p.api("GET", "/v1/mil/conversations/"+id, nil, &c)
		if is(c) {
			return c
		}
		if time.Now().After(until) {
			p.t.Fatalf("the server keeps %+v", c)
		}
	}
}

// branch is the texts of the messages in view, as the server keeps them.
func (c kept) branch() (list []string) {
	for at := &c.Current; at != nil && *at != ""; {
		m := c.Messages[*at]
		list = append([]string{m.Content}, list...)
		at = m.Parent
	}
	return list
}

// until waits until something is true outside the page.
func (p *tab) until(is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("never true")
		}
	}
}

// contextOf is the browser's context of a tab.
func contextOf(p *tab) cdp.BrowserContextID { return chromedp.FromContext(p.ctx).BrowserContextID }
