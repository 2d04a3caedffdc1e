package serve_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// try asks a handler that has no listener.
func try(t *testing.T, h http.Handler, method, path, body string, head ...string) (int, map[string]any) {
	t.Helper()
	w := record(t, h, method, path, body, head...)
	var v map[string]any
	data, _ := io.ReadAll(w.Body)
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s %s: %s %v", method, path, data, err)
	}
	return w.StatusCode, v
}

// Conversations are kept, found again by a server that begins later, and seen by
// their own key alone.
func TestConversations(t *testing.T) {
	dir := t.TempDir()
	begin := func() *serve.Server {
		s, err := serve.New(serve.Options{LLM: llm.Options{Backend: "cpu", Threads: 1}, Sessions: dir, Keys: []string{"one", "two"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	const at = "/v1/mil/conversations"
	one, two := []string{"Authorization", "Bearer one"}, []string{"Authorization", "Bearer two"}
	s := begin()
	if _, err := serve.New(serve.Options{Sessions: dir}); err == nil || !strings.Contains(err.Error(), "each server") {
		t.Errorf("two servers share a folder: %v", err)
	}
	body := `{"title":"A tale","current":"a","messages":{"a":{"parent":null,"role":"user","content":"Hello"}}}`
	status, v := try(t, s, "POST", at, body, one...)
	id, _ := v["id"].(string)
	if status != 201 || v["revision"] != 1.0 || v["message_count"] != 1.0 {
		t.Fatal(status, v)
	}
	for _, x := range []struct {
		method, path, body string
		head               []string
		status             int
		field              string
		want               any
	}{
		{"GET", "/" + id, "", nil, 401, "", nil},
		{"GET", "/" + id, "", two, 404, "", nil},
		{"DELETE", "/" + id, "", two, 404, "", nil},
		{"GET", "/" + id, "", one, 200, "title", "A tale"},
		{"PATCH", "/" + id, `{"title":"Another"}`, one, 200, "revision", 2.0},
		{"PATCH", "/" + id, `{"title":"Late","revision":1}`, one, 409, "", nil},
		{"PATCH", "/" + id, `{"color":1}`, one, 400, "", nil},
		{"PUT", "/" + id, body, two, 200, "revision", 1.0}, // its own of that name
		{"PUT", "/..%2f..%2fx", body, one, 400, "", nil},
		{"DELETE", "/" + id, "", two, 200, "deleted", true},
	} {
		status, v := try(t, s, x.method, at+x.path, x.body, x.head...)
		if status != x.status || v[x.field] != x.want {
			t.Errorf("%s %s %s: %d %v", x.method, x.path, x.body, status, v)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = begin()
	status, v = try(t, s, "GET", at, "", one...)
	list, _ := v["data"].([]any)
	if status != 200 || v["kept"] != "disk" || len(list) != 1 || list[0].(map[string]any)["title"] != "Another" {
		t.Error(status, v)
	}
	if status, v = try(t, s, "GET", at, "", two...); status != 200 || len(v["data"].([]any)) != 0 {
		t.Error(status, v)
	}
	if status, _ = try(t, s, "PUT", at+"/"+id, body, append(one, "Content-Type", "text/plain")...); status != 415 {
		t.Error("a page of another origin could write:", status)
	}
}

// record is the answer of a handler that has no listener.
func record(t *testing.T, h http.Handler, method, path, body string, head ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}
