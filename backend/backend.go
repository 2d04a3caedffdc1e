// Package backend is the boundary between models and the machines that run
// them. A model records a [Program] once for each size of pass. A [Backend]
// compiles it and runs it as often as wanted. A program fixes only the number
// of tokens a pass may hold. Position, valid tokens and tokens to replay stand
// in [Params], so nothing is recorded again as the context grows.
package backend

import (
	"errors"
	"os"
)

// MaxVerify is the greatest number of a sequence's tokens in a pass that can still
// be taken back in part. MaxRows is the greatest number of tokens in such a pass,
// of all its sequences. A token's bits depend on neither.
const (
	MaxVerify = 16
	MaxRows   = 64
)

// PromptUnit is the unit of reading prompts. A prompt that is cut at positions of
// its text that are multiples of it has the same bits as one in a single pass.
const PromptUnit = 64

// ErrKVType is wrapped by Compile where a backend cannot keep keys and values
// in the type that a program wants.
var ErrKVType = errors.New("keys and values cannot be kept so here")

// Backend owns memory and turns programs into something that runs.
// A Backend is not safe for two goroutines at once.
type Backend interface {
	// Name is its name for --backend.
	Name() string
	// Map makes host memory readable to programs, without a copy where the
	// backend can. The memory must stay as it is until the buffer is freed.
	Map(host []byte) (Buffer, error)
	// Compile checks that every node can run here and prepares the program. It
	// tells the program's states how their memory is laid out.
	Compile(*Program) (Exec, error)
	// NewSequence gives states of compiled programs zeroed memory, for one
	// sequence more.
	NewSequence([]*State) (*Sequence, error)
	Close() error
}

// Prompter is a backend that reads prompts best in passes of a length of its own.
type Prompter interface {
	// PromptTokens is how many tokens the longest pass should hold, which is
	// more than MaxVerify.
	PromptTokens() int
}

// PromptTokens is how many tokens a backend's longest pass should hold.
func PromptTokens(b Backend) int {
	if p, ok := b.(Prompter); ok {
		return p.PromptTokens()
	}
	return DefaultPrompt
}

// DefaultPrompt is how many tokens a prompt's pass holds where the backend does
// not say.
const DefaultPrompt = 512

// Buffer is memory of a backend.
type Buffer interface {
	Size() int
	// Read copies len(p) bytes from off to the host, Write the other way.
	Read(off int, p []byte) error
	Write(off int, p []byte) error
	// Zero clears the whole buffer.
	Zero() error
	// Free gives the memory back; the buffer must not be used afterwards.
	Free() error
}

// FileMapper is a buffer that a file's bytes can be mapped into.
type FileMapper interface {
	// MapFile puts n bytes from offset at of a file to off. Writes stay in
	// memory. It maps the bytes that fill whole pages on both sides and copies
	// the rest.
	MapFile(off int, f *os.File, at int64, n int) error
}

// Exec is a compiled program. Any sequence of its states can run through it.
type Exec interface {
	// Run executes one pass and returns its logits, [p.Rows()][vocabulary], valid
	// until the next Run of this Exec.
	Run(p *Params) ([]float32, error)
	Close() error
}

// Watch looks into a pass that may take long.
type Watch struct {
	// Stop is asked between small pieces of work, by several threads at once. Once
	// it says true it must go on saying so: Run returns ErrStopped soon.
	Stop func() bool
	// Done, which may be nil, is told how many of the pass's nodes have run.
	Done func(nodes, of int)
}

// ErrStopped is returned by a pass that its watch stopped. Some of its states may
// have been written and others not.
var ErrStopped = errors.New("the pass was stopped")

// Watched is an Exec that heeds Params.Watch.
type Watched interface {
	Exec
	Watched()
}
