// Package serve answers requests over HTTP as OpenAI's API writes them. Requests of
// one model share passes (package schedule). A text is the same alone and in
// company.
package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mil-run/mil/llm"
)

// Options of a server. The zero value of each field takes its default.
type Options struct {
	Models []string    // names or paths of the models that may be asked for; none is the demo
	LLM    llm.Options // of each model
	// Memory is how many bytes all models' conversations and kept prefixes may take
	// together, 0 half of the machine's free memory.
	Memory int64
	Slots  int // requests at work at a time, of each model (8)
	Queue  int // requests that wait, of each model (64)
	// Keys, if any, are those that may ask.
	Keys []string
	// Hosts are further names by which the server may be asked, beside loopback's
	// and that of its address. Origins are web pages that may ask, beside its own.
	Hosts, Origins []string
	Limits         Limits
	Log            *log.Logger // a line a request; nil logs nothing
}

// Limits of requests. The zero value of each field takes its default.
type Limits struct {
	Body    int64         // bytes of a request (8 MiB)
	Choices int           // n (8)
	Stops   int           // stop strings (16), of at most StopLen bytes each
	StopLen int           // (256)
	Bias    int           // entries of logit_bias (1,024)
	Tokens  int           // of a reply; 0 is the context's
	Write   time.Duration // for each piece that a client reads (30 s)
	Ping    time.Duration // between comments on a quiet stream (10 s)
}

func (o Options) filled() Options {
	fill := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	fill(&o.Slots, 8)
	fill(&o.Queue, 64)
	l := &o.Limits
	fill(&l.Choices, 8)
	fill(&l.Stops, 16)
	fill(&l.StopLen, 256)
	fill(&l.Bias, 1024)
	if l.Body <= 0 {
		l.Body = 8 << 20
	}
	if l.Write <= 0 {
		l.Write = 30 * time.Second
	}
	if l.Ping <= 0 {
		l.Ping = 10 * time.Second
	}
	return o
}

// Server answers requests. It is an http.Handler.
type Server struct {
	o      Options
	keys   [][sha256.Size]byte
	hosts  map[string]bool
	models *models
	mux    *http.ServeMux
	count  counters
	ids    atomic.Uint64

	mu     sync.Mutex
	ending context.Context // ends when running requests are cut
	cut    context.CancelFunc
	closed bool
}

// New checks the models' names and makes a server. No model is loaded yet.
func New(o Options) (*Server, error) {
	o = o.filled()
	m, err := newModels(&o)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, models: m, mux: http.NewServeMux(), hosts: map[string]bool{}}
	s.ending, s.cut = context.WithCancel(context.Background())
	for _, k := range o.Keys {
		if k == "" {
			return nil, errors.New("an API key is empty")
		}
		s.keys = append(s.keys, sha256.Sum256([]byte(k)))
	}
	for _, h := range o.Hosts {
		s.hosts[h] = true
	}
	s.routes()
	return s, nil
}

// routes lists what can be asked. Each route says whether it needs a key.
func (s *Server) routes() {
	open := func(pattern string, h handler) { s.mux.Handle(pattern, s.guard(h, false)) }
	keyed := func(pattern string, h handler) { s.mux.Handle(pattern, s.guard(h, true)) }
	open("GET /health", s.health)
	keyed("GET /v1/models", s.listModels)
	keyed("GET /v1/models/{id}", s.oneModel)
	keyed("POST /v1/chat/completions", s.chatCompletions)
	keyed("POST /v1/completions", s.completions)
	keyed("POST /v1/embeddings", func(http.ResponseWriter, *http.Request) error {
		return bad("", "mil makes no embeddings; ask /v1/chat/completions or /v1/completions")
	})
	keyed("GET /metrics", s.metrics)
	keyed("GET /slots", s.slots)
	open("/", func(w http.ResponseWriter, r *http.Request) error {
		return &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "not_found", text: "there is nothing at this address; see docs/serving.md"}
	})
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close cuts running requests and frees the models.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cut()
	return s.models.close()
}

// Run answers on a listener until ctx ends. Then no request begins any more, those
// that run may go on for the grace, and are cut.
func (s *Server) Run(ctx context.Context, l net.Listener, grace time.Duration) error {
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil {
		s.hosts[host] = true
	}
	hs := &http.Server{
		Handler: s, MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(discard{}, "", 0),
	}
	done := make(chan error, 1)
	go func() { done <- hs.Serve(l) }()
	select {
	case err := <-done:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := hs.Shutdown(wait)
	if errors.Is(err, context.DeadlineExceeded) {
		s.cut()
		after, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err = hs.Shutdown(after); errors.Is(err, context.DeadlineExceeded) {
			err = hs.Close()
		}
	}
	<-done
	return errors.Join(err, s.Close())
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// id is a new name of a reply.
func (s *Server) id(kind string) string {
	return fmt.Sprintf("%s-%d-%d", kind, time.Now().UnixNano(), s.ids.Add(1))
}

// health says that the server runs.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return send(w, http.StatusOK, map[string]string{"status": "ok"})
}
