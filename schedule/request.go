package schedule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/sample"
)

// Request is a prompt and how it is answered.
type Request struct {
	// Tokens are the whole prompt, what a session or the prefixes hold of it
	// included. They must stay as they are until the request has finished.
	Tokens   []int32
	Sampling sample.Options
	// MaxTokens limits the reply; 0 goes on to the context's end. A reply that
	// slides ends after as many tokens as the context holds.
	MaxTokens int
	// Format is the form of the reply, or nil, and Vocabulary the model's tokens
	// for it.
	Format     *constrain.Grammar
	Vocabulary *constrain.Vocabulary
	Ends       map[int32]bool // tokens that end a reply and do not belong to it
	// Stop, which may be nil, is told each token of the reply on the scheduler's
	// goroutine, and must be quick. If it says true, the reply ends with that
	// token.
	Stop func(id int32) bool
	// Draft names the kind of draft in the engine's terms. "" is none.
	Draft    string
	Priority int // higher ones go first
	// Key is whose the request is. Prefixes are shared within one key only.
	Key   string
	Reuse Reuse
	// Session names a conversation whose sequence is kept after the reply. A
	// later request with this name and key goes on there if its prompt begins
	// with all of the session's tokens.
	Session string
	// Echo asks for the log-probabilities of the prompt's own tokens
	// ([Handle.Echo]), as Sampling does for those of the reply. The whole prompt is
	// read for them, as with ReuseNone, and no session is kept.
	Echo  bool
	Slide bool // a full context drops its oldest tokens
	Pin   int  // tokens that stay at every slide
}

// Reuse says which prefixes a prompt may begin with.
type Reuse int

const (
	// ReuseAll also takes the ends of earlier replies. The reply is then that of
	// the conversation going on. Its last bits may differ from those after
	// reading the whole prompt.
	ReuseAll Reuse = iota
	// ReuseRead takes only prefixes that were read as prompts. The reply is then
	// that of the prompt alone, to the bit.
	ReuseRead
	// ReuseNone reads the whole prompt and keeps nothing of it.
	ReuseNone
)

// Reason says why a reply ended.
type Reason string

// Why replies end.
const (
	Ended     Reason = "end token"
	Stopped   Reason = "stopped" // by Request.Stop
	Limit     Reason = "token limit"
	Full      Reason = "context full"
	Cancelled Reason = "cancelled"
	Failed    Reason = "error"
)

// Result is a finished request.
type Result struct {
	Why Reason
	End int32 // the token that ended the reply, where Why is Ended
	Err error // where Why is Failed or Cancelled
	Stats
}

// Stats is the work of one request. Times count from its arrival.
type Stats struct {
	Prompt    int           `json:"prompt_tokens"`
	Cached    int           `json:"cached_tokens"`    // of the prompt, not read again
	Generated int           `json:"generated_tokens"` // the end token included
	Passes    int           `json:"passes"`
	Preempted int           `json:"preempted"` // how often it made room for others
	Admitted  time.Duration `json:"admitted_ns"`
	First     time.Duration `json:"first_token_ns"`
	Done      time.Duration `json:"done_ns"`
	Drafted   Drafted       `json:"drafted"`
}

// Errors of requests.
var (
	// ErrQueue is the error of a request where too many wait.
	ErrQueue = errors.New("too many requests wait; try again later")
	// ErrClosed is the error of requests to a closed scheduler.
	ErrClosed = errors.New("the scheduler is closed")
	// ErrMemory is wrapped by the error of a request that needs more memory than
	// all requests may take together.
	ErrMemory = errors.New("the request does not fit the memory of requests")
	// ErrPrompt is wrapped by the error about a prompt that cannot be read.
	ErrPrompt = errors.New("the prompt cannot be read")
)

// check says why a request cannot be served.
func (r *Request) check(l Limits) error {
	switch {
	case len(r.Tokens) == 0:
		return fmt.Errorf("%w: it has no tokens", ErrPrompt)
	case !r.Slide && len(r.Tokens) > l.Context:
		return fmt.Errorf("%w: it has %d tokens and the context holds %d; shorten it, or let the context slide", ErrPrompt, len(r.Tokens), l.Context)
	case r.Slide && !l.Slides:
		return fmt.Errorf("%w: the model was opened with a context that does not slide", ErrPrompt)
	case r.Draft != "" && !slices.Contains(l.Drafts, r.Draft):
		return fmt.Errorf("there is no draft %q; there are %q", r.Draft, l.Drafts)
	case r.Pin < 0 || r.Pin > len(r.Tokens):
		return fmt.Errorf("%w: %d of its %d tokens cannot be pinned", ErrPrompt, r.Pin, len(r.Tokens))
	case r.MaxTokens < 0:
		return fmt.Errorf("a reply of %d tokens cannot be made", r.MaxTokens)
	}
	for i, id := range r.Tokens {
		if id < 0 || int(id) >= l.Vocab {
			return fmt.Errorf("%w: its token %d is %d, and the model has %d", ErrPrompt, i, id, l.Vocab)
		}
	}
	return nil
}

// Options of a scheduler. The zero value of each field takes its default.
type Options struct {
	Memory   int64         // bytes of all sequences together; 0 is without limit
	Prefixes int64         // bytes of kept prefixes; 0 keeps none
	Active   int           // most requests at work at a time (as many as a pass has rows)
	Queue    int           // most requests that wait (1024)
	Sessions int           // most sessions kept between requests (64)
	Dir      string        // folder for the files of requests that make room; "" makes a temporary one
	Gap      time.Duration // longest time of a prompt's piece beside decoding (200 ms), at least one unit
	Aging    time.Duration // waiting that counts as one priority more (10 s)
	Clock    func() time.Time
	// Store, if set, keeps the ends of replies, and of long prompts, beyond the
	// scheduler's end. It is written to where nobody waits, or after some seconds.
	Store Store
	Warn  func(error) // told about mistakes of mil, which end their own requests; may be nil
	// Turns, if set, is locked during each step: schedulers of one backend take
	// turns by it.
	Turns sync.Locker
	// Watch, if set, is told of each step that worked, on the scheduler's goroutine.
	Watch func(Step)
}

// Step is one piece of work: a pass that made tokens, or a piece of one prompt.
type Step struct {
	Rows   int // of a pass, 0 for a piece
	Tokens int // of a piece, 0 for a pass
	Took   time.Duration
}

func (o Options) filled(l Limits) Options {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	set(&o.Active, l.Rows)
	set(&o.Queue, 1024)
	set(&o.Sessions, 64)
	if o.Memory <= 0 {
		o.Memory = math.MaxInt64
	}
	if o.Gap <= 0 {
		o.Gap = 200 * time.Millisecond
	}
	if o.Aging <= 0 {
		o.Aging = 10 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Turns == nil {
		o.Turns = &sync.Mutex{}
	}
	if o.Watch == nil {
		o.Watch = func(Step) {}
	}
	return o
}
