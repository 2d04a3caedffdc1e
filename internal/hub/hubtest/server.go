// Package hubtest imitates the Hugging Face hub for tests: its API, redirects of
// large files to another host, ranges, and whatever a test adds to go wrong.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Commit is the one commit of every repository.
const Commit = "0123456789abcdef0123456789abcdef01234567"

// Server has repositories of files; large ones lie on its CDN, another host.
type Server struct {
	URL   string
	CDN   *httptest.Server
	Repos map[string]map[string][]byte
	Token string // where it is not empty, nothing is given without it
	Large int    // bytes from which on a file lies in LFS
	Pages int    // entries a page of a listing; 0 is all
	// Hook answers a request itself where it returns true.
	Hook func(w http.ResponseWriter, r *http.Request) bool
	// Listing may change what a repository claims to hold.
	Listing func(entries []map[string]any) []map[string]any

	mu   sync.Mutex
	seen []Request
}

// Request is a request that came in.
type Request struct {
	Host, Path, Range, Auth string
}

// New starts a server.
func New(t testing.TB) *Server {
	s := &Server{Repos: map[string]map[string][]byte{}, Large: 1000}
	hub := httptest.NewServer(http.HandlerFunc(s.serve))
	s.CDN = httptest.NewServer(http.HandlerFunc(s.cdn))
	t.Cleanup(hub.Close)
	t.Cleanup(s.CDN.Close)
	s.URL = hub.URL
	return s
}

// AddFolder makes a repository of a folder's files.
func (s *Server) AddFolder(t testing.TB, repo, dir string) {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	s.Repos[repo] = files
}

// Requests are those for paths that hold part.
func (s *Server) Requests(part string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.seen {
		if strings.Contains(r.Path, part) {
			list = append(list, r)
		}
	}
	return list
}

func (s *Server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, Request{r.Host, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	if s.Hook != nil && s.Hook(w, r) {
		return
	}
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		w.Header().Set("X-Error-Code", "GatedRepo")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		s.api(w, r, rest)
		return
	}
	repo, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/"+Commit+"/")
	b, there := s.Repos[repo][rest]
	switch {
	case !ok || !there:
		w.Header().Set("X-Error-Code", "EntryNotFound")
		w.WriteHeader(http.StatusNotFound)
	case len(b) >= s.Large:
		http.Redirect(w, r, s.CDN.URL+"/"+repo+"/"+rest+"?signature=x", http.StatusFound)
	default:
		http.ServeContent(w, r, rest, time.Time{}, bytes.NewReader(b))
	}
}

func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	if s.Hook != nil && s.Hook(w, r) {
		return
	}
	for repo, files := range s.Repos {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/"+repo+"/"); ok {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[rest]))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func (s *Server) api(w http.ResponseWriter, r *http.Request, rest string) {
	repo, what, _ := strings.Cut(rest, "/revision/")
	list := false
	if what == "" {
		repo, what, list = strings.Cut(rest, "/tree/")
	}
	files, ok := s.Repos[repo]
	if !ok {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if what != "main" && what != Commit {
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var v any = map[string]any{"sha": Commit, "id": repo}
	if list {
		v = s.page(w, r, s.entries(files))
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// entries are files as the hub lists them.
func (s *Server) entries(files map[string][]byte) []map[string]any {
	entries := []map[string]any{{"type": "directory", "path": "folder", "oid": "0", "size": 0}}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b := files[name]
		e := map[string]any{"type": "file", "path": name, "size": len(b), "oid": Blob(b)}
		if len(b) >= s.Large {
			sum := sha256.Sum256(b)
			e["lfs"] = map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(b), "pointerSize": 134}
		}
		entries = append(entries, e)
	}
	if s.Listing != nil {
		entries = s.Listing(entries)
	}
	return entries
}

// page is one page of a listing, with the Link header to the next.
func (s *Server) page(w http.ResponseWriter, r *http.Request, entries []map[string]any) []map[string]any {
	if s.Pages == 0 {
		return entries
	}
	at := 0
	fmt.Sscan(r.URL.Query().Get("cursor"), &at)
	end := min(at+s.Pages, len(entries))
	if end < len(entries) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, s.URL, r.URL.Path, end))
	}
	return entries[min(at, end):end]
}

// Blob is git's id of a file's content.
func Blob(b []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(b))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}
