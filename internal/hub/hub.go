// Package hub downloads repositories of the Hugging Face hub, or of a server that
// speaks its API: what a repository holds, and files by commit, whole or not at
// all, checked against the sizes and sums that the server lists. Nothing a
// server says leads outside the folder that is written to.
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Default is the hub's address.
const Default = "https://huggingface.co"

// Errors of this package wrap one of these, or a network's.
var (
	ErrRef     = errors.New("not OWNER/REPO, OWNER/REPO@REVISION or OWNER/REPO:FILE.gguf")
	ErrDenied  = errors.New("the server lets nobody in without permission")
	ErrMissing = errors.New("it is not there")
	ErrContent = errors.New("it is not what the server lists")
	ErrServer  = errors.New("the server cannot be used")
	ErrName    = errors.New("not a name for a file here")
	ErrSpace   = errors.New("the disk is too full")
)

// Ref names a repository at a revision and, for a single GGUF, the file in it.
type Ref struct {
	Repo     string // OWNER/NAME
	Revision string // branch, tag or commit; main where none was given
	File     string // "" is a checkpoint
}

var (
	repoPattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`)
	commitPattern   = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// ParseRef reads OWNER/REPO[@REVISION][:FILE.gguf]; an address of the repository's
// page is taken for it.
func ParseRef(s string) (Ref, error) {
	r := Ref{Revision: "main"}
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, Default+"/"), "hf.co/"), "/")
	rest, file, hasFile := strings.Cut(rest, ":")
	repo, revision, hasRevision := strings.Cut(rest, "@")
	r.Repo = repo
	if hasRevision {
		r.Revision = revision
	}
	if hasFile {
		r.File = file
	}
	owner, name, _ := strings.Cut(repo, "/")
	switch {
	case checkName(owner) != nil || checkName(name) != nil || !repoPattern.MatchString(repo) || strings.Contains(repo, "..") || strings.Contains(repo, "--"):
		return r, fmt.Errorf("%q: %w", s, ErrRef)
	case !revisionPattern.MatchString(r.Revision) || strings.Contains(r.Revision, ".."):
		return r, fmt.Errorf("%q: %q is no revision: %w", s, r.Revision, ErrRef)
	case hasFile && (!strings.HasSuffix(strings.ToLower(file), ".gguf") || checkPath(file) != nil):
		return r, fmt.Errorf("%q: %q is no GGUF file's name: %w", s, file, ErrRef)
	}
	return r, nil
}

func (r Ref) String() string {
	s := r.Repo
	if r.Revision != "main" {
		s += "@" + r.Revision
	}
	if r.File != "" {
		s += ":" + r.File
	}
	return s
}

// Client talks to one server.
type Client struct {
	endpoint *url.URL
	token    string
	http     *http.Client
	// Notice is told, in a line, why the client waits; it may be nil.
	Notice func(string)
	// Sleep waits between tries; tests take another clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Stall is how long a download may bring nothing before it is tried again.
	Stall time.Duration
}

// New makes a client of the server at endpoint ("" is the hub), which is asked in
// the name of token, if it is not empty. HTTPS is kept to unless endpoint itself
// says http.
func New(endpoint, token string) (*Client, error) {
	if endpoint == "" {
		endpoint = Default
	}
	u, err := url.Parse(strings.TrimRight(endpoint, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("HF_ENDPOINT %q is no address such as %s", endpoint, Default)
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("HF_TOKEN holds a space or a character that no token has")
	}
	c := &Client{endpoint: u, token: token, Sleep: sleep, Stall: time.Minute}
	t := http.DefaultTransport.(*http.Transport).Clone() // proxies as the environment says
	t.ResponseHeaderTimeout = time.Minute
	t.MaxResponseHeaderBytes = 1 << 20
	c.http = &http.Client{Transport: &signed{t, u, token}, CheckRedirect: c.redirect}
	return c, nil
}

// signed adds the token to requests to the endpoint alone, so that no redirect
// carries it elsewhere.
type signed struct {
	base     http.RoundTripper
	endpoint *url.URL
	token    string
}

func (s *signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	r.Header.Del("Referer")
	if s.token != "" && r.URL.Scheme == s.endpoint.Scheme && r.URL.Host == s.endpoint.Host {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	return s.base.RoundTrip(r)
}

// redirect follows a few redirects, none from https to anything less.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w: it redirects without end", ErrServer)
	}
	if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || c.endpoint.Scheme == "https") {
		return fmt.Errorf("%w: it redirects to %s, which is not https", ErrServer, show(r.URL.Redacted()))
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// File is a file of a repository, as the server lists it.
type File struct {
	Path   string // in the repository
	Size   int64  // -1: unknown
	SHA256 string // of a file in LFS, else ""
	Blob   string // git's id of a small file, else ""
}

// Snapshot is a repository at one commit.
type Snapshot struct {
	Repo, Commit string
	Files        []File
}

// File finds a file by its path.
func (s *Snapshot) File(path string) (File, bool) {
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return s.Files[i], true
}

// Limits on a server's list.
const (
	maxListing = 16 << 20 // bytes a page
	maxPages   = 200
	maxFiles   = 100_000
)

// Snapshot asks what the repository holds at the revision, and pins the commit,
// so that a branch that moves meanwhile mixes nothing.
func (c *Client) Snapshot(ctx context.Context, r Ref) (*Snapshot, error) {
	var info struct {
		SHA      string    `json:"sha"`
		Siblings []sibling `json:"siblings"`
	}
	api := c.endpoint.String() + "/api/models/" + r.Repo
	if _, err := c.getJSON(ctx, r, api+"/revision/"+url.PathEscape(r.Revision), &info); err != nil {
		return nil, err
	}
	if !commitPattern.MatchString(info.SHA) {
		return nil, fmt.Errorf("%s: %w: it names the commit %s", r, ErrServer, show(info.SHA))
	}
	s := &Snapshot{Repo: r.Repo, Commit: info.SHA}
	next := api + "/tree/" + info.SHA + "?recursive=true"
	for page := 0; next != ""; page++ {
		if page == maxPages || len(s.Files) > maxFiles {
			return nil, fmt.Errorf("%s: %w: it lists files without end", r, ErrServer)
		}
		var entries []entry
		link, err := c.getJSON(ctx, r, next, &entries)
		if errors.Is(err, ErrMissing) && page == 0 { // a mirror without that call
			if _, err := c.getJSON(ctx, r, api+"/revision/"+info.SHA+"?blobs=true", &info); err != nil {
				return nil, err
			}
			for _, f := range info.Siblings {
				s.Files = append(s.Files, f.file())
			}
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type == "file" {
				s.Files = append(s.Files, e.file())
			}
		}
		if next, err = c.nextPage(link); err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
	}
	return s, nil
}

// entry is a file as /tree lists it, sibling as /revision does.
type entry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	OID  string `json:"oid"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

func (e entry) file() File {
	f := File{Path: e.Path, Size: e.Size, Blob: e.OID}
	if e.LFS != nil && e.LFS.OID != "" {
		f.SHA256, f.Size, f.Blob = strings.TrimPrefix(e.LFS.OID, "sha256:"), e.LFS.Size, ""
	}
	return f
}

type sibling struct {
	Name string `json:"rfilename"`
	Size *int64 `json:"size"`
	Blob string `json:"blobId"`
	LFS  *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

func (s sibling) file() File {
	f := File{Path: s.Name, Size: -1, Blob: s.Blob}
	if s.Size != nil {
		f.Size = *s.Size
	}
	if s.LFS != nil {
		f.SHA256, f.Size, f.Blob = s.LFS.SHA256, s.LFS.Size, ""
	}
	return f
}

var nextLink = regexp.MustCompile(`<([^>]*)>\s*;\s*rel="?next"?`)

// nextPage is the address of a listing's next page, on the same server; "" is none.
func (c *Client) nextPage(link string) (string, error) {
	m := nextLink.FindStringSubmatch(link)
	if m == nil {
		return "", nil
	}
	u, err := c.endpoint.Parse(m[1])
	if err != nil || u.Scheme != c.endpoint.Scheme || u.Host != c.endpoint.Host {
		return "", fmt.Errorf("%w: its list goes on at %s, elsewhere", ErrServer, show(m[1]))
	}
	return u.String(), nil
}

// getJSON reads a small answer, with the Link header beside it.
func (c *Client) getJSON(ctx context.Context, r Ref, address string, v any) (link string, err error) {
	err = c.retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		resp, err := c.get(ctx, address, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return c.refused(r, resp)
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
		if err != nil {
			return again{err, 0}
		}
		if len(b) > maxListing {
			return fmt.Errorf("%s: %w: its answer has more than %d bytes", r, ErrServer, maxListing)
		}
		if err := json.Unmarshal(b, v); err != nil {
			return fmt.Errorf("%s: %w: %s does not answer as the hub does", r, ErrServer, c.endpoint.Host)
		}
		link = resp.Header.Get("Link")
		return nil
	})
	return link, err
}

func (c *Client) get(ctx context.Context, address string, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrServer, show(err.Error()))
	}
	req.Header.Set("User-Agent", "mil")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which may hold a signature
	}
	if errors.Is(err, ErrServer) {
		return nil, err
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return nil, fmt.Errorf("%w: there is no host %s; is this machine online? (HF_ENDPOINT names a mirror)", ErrServer, show(e.Name))
	}
	return nil, again{fmt.Errorf("%s: %w", c.endpoint.Host, err), 0}
}
