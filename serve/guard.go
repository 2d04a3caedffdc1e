package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mil-run/mil/internal/show"
)

// handler answers a request, or says why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// guard lets a request through to a handler that may ask: by the name of the host,
// the page it comes from, and the key. It runs for the route that answers, not for
// an address that headers name.
func (s *Server) guard(h handler, keyed bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		head := w.Header()
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-store")
		c := &counted{ResponseWriter: w}
		err := s.allowed(c, r, keyed)
		if err == nil {
			r.Body = http.MaxBytesReader(c, r.Body, s.o.Limits.Body)
			err = h(c, r)
		}
		if err != nil && c.status == 0 && !errors.Is(err, errGone) {
			fail(c, err)
		}
		s.log(r, c.status, time.Since(begin))
	})
}

// errGone is the end of a request whose client left, or that was answered.
var errGone = errors.New("the client is gone")

// counted notes the status of a response.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) { c.status = status; c.ResponseWriter.WriteHeader(status) }

func (c *counted) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// log writes a line. What a client chose is shown without line breaks.
func (s *Server) log(r *http.Request, status int, took time.Duration) {
	s.count.request(status)
	if s.o.Log != nil {
		s.o.Log.Printf("%s %s %d %d ms", show.Visible(r.Method), show.Visible(r.URL.Path), status, took.Milliseconds())
	}
}

// allowed says why a request may not be answered.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, keyed bool) error {
	forbid := func(text string) error {
		return &apiError{status: http.StatusForbidden, kind: "invalid_request_error", code: "forbidden", text: text}
	}
	if !s.knownHost(r.Host) {
		return forbid("the server is not asked by this name; start it with --allow-host NAME if it should be")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !s.own(origin, r.Host) {
		if !slices.Contains(s.o.Origins, origin) {
			return forbid("web pages of this origin may not ask; start the server with --allow-origin ORIGIN if they should")
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Vary", "Origin")
	}
	if keyed && len(s.keys) > 0 && s.key(r) == "" {
		return &apiError{status: http.StatusUnauthorized, kind: "authentication_error", code: "invalid_api_key", text: "the request has no valid API key"}
	}
	if r.Method == http.MethodPost {
		// A page of another origin can send other types without asking first.
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", code: "unsupported_media_type", text: "the request's Content-Type is not application/json"}
		}
	}
	return nil
}

// knownHost says whether the server is asked by a name that it has: otherwise a
// page elsewhere may have given its own name this address (DNS rebinding).
func (s *Server) knownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || host == "localhost" || host == "" {
		return true
	}
	return s.hosts[host]
}

// own says whether an origin is the server's own page.
func (s *Server) own(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host && (u.Scheme == "http" || u.Scheme == "https")
}

// key is the name of the key that a request has, "" of none that is known. All keys
// are compared, each in the same time.
func (s *Server) key(r *http.Request) string {
	given := r.Header.Get("X-Api-Key")
	if text := r.Header.Get("Authorization"); given == "" {
		if kind, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(kind, "bearer") {
			given = strings.TrimSpace(rest)
		}
	}
	sum := sha256.Sum256([]byte(given))
	found := ""
	for i := range s.keys {
		if subtle.ConstantTimeCompare(sum[:], s.keys[i][:]) == 1 {
			found = hex.EncodeToString(sum[:8])
		}
	}
	return found
}
