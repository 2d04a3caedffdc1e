package serve_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// A request goes on from a response by its id: with the text of the whole conversation,
// under its key alone, streamed or not, and after a restart.
func TestPreviousResponse(t *testing.T) {
	dir := t.TempDir()
	begin := func() *serve.Server {
		s, err := serve.New(serve.Options{LLM: llm.Options{Backend: "cpu", Threads: 1}, Memory: 1 << 30, Sessions: dir, Keys: []string{"one", "two"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	one, two := []string{"X-Api-Key", "one"}, []string{"X-Api-Key", "two"}
	const path, set = "/v1/responses", `"temperature":0,"max_output_tokens":12`
	ask := func(s *serve.Server, body string) (id, reply string, v map[string]any) {
		t.Helper()
		status, v := try(t, s, "POST", path, "{"+set+","+body+"}", one...)
		if status != 200 {
			t.Fatal(body, status, v)
		}
		return v["id"].(string), str(outputOf(v)), v
	}
	s := begin()
	first, a, _ := ask(s, `"input":"My name is Opal."`)
	second, b, v := ask(s, `"input":[{"role":"user","content":"What is my name?"}],"previous_response_id":"`+first+`"`)
	_, want, _ := ask(s, `"input":[{"role":"user","content":"My name is Opal."},{"role":"assistant","content":`+mustMarshal(a)+`},{"role":"user","content":"What is my name?"}]`)
	if b != want || !strings.Contains(b, "Opal") || v["previous_response_id"] != first || v["store"] != true {
		t.Errorf("%q, the whole conversation's reply is %q; %v", b, want, v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = begin()
	// Streamed, behind both, after a restart.
	resp := record(t, s, "POST", path, "{"+set+`,"input":"Thanks.","stream":true,"previous_response_id":"`+second+`"}`, one...)
	buf := new(strings.Builder)
	if _, err := io.Copy(buf, resp.Body); err != nil {
		t.Fatal(err)
	}
	events := jsonLines(t, buf.String())
	last := events[len(events)-1]["response"].(map[string]any)
	_, want, _ = ask(s, `"input":[{"role":"user","content":"My name is Opal."},{"role":"assistant","content":`+mustMarshal(a)+`},{"role":"user","content":"What is my name?"},{"role":"assistant","content":`+mustMarshal(b)+`},{"role":"user","content":"Thanks."}]`)
	third := str(last["id"])
	if got := str(outputOf(last)); got != want {
		t.Errorf("%q, the whole conversation's reply is %q", got, want)
	}
	if _, again, _ := ask(s, `"input":"Once more.","previous_response_id":"`+third+`"`); again == "" {
		t.Error("nothing follows a streamed response")
	}
	if status, v := try(t, s, "GET", path+"/"+third, "", one...); status != 200 || v["id"] != third {
		t.Error(status, v)
	}
	// Others' and those that are not there.
	off, _, v := ask(s, `"input":"a","store":false`)
	if v["store"] != false {
		t.Error(v)
	}
	for id, head := range map[string][]string{first: two, off: one, "../x": one, "resp_" + strings.Repeat("0", 32): one} {
		status, v := try(t, s, "POST", path, `{"input":"a","previous_response_id":`+mustMarshal(id)+`}`, head...)
		if status != 404 || codeOf(v) != "response_not_found" {
			t.Errorf("%q: %d %v", id, status, v)
		}
	}
	if status, _ := try(t, s, "DELETE", path+"/"+second, "", two...); status != 404 {
		t.Error("another key deletes:", status)
	}
	if status, _ := try(t, s, "DELETE", path+"/"+second, "", one...); status != 200 {
		t.Error(status)
	}
	if status, _ := try(t, s, "POST", path, `{"input":"a","previous_response_id":"`+third+`"}`, one...); status != 404 {
		t.Error("a response goes on behind one that was deleted:", status)
	}
	files, err := filepath.Glob(filepath.Join(dir, "responses", "*"+second+"*"))
	if err != nil || len(files) != 0 {
		t.Error(files, err)
	}
	// A damaged file counts as missing.
	files, err = filepath.Glob(filepath.Join(dir, "responses", "*"+first+"*"))
	if err != nil || len(files) != 1 || os.WriteFile(files[0], []byte("{"), 0o600) != nil {
		t.Fatal(files, err)
	}
	if status, _ := try(t, s, "GET", path+"/"+first, "", one...); status != 404 {
		t.Error("a damaged file is read:", status)
	}
}

// outputOf is the text of a response, and codeOf the code of an error.
func outputOf(v any) any { return at(v, "output", 0, "content", 0, "text") }
func codeOf(v any) any   { return at(v, "error", "code") }
