package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mil-run/mil/internal/mistake"
	"github.com/mil-run/mil/internal/show"
)

// handler answers a request, or says why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// guard lets a request through to a handler that may ask: by the name of the host,
// the page it comes from, and the key. It runs for the route that answers, not for
// an address that headers name. The handler gets the whole body, which was read in
// bounded time and memory.
func (s *Server) guard(h handler, keyed bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		head := w.Header()
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-store")
		c := &counted{ResponseWriter: w, c: http.NewResponseController(w), limit: s.o.Limits.Write}
		err := s.serve(c, r, h, keyed)
		begun := c.status != 0
		switch {
		case errors.Is(err, errGone):
			if r.Context().Err() != nil {
				c.status = statusGone
			}
		case err != nil && !begun:
			fail(c, r.URL.Path, err)
		}
		c.wait() // for what is still buffered
		s.log(r, c.status, time.Since(begin))
		if errors.Is(err, errGone) || begun && errors.Is(err, errPanic) {
			panic(http.ErrAbortHandler) // an answer that broke off must not look whole
		}
	})
}

// serve checks and answers a request. A mistake of ours ends that request alone.
func (s *Server) serve(w *counted, r *http.Request, h handler, keyed bool) (err error) {
	use := &leases{}
	defer use.end()
	defer func() {
		if p := recover(); p != nil {
			err = s.mistake(r.Method+" "+r.URL.Path, mistake.Recovered(p))
		}
	}()
	// What is left of a refused body is skipped under this limit too.
	_ = w.c.SetReadDeadline(time.Now().Add(s.o.Limits.Read)) // tests' connections have none
	if err := s.allowed(w, r, keyed); err != nil {
		return err
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	data, err := s.body(w, r)
	defer func() { s.bodies.Add(-int64(cap(data))) }()
	if err != nil {
		return err
	}
	// From here on the connection is read only to learn that the client left.
	_ = w.c.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(data))
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), leasesKey{}, use))
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	err = h(w, r.WithContext(ctx))
	if err != nil && r.Context().Err() != nil {
		return errGone
	}
	return err
}

// errPanic is a mistake of ours in a handler.
var errPanic = &apiError{status: http.StatusInternalServerError, kind: "server_error", code: "internal_error", text: "the server made a mistake; its log says more"}

// mistake tells the owner of a panic.
func (s *Server) mistake(what string, e *mistake.Error) error {
	s.warn(fmt.Errorf("%s failed: %w", show.Text(what), e))
	return errPanic
}

// warn tells the owner of the server.
func (s *Server) warn(err error) {
	switch {
	case s.o.Log != nil:
		s.o.Log.Print(show.Line(err))
	case s.o.LLM.Warn != nil:
		s.o.LLM.Warn(err)
	}
}

// body reads a request's body. The result's capacity is what is counted in
// s.bodies, and the caller's to give back.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (data []byte, err error) {
	if r.Body == http.NoBody { // needs no room, so that health and metrics are told where there is none
		return nil, nil
	}
	most := s.o.Limits.Body
	if kind := r.Header.Get("Content-Encoding"); kind != "" && kind != "identity" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, kind: "invalid_request_error", code: "unsupported_encoding", text: "the request's Content-Encoding is not supported; send the body as it is"}
	}
	if r.ContentLength > most {
		w.Header().Set("Connection", "close") // nobody skips so much
		return nil, &http.MaxBytesError{Limit: most}
	}
	from := http.MaxBytesReader(w, r.Body, most)
	for {
		if len(data) == cap(data) {
			more := make([]byte, len(data), max(4096, min(2*cap(data), int(most)+1)))
			grown := int64(cap(more) - cap(data))
			if s.bodies.Add(grown) > s.o.Limits.Bodies {
				s.bodies.Add(-grown)
				return data, &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "overloaded", text: "too many large requests arrive at once; try again later", retry: 1}
			}
			copy(more, data)
			data = more
		}
		n, err := from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return data, &apiError{status: http.StatusRequestTimeout, kind: "invalid_request_error", code: "request_timeout", text: fmt.Sprintf("the request's body did not come within %v", s.o.Limits.Read)}
		case errors.As(err, new(*http.MaxBytesError)):
			return data, err
		case err != nil:
			return data, bad("", "the request's body ends early or is no chunked body")
		}
	}
}

// errGone is the end of a request whose client left, or that was answered.
var errGone = errors.New("the client is gone")

// statusGone stands in the log for a request whose client left before its answer.
const statusGone = 499

// counted notes the status of a response. Each write must end in bounded time, and
// the next one begins anew.
type counted struct {
	http.ResponseWriter
	c      *http.ResponseController
	limit  time.Duration
	status int
}

func (c *counted) wait() { _ = c.c.SetWriteDeadline(time.Now().Add(c.limit)) } // tests' connections have none

func (c *counted) WriteHeader(status int) {
	c.wait()
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.wait()
	return c.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// log writes a line. What a client chose is shown on one short line.
func (s *Server) log(r *http.Request, status int, took time.Duration) {
	s.count.request(status)
	if s.o.Log != nil {
		s.o.Log.Printf("%s %s %d %d ms", show.Text(r.Method), show.Text(r.URL.Path), status, took.Milliseconds())
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
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", origin)
		head.Set("Vary", "Origin")
		if r.Method == http.MethodOptions { // a browser asks whether the page may
			head.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
			head.Set("Access-Control-Allow-Headers", "*, Authorization")
			head.Set("Access-Control-Max-Age", "600")
			return nil
		}
	}
	if keyed && len(s.keys) > 0 && s.key(r) == "" {
		return &apiError{status: http.StatusUnauthorized, kind: "authentication_error", code: "invalid_api_key", text: "the request has no valid API key"}
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
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
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	// An address is nobody's name.
	return net.ParseIP(host) != nil || host == "localhost" || host == "" || s.hosts[host]
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
