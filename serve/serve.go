// Package serve answers requests over HTTP as OpenAI's, Anthropic's and ollama's APIs
// write them. Requests of one model share passes (package schedule). A text is the same
// alone and in company.
package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve/conversations"
)

// Options of a server. The zero value of each field takes its default.
type Options struct {
	Models []string    // names or paths of the models that may be asked for; none is the demo
	LLM    llm.Options // of each model
	// Memory is how many bytes all models' conversations and kept prefixes may take
	// together, 0 half of the machine's free memory.
	Memory int64
	// Weights is how many bytes of models stay loaded together, beside the only one;
	// 0 is no limit. The one that was asked for longest ago goes.
	Weights int64
	Slots   int // requests at work at a time, of each model (8)
	Queue   int // requests that wait, of each model (64)
	// Keys, if any, are those that may ask.
	Keys []string
	// Fresh makes each reply that of its prompt alone, whatever was asked before
	// ([llm.Ask]).
	Fresh bool
	// Hosts are further names by which the server may be asked, beside loopback's
	// and that of its address. Origins are web pages that may ask, beside its own.
	Hosts, Origins []string
	// Sessions is the folder in which conversations are kept; "" keeps them in memory
	// until the server ends.
	Sessions string
	Talks    conversations.Limits // of all kept conversations
	// SessionBytes is about the greatest size of what models have read of conversations,
	// which is kept in that folder too; 0 is 8 GiB.
	SessionBytes int64
	Limits       Limits
	Log          *log.Logger // a line a request; nil logs nothing
}

// Limits of requests. The zero value of each field takes its default.
type Limits struct {
	Body    int64         // bytes of a request (8 MiB)
	Choices int           // n (8)
	Texts   int           // of a completion: its prompts, each with its choices (64)
	Stops   int           // stop strings (16), of at most StopLen bytes each
	StopLen int           // (256)
	Bias    int           // entries of logit_bias (1,024)
	Tokens  int           // of a reply; 0 is the context's
	Bodies  int64         // bytes of all requests at work or waiting (64 MiB)
	Conns   int           // open connections (256)
	Head    time.Duration // for the head of a request to come (10 s)
	Read    time.Duration // for its body to come (30 s)
	Write   time.Duration // for each piece that a client reads (30 s)
	Ping    time.Duration // between comments on a quiet stream (10 s)
}

// fill sets a field that has no value.
func fill[T int | int64 | time.Duration](n *T, to T) {
	if *n <= 0 {
		*n = to
	}
}

func (o Options) filled() Options {
	fill(&o.Slots, 8)
	fill(&o.Queue, 64)
	l := &o.Limits
	fill(&l.Body, 8<<20)
	fill(&l.Choices, 8)
	fill(&l.Texts, 64)
	fill(&l.Stops, 16)
	fill(&l.StopLen, 256)
	fill(&l.Bias, 1024)
	fill(&l.Bodies, 64<<20)
	l.Bodies = max(l.Bodies, l.Body)
	fill(&l.Conns, 256)
	fill(&l.Head, 10*time.Second)
	fill(&l.Read, 30*time.Second)
	fill(&l.Write, 30*time.Second)
	fill(&l.Ping, 10*time.Second)
	return o
}

// Server answers requests. It is an http.Handler.
type Server struct {
	o        Options
	keys     [][sha256.Size]byte
	hosts    map[string]bool
	models   *models
	talks    *conversations.Store
	kept     *replies
	grammars grammars    // of forms that were asked for
	dir      *sessions   // nil without Options.Sessions
	left     atomic.Bool // talks and dir were closed
	mux      *http.ServeMux
	count    counters
	ids      atomic.Uint64
	bodies   atomic.Int64    // bytes of requests' bodies that are held
	ending   context.Context // ends when running requests are cut
	cut      context.CancelFunc
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
		s.hosts[strings.ToLower(h)] = true
	}
	if err := s.openTalks(); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// routes lists what can be asked. Each route says whether it needs a key.
func (s *Server) routes() {
	open := func(pattern string, h handler) { s.mux.Handle(pattern, s.guard(h, false)) }
	keyed := func(pattern string, h handler) { s.mux.Handle(pattern, s.guard(h, true)) }
	open("GET /health", s.health)
	open("GET /{$}", s.page)
	open("GET /page/{file}", s.page)
	keyed("GET /v1/mil/parameters", s.parameters)
	keyed("GET /v1/models", s.listModels)
	keyed("GET /v1/models/{id}", s.oneModel)
	keyed("POST /v1/chat/completions", s.chatCompletions)
	keyed("POST /v1/completions", s.completions)
	keyed("POST /v1/responses", s.responses)
	keyed("GET /v1/responses/{id}", s.getResponse)
	keyed("DELETE /v1/responses/{id}", s.deleteResponse)
	keyed("POST /v1/messages", s.messages)
	keyed("POST /v1/messages/count_tokens", s.countTokens)
	keyed("GET /api/version", s.ollamaVersion)
	keyed("GET /api/tags", s.ollamaTags)
	keyed("GET /api/ps", s.ollamaLoaded)
	keyed("POST /api/show", s.ollamaShow)
	keyed("POST /api/chat", s.ollamaChat)
	keyed("POST /api/generate", s.ollamaGenerate)
	keyed("POST /v1/embeddings", func(http.ResponseWriter, *http.Request) error {
		return bad("", "mil makes no embeddings; ask /v1/chat/completions or /v1/completions")
	})
	keyed("GET /v1/mil/conversations", s.listTalks)
	keyed("POST /v1/mil/conversations", s.putTalk)
	keyed("GET /v1/mil/conversations/{id}", s.getTalk)
	keyed("PUT /v1/mil/conversations/{id}", s.putTalk)
	keyed("PATCH /v1/mil/conversations/{id}", s.patchTalk)
	keyed("DELETE /v1/mil/conversations/{id}", s.deleteTalk)
	keyed("GET /metrics", s.metrics)
	keyed("GET /slots", s.slots)
	open("/", func(http.ResponseWriter, *http.Request) error { return errNothing })
}

// errNothing answers where there is nothing to ask for.
var errNothing error = &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "not_found", text: "there is nothing at this address; see docs/serving.md"}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close cuts running requests and frees the models.
func (s *Server) Close() error {
	s.cut()
	return errors.Join(s.models.close(), s.closeTalks())
}

// Run answers on a listener until ctx ends. Then no request begins any more, those
// that run may go on for the grace, and are cut. It returns at most two seconds later.
func (s *Server) Run(ctx context.Context, l net.Listener, grace time.Duration) error {
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil {
		s.hosts[host] = true
	}
	few := newConns(l, s.o.Limits.Conns)
	// No ReadTimeout: guard bounds bodies too, and answers where one does not come.
	hs := &http.Server{
		Handler: s, MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: s.o.Limits.Head, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), ConnState: few.state,
	}
	done := make(chan error, 1)
	go func() { done <- hs.Serve(few) }()
	select {
	case err := <-done:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	err := drain(hs, grace)
	s.cut()
	if errors.Is(err, context.DeadlineExceeded) {
		if err = drain(hs, ending); errors.Is(err, context.DeadlineExceeded) {
			err = hs.Close()
		}
	}
	<-done
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case end := <-closed:
		return errors.Join(err, end)
	case <-time.After(ending): // in a long step, or a model is loading; nothing is lost
		return err
	}
}

// ending is how long requests that were cut, and then the models, get to end.
const ending = 900 * time.Millisecond

// drain waits until no connection has a request at work.
func drain(hs *http.Server, d time.Duration) error {
	wait, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return hs.Shutdown(wait)
}

// id is a new name of a reply.
func (s *Server) id(kind string) string {
	return fmt.Sprintf("%s-%d-%d", kind, time.Now().UnixNano(), s.ids.Add(1))
}

// health says that the server runs.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return send(w, http.StatusOK, map[string]string{"status": "ok"})
}
