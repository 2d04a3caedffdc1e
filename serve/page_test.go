package serve_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/serve"
)

// get asks without letting the client unpack or follow.
func get(t *testing.T, method, url string, head ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, data
}

// The page's files come without a key, with all guards, packed where the client unpacks,
// and not again where it has them. Together they are small.
func TestPageFiles(t *testing.T) {
	on := start(t, serve.Options{Keys: []string{"a key"}})
	list, err := os.ReadDir("page")
	if err != nil || len(list) < 10 {
		t.Fatal(list, err)
	}
	var packed bytes.Buffer
	for _, f := range list {
		want, err := os.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		at := on.URL + "/page/" + f.Name()
		if f.Name() == "index.html" {
			at = on.URL + "/"
		}
		resp, data := get(t, "GET", at)
		head := resp.Header
		csp := head.Get("Content-Security-Policy")
		if resp.StatusCode != 200 || !bytes.Equal(data, want) || head.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d, %d bytes", f.Name(), resp.StatusCode, len(data))
		}
		for _, part := range []string{"default-src 'none';", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "base-uri 'none';", "form-action 'none';", "frame-ancestors 'none';", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy %q has no %s", f.Name(), csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || head.Get("X-Content-Type-Options") != "nosniff" || head.Get("Referrer-Policy") != "no-referrer" || head.Get("Cross-Origin-Opener-Policy") != "same-origin" || head.Get("Content-Type") == "" {
			t.Errorf("%s: %v", f.Name(), head)
		}
		resp, data = get(t, "GET", at, "Accept-Encoding", "br, gzip")
		packed.Write(data)
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(f.Name(), err)
		}
		if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, want) || resp.Header.Get("ETag") == head.Get("ETag") {
			t.Errorf("%s, packed: %v", f.Name(), err)
		}
		if resp, data := get(t, "GET", at, "If-None-Match", head.Get("ETag")); resp.StatusCode != 304 || len(data) > 0 {
			t.Errorf("%s again: %d", f.Name(), resp.StatusCode)
		}
		if resp, data := get(t, "HEAD", at); resp.StatusCode != 200 || len(data) > 0 || resp.Header.Get("ETag") != head.Get("ETag") {
			t.Errorf("%s, head: %d", f.Name(), resp.StatusCode)
		}
	}
	if packed.Len() > 100_000 {
		t.Errorf("the page has %d bytes, packed", packed.Len())
	}
	for at, want := range map[string]int{"/page/index.html": 404, "/page/..%2fpage.go": 404, "/page/nothing.js": 404, "/v1/models": 401, "/v1/mil/parameters": 401} {
		if resp, _ := get(t, "GET", on.URL+at); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", at, resp.StatusCode, want)
		}
	}
	if resp, _ := get(t, "GET", on.URL+"/", "Origin", "http://elsewhere.example"); resp.StatusCode != 403 {
		t.Errorf("a page elsewhere gets %d", resp.StatusCode)
	}
}

// No file of the page makes HTML of text or names another server, and none has what the
// policy forbids.
func TestPageSource(t *testing.T) {
	list, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	html := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser|createContextualFragment`)
	foreign := regexp.MustCompile(`(?:https?:)?//[A-Za-z0-9-]+\.[A-Za-z]{2,}`)
	inline := regexp.MustCompile(`<script(?:>| [^>]*>[^<])|<style|\sstyle=|\son[a-z]+=`)
	for _, f := range list {
		data, err := os.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if at := html.Find(data); at != nil {
			t.Errorf("%s has %s", f.Name(), at)
		}
		for _, at := range foreign.FindAll(data, -1) {
			if !strings.Contains(string(at), "//www.w3.org") { // a namespace, which nobody asks for
				t.Errorf("%s names %s", f.Name(), at)
			}
		}
		if at := inline.Find(data); at != nil && strings.HasSuffix(f.Name(), ".html") {
			t.Errorf("%s has %s", f.Name(), at)
		}
	}
}

// Clients get the table that the engine follows, and of a model that is loaded its own values.
func TestParameters(t *testing.T) {
	on := start(t, serve.Options{})
	read := func() (body struct {
		Parameters []struct {
			Name, JSON, Type, Help, Values string
			Low                            float64
			High                           *float64
			Default                        any
		}
		Model struct {
			ID      string
			Loaded  bool
			Context int
		}
	}) {
		_, data := get(t, "GET", on.URL+"/v1/mil/parameters?model=demo")
		if err := json.Unmarshal(data, &body); err != nil {
			t.Fatal(string(data), err)
		}
		return body
	}
	before := read()
	if before.Model.Loaded || before.Model.Context != 0 || len(before.Parameters) != len(sample.Params()) {
		t.Errorf("%+v", before)
	}
	ask(t, on, "/v1/chat/completions", tale+"}")
	after := read()
	if !after.Model.Loaded || after.Model.Context < 1000 {
		t.Errorf("%+v", after.Model)
	}
	for i, p := range sample.Params() {
		one := after.Parameters[i]
		if one.Name != p.Name || one.JSON != p.JSON || one.Low != p.Low || one.Type == "" || (one.Default == nil) != (p.Name == "seed" || p.Name == "stop") {
			t.Errorf("%+v, want %+v", one, p)
		}
		// Each value that the table bounds is one that a request may have.
		if one.Type == "number" {
			if status, text := post(t, on, "/v1/chat/completions", fmt.Sprintf(`%s,%q:%g}`, strings.Replace(tale, `"temperature":0,`, "", 1), p.JSON, one.Low)); status != 200 {
				t.Errorf("%s %g: %s", p.JSON, one.Low, text)
			}
		}
	}
	if resp, _ := get(t, "GET", on.URL+"/v1/mil/parameters?model=none"); resp.StatusCode != 404 {
		t.Errorf("a model that is not there: %d", resp.StatusCode)
	}
}

// A reply that was cut goes on as it would have gone on.
func TestContinue(t *testing.T) {
	on := start(t, serve.Options{})
	want := ask(t, on, "/v1/chat/completions", tale+"}").Choices[0].Message.Content
	cut := strings.LastIndex(want[:len(want)/2], " ")
	quoted, _ := json.Marshal(want[:cut])
	again := strings.Replace(tale, "}]", `},{"role":"assistant","content":`+string(quoted)+`}]`, 1)
	if got := ask(t, on, "/v1/chat/completions", again+`,"continue_final_message":true}`).Choices[0].Message.Content; !strings.HasPrefix(want[:cut]+got, want) {
		t.Errorf("%q goes on with %q, want %q", want[:cut], got, want[cut:])
	}
	if got := ask(t, on, "/v1/chat/completions", again+`}`).Choices[0].Message.Content; strings.HasPrefix(want[:cut]+got, want) {
		t.Errorf("a new reply goes on with %q", got)
	}
	for _, body := range []string{tale + `,"continue_final_message":true}`, `{"messages":[{"role":"assistant","content":""}],"continue_final_message":true}`} {
		if status, text := post(t, on, "/v1/chat/completions", body); status != 400 || !strings.Contains(text, `"param":"continue_final_message"`) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

// Each chunk says how far the reply is, where this is asked for. The last says what the
// end does.
func TestTimingsPerToken(t *testing.T) {
	on := start(t, serve.Options{})
	_, text := post(t, on, "/v1/chat/completions", tale+`,"stream":true,"timings_per_token":true,"stream_options":{"include_usage":true}}`)
	streamed(t, text)
	type times struct {
		Made   int     `json:"predicted_n"`
		Prompt int     `json:"prompt_n"`
		Cached int     `json:"cache_n"`
		First  float64 `json:"prompt_ms"`
	}
	var all []times
	for line := range strings.Lines(text) {
		var chunk struct {
			Timings *times
			Usage   *struct {
				Made   int `json:"completion_tokens"`
				Prompt int `json:"prompt_tokens"`
			}
		}
		if data, ok := strings.CutPrefix(line, "data: {"); ok && json.Unmarshal([]byte("{"+data), &chunk) == nil && chunk.Timings != nil {
			all = append(all, *chunk.Timings)
			if u := chunk.Usage; u != nil && (u.Made != chunk.Timings.Made || u.Prompt != chunk.Timings.Prompt+chunk.Timings.Cached) {
				t.Errorf("%+v and %+v", u, chunk.Timings)
			}
		}
	}
	if len(all) < 10 || all[0].Made < 1 || all[0].Prompt == 0 || all[0].First <= 0 || all[len(all)-1].Made != 24 {
		t.Fatalf("%+v", all)
	}
	for i := range all[1:] {
		if all[i+1].Made < all[i].Made {
			t.Errorf("%+v", all)
		}
	}
	if _, text := post(t, on, "/v1/chat/completions", tale+`,"stream":true}`); strings.Contains(text, "timings") {
		t.Error("timings that nobody asked for")
	}
}
