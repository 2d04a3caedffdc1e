package schedule

import (
	"os"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// Engine is one model on one backend. Only the scheduler's goroutine calls it.
type Engine interface {
	// Open begins an empty sequence.
	Open(slide bool) (Sequence, error)
	// Decode makes the decoder of a request's reply behind a sequence whose
	// prompt was read.
	Decode(s Sequence, r *Request) (Decoder, error)
	// Pass makes one pass over the rows of several sequences, MaxRows in all.
	Pass(list []*Rows) error
	// Beside is the memory that a request's draft takes beside its sequence.
	Beside(r *Request) int64
	Limits() Limits
}

// Limits are the numbers that an engine's steps keep to.
type Limits struct {
	Rows    int // of one pass
	Verify  int // of one sequence in a pass
	Unit    int // prompts are cut at multiples of it without changing a bit
	Page    int // positions of keys and values that are kept and counted together
	Context int // positions of a sequence
	Vocab   int
	Slides  bool     // sequences may slide
	Drafts  []string // kinds that requests may name
	State   int64    // bytes of a sequence's recurrent state
	Fixed   int64    // bytes of its caches that do not grow with the text
	KV      int64    // bytes of backend.CacheUnit positions of those that do
	Kept    int64    // bytes of backend.CacheUnit positions of all caches
	Slack   int64    // bytes that a file of a page takes beyond them, at most
}

// bytes is the memory of a sequence that has touched that many positions.
func (l *Limits) bytes(positions int) int64 {
	pages := (min(positions, l.Context) + l.Page - 1) / l.Page
	return l.State + l.Fixed + int64(pages)*l.page()
}

// page is the bytes by which a sequence grows.
func (l *Limits) page() int64 { return int64(l.Page/backend.CacheUnit) * l.KV }

// rows is the bytes of that many kept positions, rounded up to whole units.
func (l *Limits) rows(positions int) int64 {
	return int64((positions+backend.CacheUnit-1)/backend.CacheUnit) * l.Kept
}

// Rows are the rows of one sequence in a pass.
type Rows struct {
	Seq    Sequence
	Dec    Decoder
	Tokens []int32
	// Logits are those behind all tokens, [len(Tokens)][vocabulary]. A pass of the
	// engine of a model sets feed instead. Both are valid until the next pass.
	Logits []float32
	feed   *model.Feed
}

// Sequence is one timeline of the model.
type Sequence interface {
	Tokens() []int32 // the timeline; the caller must not change it
	Dropped() int    // tokens of it that the caches lost by sliding
	Slides() bool    // a full context slides
	Room() int       // tokens that can still be fed
	Left() int       // rows that one pass may hold
	Pin(n int)       // the first n tokens stay at every slide
	// Read reads a piece of a prompt and returns the logits of its last token,
	// if they are wanted. Whatever its length, it has a prompt's arithmetic.
	Read(tokens []int32, want model.Want) ([]float32, error)
	// Commit keeps the first n tokens of the last pass.
	Commit(n int) error
	// Point copies the recurrent state into p, and says how many of the last
	// tokens lie in its logs alone.
	Point(p []byte) (logged int, err error)
	// Copy copies keys and values of positions [from, to), multiples of
	// backend.CacheUnit, cache by cache into p.
	Copy(from, to int, p []byte) error
	// Put is its reverse. Positions from end on are not needed and may be left out.
	Put(from, to, end int, p []byte) error
	// Store and Map are Copy and Put with an empty file. Where the backend can,
	// the file's pages are mapped copy-on-write and not read.
	Store(from, to int, f *os.File) error
	Map(from, to, end int, f *os.File) error
	// Begin makes tokens the timeline of an empty sequence. Their keys and values
	// were put there, and p is their point.
	Begin(tokens []int32, p []byte, logged int) error
	// Save writes everything to a new file, and Load brings it back into an
	// empty sequence.
	Save(path string) error
	Load(path string) error
	Close() error
}

// Decoder chooses a reply's tokens.
type Decoder interface {
	// Begin chooses the first token, from the logits of the prompt's last.
	Begin(logits []float32) (int32, error)
	// Join makes the next plan for a pass in company, whose costs others measure.
	// Before Take it tells of the pass that was made.
	Join(c speculate.Company)
	// Plan is the token that was chosen last and at most most further ones that
	// a draft expects. gains[i] is how many tokens row 1+i is expected to bring.
	Plan(most int) (tokens []int32, gains []float64, err error)
	// Cut leaves the first n further tokens of the last plan, and returns it.
	Cut(n int) []int32
	// Take chooses tokens after a pass over the plan, and commits those that it
	// keeps. All tokens made except the last lie in the sequence then.
	Take(r *Rows) ([]int32, error)
	// Keep takes all but the first n tokens of the last Take out of the
	// sequence, since the reply ended among them.
	Keep(n int) error
	// Leave gives up the sequence and the draft's memory, until Move goes on in
	// another sequence with the same timeline.
	Leave() error
	Move(s Sequence) error
	Drafted() Drafted
	// Logprobs are those of the tokens of the last Begin or Take, in their order,
	// where the request asks for them.
	Logprobs() []sample.Logprobs
	Close() error
}

// Drafted counts the work of a reply's draft.
type Drafted struct {
	Proposed int `json:"proposed"` // rows beyond the first in the reply's passes
	Accepted int `json:"accepted"`
}
