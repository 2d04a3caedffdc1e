package hub_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mil-run/mil/internal/hub"
	"github.com/mil-run/mil/internal/hub/hubtest"
)

const repo = "owner/model"

var ref = hub.Ref{Repo: repo, Revision: "main"}

// big is content that lies in LFS.
var big = []byte(strings.Repeat("0123456789abcdef", 20_000))

// start is a server with one repository, and a client whose waits take no time.
func start(t *testing.T) (*hubtest.Server, *hub.Client, *[]time.Duration) {
	t.Helper()
	s := hubtest.New(t)
	s.Repos[repo] = map[string][]byte{"config.json": []byte("{}"), "model.safetensors": big, "tokenizer.json": []byte("{}")}
	c, waits := client(t, s, "secret")
	return s, c, waits
}

func client(t *testing.T, s *hubtest.Server, token string) (*hub.Client, *[]time.Duration) {
	t.Helper()
	c, err := hub.New(s.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	c.Sleep = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return c, &waits
}

// download gets files by name into dir.
func download(t *testing.T, c *hub.Client, dir string, names ...string) error {
	t.Helper()
	s, err := c.Snapshot(t.Context(), ref)
	if err != nil {
		return err
	}
	var files []hub.File
	for _, n := range names {
		f, ok := s.File(n)
		if !ok {
			t.Fatalf("no %s is listed", n)
		}
		files = append(files, f)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return c.Download(t.Context(), root, s, files, nil)
}

// holds asserts that a folder holds these files and nothing else.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[e.Name()]; !ok || w != string(b) {
			t.Errorf("the folder holds %s with %d bytes", e.Name(), len(b))
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}

func wants(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) || strings.ContainsAny(err.Error(), "\r\n\x1b") {
		t.Errorf("got  %v\nwant %q, %v", err, text, kind)
	}
}

func TestDownload(t *testing.T) {
	s, c, _ := start(t)
	s.Pages = 2
	dir := t.TempDir()
	for range 2 { // the second finds everything there
		if err := download(t, c, dir, "config.json", "model.safetensors"); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, dir, map[string]string{"config.json": "{}", "model.safetensors": string(big)})
	if n := len(s.Requests("/resolve/")); n != 2 {
		t.Errorf("%d files were asked for", n)
	}
	for _, r := range s.Requests("") {
		if there := r.Auth != ""; there != (r.Host == strings.TrimPrefix(s.URL, "http://")) {
			t.Errorf("the token went to %s%s: %v", r.Host, r.Path, there)
		}
	}
	// A file that changed on the disk is brought again.
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := download(t, c, dir, "config.json"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"config.json": "{}", "model.safetensors": string(big)})
}

// TestMirror has a server without the call that lists files with their sums.
func TestMirror(t *testing.T) {
	s, c, _ := start(t)
	sum := sha256.Sum256(big)
	right := hex.EncodeToString(sum[:])
	lists := right
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/tree/"):
			w.WriteHeader(http.StatusNotFound)
			return true
		case r.URL.RawQuery == "blobs=true":
			fmt.Fprintf(w, `{"sha":"%s","siblings":[{"rfilename":"config.json"},{"rfilename":"model.safetensors","size":%d,"lfs":{"sha256":"%s","size":%d}}]}`, hubtest.Commit, len(big), lists, len(big))
			return true
		}
		return false
	}
	dir := t.TempDir()
	if err := download(t, c, dir, "config.json", "model.safetensors"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"config.json": "{}", "model.safetensors": string(big)})
	lists = strings.Repeat("0", 64)
	wants(t, download(t, c, t.TempDir(), "model.safetensors"), hub.ErrContent, "its sum is wrong")
}

// TestCut breaks connections within a file; the next goes on where the last ended.
func TestCut(t *testing.T) {
	s, c, _ := start(t)
	sent := 0
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host == strings.TrimPrefix(s.URL, "http://") || sent >= 20 {
			return false
		}
		sent++
		at := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &at)
		w.Header().Set("Content-Length", fmt.Sprint(len(big)-at))
		if at > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(big)-1, len(big)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(big[at : at+10_000])
		return true // and the connection breaks
	}
	dir := t.TempDir()
	if err := download(t, c, dir, "model.safetensors"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"model.safetensors": string(big)})
	if sent != 20 {
		t.Errorf("%d pieces", sent)
	}
	last := s.Requests("/model.safetensors")
	if got := last[len(last)-1].Range; got != "bytes=200000-" {
		t.Errorf("the last request asked for %q", got)
	}
}

// TestKilled goes on with the files that a killed process left, and begins anew where that
// is of another version, or too long.
func TestKilled(t *testing.T) {
	sum := sha256.Sum256(big)
	part := "model.safetensors." + hex.EncodeToString(sum[:])[:12] + ".part"
	for name, c := range map[string]struct{ file, left, first string }{
		"a part":          {part, string(big[:5000]), "bytes=5000-"},
		"all of it":       {part, string(big), ""},
		"too much":        {part, string(big) + "x", ""},
		"damaged":         {part, strings.Repeat("x", 5000), "bytes=5000-"},
		"another version": {"model.safetensors.0123456789ab.part", "xxx", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, cl, _ := start(t)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.left), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := download(t, cl, dir, "model.safetensors"); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"model.safetensors": string(big)}
			if c.file != part {
				want[c.file] = c.left
			}
			holds(t, dir, want)
			var asked []string
			for _, r := range s.Requests("/model.safetensors") {
				if r.Host == strings.TrimPrefix(s.CDN.URL, "http://") {
					asked = append(asked, r.Range)
				}
			}
			switch {
			case name == "all of it" && len(asked) > 0, name != "all of it" && (len(asked) == 0 || asked[0] != c.first), name == "damaged" && len(asked) != 2:
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

// TestHostileContent has a server that sends something else than it lists.
func TestHostileContent(t *testing.T) {
	answer := func(f func(w http.ResponseWriter)) func(*hubtest.Server) {
		return func(s *hubtest.Server) {
			s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Host == strings.TrimPrefix(s.URL, "http://") {
					return false
				}
				f(w)
				return true
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(*hubtest.Server)
		kind  error
		want  string
	}{
		"wrong bytes": {answer(func(w http.ResponseWriter) { w.Write([]byte(strings.Repeat("x", len(big)))) }), hub.ErrContent, "its sum is wrong"},
		"too short":   {answer(func(w http.ResponseWriter) { w.Write(big[:100]) }), nil, "the connection ended after 100 of 320000 bytes (tried 6 times"},
		"endless": {answer(func(w http.ResponseWriter) {
			for range 10_000 {
				if _, err := w.Write(big); err != nil {
					return
				}
			}
		}), hub.ErrContent, "sends more than the 320000 bytes"},
		"wrong size listed": {func(s *hubtest.Server) {
			s.Listing = func(e []map[string]any) []map[string]any {
				for _, x := range e {
					if l, ok := x["lfs"].(map[string]any); ok {
						l["size"] = 1000
					}
				}
				return e
			}
		}, hub.ErrContent, "sends more than the 1000 bytes"},
		"a range of its own": {answer(func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 7-319999/320000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(big[7:])
		}), hub.ErrServer, "does not go on where it was asked to"},
	} {
		t.Run(name, func(t *testing.T) {
			s, cl, _ := start(t)
			c.spoil(s)
			dir := t.TempDir()
			err := download(t, cl, dir, "model.safetensors")
			if err == nil || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); err == nil {
				t.Error("the file has its name")
			}
		})
	}
}

// TestRefused says why a server gives nothing, and what to do.
func TestRefused(t *testing.T) {
	s, c, waits := start(t)
	status := func(code int, header ...string) {
		s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	without, _ := client(t, s, "")
	for _, x := range []struct {
		client *hub.Client
		code   int
		header []string
		kind   error
		want   string
	}{
		{without, 401, []string{"X-Error-Code", "GatedRepo"}, hub.ErrDenied, "accept its licence at " + s.URL + "/owner/model and set HF_TOKEN"},
		{without, 403, nil, hub.ErrDenied, "gated or private"},
		{c, 403, []string{"X-Error-Code", "GatedRepo"}, hub.ErrDenied, "HF_TOKEN is not enough"},
		{without, 401, []string{"X-Error-Code", "RepoNotFound"}, hub.ErrMissing, "no such repository or revision; check the spelling"},
		{c, 404, nil, hub.ErrMissing, "no such repository or revision"},
		{c, 404, []string{"X-Error-Code", "RevisionNotFound"}, hub.ErrMissing, "the repository has no revision main"},
		{c, 429, []string{"Retry-After", "7"}, hub.ErrServer, "status 429 (tried 6 times"},
		{c, 503, nil, hub.ErrServer, "status 503 (tried 6 times"},
		{c, 429, []string{"Retry-After", "86400"}, hub.ErrServer, "asks to wait 24h0m0s"},
		{c, 418, nil, hub.ErrServer, "status 418"},
	} {
		*waits = nil
		status(x.code, x.header...)
		_, err := x.client.Snapshot(t.Context(), ref)
		wants(t, err, x.kind, x.want)
		if x.code == 429 && x.header[1] == "7" && (len(*waits) != 5 || (*waits)[0] != 7*time.Second) {
			t.Errorf("waited %v", *waits)
		}
		if x.code == 503 && (len(*waits) != 5 || (*waits)[4] != 16*time.Second) {
			t.Errorf("waited %v", *waits)
		}
	}
	s.Hook = nil
	s.Token = "other"
	_, err := c.Snapshot(t.Context(), ref)
	wants(t, err, hub.ErrDenied, "HF_TOKEN is not enough")
	_, err = c.Snapshot(t.Context(), hub.Ref{Repo: "owner/none", Revision: "main"})
	s.Token = ""
	wants(t, err, hub.ErrDenied, "")
	_, err = c.Snapshot(t.Context(), hub.Ref{Repo: "owner/none", Revision: "main"})
	wants(t, err, hub.ErrMissing, "no such repository")
	_, err = c.Snapshot(t.Context(), hub.Ref{Repo: repo, Revision: "v9"})
	wants(t, err, hub.ErrMissing, "no revision v9")
}

// TestRecovers has a server that is busy at first.
func TestRecovers(t *testing.T) {
	s, c, waits := start(t)
	asked := map[string]int{}
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		n := asked[r.Host+r.URL.Path]
		asked[r.Host+r.URL.Path]++
		if n < 2 { // each address gives nothing twice
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[n])
		}
		return n < 2
	}
	dir := t.TempDir()
	if err := download(t, c, dir, "config.json", "model.safetensors"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"config.json": "{}", "model.safetensors": string(big)})
	if len(*waits) == 0 {
		t.Error("it did not wait")
	}
}

// TestHostileListing has a server that lists names it should not.
func TestHostileListing(t *testing.T) {
	for _, name := range []string{"../x", "/etc/passwd", `..\x`, "a/../../x", "c:x", "CON.safetensors", "nul", ".lock", "x\x00y", "x\ny", "a//b", "x.", strings.Repeat("x", 300)} {
		s, c, _ := start(t)
		s.Listing = func(e []map[string]any) []map[string]any {
			return append(e, map[string]any{"type": "file", "path": name, "size": 2, "oid": hubtest.Blob([]byte("{}"))})
		}
		s.Repos[repo][name] = []byte("{}")
		dir := t.TempDir()
		err := download(t, c, dir, name)
		wants(t, err, hub.ErrName, "not a name for a file here")
		holds(t, dir, nil)
	}
	s, c, _ := start(t)
	s.Repos[repo]["CONFIG.json"] = []byte("[]")
	wants(t, download(t, c, t.TempDir(), "config.json", "CONFIG.json"), hub.ErrName, "would be one file here")

	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/tree/") {
			return false
		}
		w.Header().Set("Link", `<https://elsewhere.example/next>; rel="next"`)
		io.WriteString(w, "[]")
		return true
	}
	_, err := c.Snapshot(t.Context(), ref)
	wants(t, err, hub.ErrServer, "its list goes on at https://elsewhere.example/next, elsewhere")
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/tree/") {
			w.Header().Set("Link", `<`+r.URL.Path+`>; rel="next"`)
		}
		return false
	}
	_, err = c.Snapshot(t.Context(), ref)
	wants(t, err, hub.ErrServer, "lists files without end")
	for body, want := range map[string]string{"<html>": "does not answer as the hub does", `{"sha":"../../x"}`: "it names the commit"} {
		s.Hook = func(w http.ResponseWriter, r *http.Request) bool { io.WriteString(w, body); return true }
		_, err = c.Snapshot(t.Context(), ref)
		wants(t, err, hub.ErrServer, want)
	}
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		for range 2000 {
			if _, err := w.Write(big); err != nil {
				return true
			}
		}
		return true
	}
	_, err = c.Snapshot(t.Context(), ref)
	wants(t, err, hub.ErrServer, "its answer has more than")
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return true
	}
	_, err = c.Snapshot(t.Context(), ref)
	wants(t, err, hub.ErrServer, "redirects without end")
}

// TestLinksInTheFolder has links where files are to go: none leads out.
func TestLinksInTheFolder(t *testing.T) {
	_, c, _ := start(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "config.json")); err != nil {
		t.Skip("no links here:", err)
	}
	if err := download(t, c, dir, "config.json"); err == nil {
		t.Error("a link was followed")
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "mine" {
		t.Errorf("outside: %q, %v", b, err)
	}
}

// TestStall gives up connections that bring nothing.
func TestStall(t *testing.T) {
	s, c, _ := start(t)
	c.Stall = 50 * time.Millisecond
	n := 0
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host == strings.TrimPrefix(s.URL, "http://") {
			return false
		}
		if n++; n > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		w.Write(big[:100])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	dir := t.TempDir()
	if err := download(t, c, dir, "model.safetensors"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"model.safetensors": string(big)})
}

// TestCancelled keeps the bytes that have come.
func TestCancelled(t *testing.T) {
	s, c, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	snap, err := c.Snapshot(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host == strings.TrimPrefix(s.URL, "http://") {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		w.Write(big[:50_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, _ := snap.File("model.safetensors")
	err = c.Download(ctx, root, snap, []hub.File{f}, func(_ string, done, _ int64) {
		if done == 50_000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left := hub.Missing(root, []hub.File{f}); left != int64(len(big))-50_000 {
		t.Errorf("%d bytes are missing", left)
	}
	s.Hook = nil
	if err := download(t, c, dir, "model.safetensors"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, map[string]string{"model.safetensors": string(big)})
}

func TestRefs(t *testing.T) {
	for in, want := range map[string]hub.Ref{
		"a/b": {"a/b", "main", ""}, "a/b@v1.0": {"a/b", "v1.0", ""}, "a/b@refs/pr/3": {"a/b", "refs/pr/3", ""}, "a/b:q4/x.GGUF": {"a/b", "main", "q4/x.GGUF"},
		"https://huggingface.co/a/b/": {"a/b", "main", ""}, "a/b@x:y.gguf": {"a/b", "x", "y.gguf"},
	} {
		if got, err := hub.ParseRef(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "a", "a/b/c", "../b", "a/..", "a/b@", "a/b@../x", "a/b:", "a/b:x.bin", "a/b:../x.gguf", "a/b:/x.gguf", "a b/c", "http://x/a/b", "a/b@x?y", "con/x", "a/b\x1b", "-a/b"} {
		if _, err := hub.ParseRef(in); !errors.Is(err, hub.ErrRef) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{"x", "ftp://x", "https://", "https://u:p@x", "https://x?y", "://"} {
		if _, err := hub.New(bad, ""); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := hub.New("", "a\nb"); err == nil {
		t.Error("a token with a line break is taken")
	}
}

// TestFolder has one owner at a time, and the next finds a folder that was removed.
func TestFolder(t *testing.T) {
	base := filepath.Join(t.TempDir(), ".pull")
	first, err := hub.OpenFolder(t.Context(), base, repo, nil)
	if err != nil {
		t.Fatal(err)
	}
	told, opened := make(chan string, 1), make(chan error, 1)
	go func() {
		second, err := hub.OpenFolder(t.Context(), base, repo, func(s string) { told <- s })
		if err == nil {
			_, err = second.Create("x")
			second.Remove()
		}
		opened <- err
	}()
	if s := <-told; !strings.Contains(s, "owner/model is being downloaded already") {
		t.Errorf("told %q", s)
	}
	if err := first.Remove(); err != nil {
		t.Error(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(base); err == nil {
		t.Error("the folder is still there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	third, err := hub.OpenFolder(t.Context(), base, repo, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if _, err := hub.OpenFolder(ctx, base, repo, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
