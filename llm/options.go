package llm

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/toolcall"
)

// Message is one turn of a conversation.
type Message = chat.Message

// A Tool is a function that a reply may call, an [Offer] says which it may call
// ([Settings].Tools), and a Call is one call in a reply or a message. The result of a
// call is a message of role "tool" with the call's id.
type (
	Tool  = toolcall.Tool
	Offer = toolcall.Offer
	Call  = toolcall.Call
)

// Finish reasons, as the field's APIs name them ([chat.Reason.Finish]).
const (
	FinishStop      = chat.FinishStop
	FinishToolCalls = chat.FinishToolCalls
	FinishLength    = chat.FinishLength
)

// ErrNoTools is the error of functions that a model's template has no place for.
var ErrNoTools = chat.ErrNoTools

// User is a conversation of one message, the user's.
func User(text string) []Message { return []Message{{Role: "user", Content: text}} }

// Settings say how a reply is made.
type Settings = chat.Settings

// Greedy is a change of settings: it always takes the most probable token, so
// that a text does not depend on the seed.
func Greedy(s *Settings) { s.Sampling.Temp = 0 }

// Options of a model. The zero value is right for most programs.
type Options struct {
	// Backend is the name of the backend: "cpu", "cuda", "metal", or "auto" or "", which
	// takes a GPU where it can use one. [Backends] lists them.
	Backend string
	// GPULayers is how many layers a GPU takes; the processor computes the rest.
	// 0 is as many as fit the GPU's memory. Below 0 it takes none.
	GPULayers int
	Threads   int    // of the processor; 0 is one a performance core
	ISA       string // instruction set, one of [ISAs]; "" is the best
	// Uploaded, if set, is told how many bytes of weights were copied to a GPU,
	// of how many.
	Uploaded func(done, total int64)

	Context   int    // tokens that a session holds; 0 is the model's number, at most 8192
	KV        string // type of the KV cache: "f16", "q8_0", or "" for the model's own
	Slide     bool   // a full context drops its oldest keys and values, and goes on
	PlainRope bool   // the RoPE scaling in the file is ignored

	// Draft is a draft for speculative decoding: a model, "lookup" (from the
	// conversation itself), "demo" (the demo's draft), "auto" (lookup, then the
	// demo's draft where it fits), or several, separated by commas. "" is none.
	Draft string
	// DraftTokens is how many tokens are proposed at a time, up to 15. 0 adapts
	// the number to its gain. Below 0 nothing is proposed.
	DraftTokens int

	// PromptCache is a folder that keeps the beginnings of prompts, so that they
	// are not read again, or "". PromptCacheBytes is its greatest size; 0 is 4 GiB.
	PromptCache      string
	PromptCacheBytes int64

	// Seed is the seed of the random numbers. 0 takes a new one for each session,
	// and for each reply of [Model.Chat] and [Model.Generate].
	Seed uint64
	// Set, if set, changes the checkpoint's own settings for all replies.
	Set func(*Settings)

	// Models is the folder of models with short names; "" is the user's own.
	Models string
	// Warn, if set, is told what goes on other than asked: an [ErrGPU], an
	// [ErrSlow], or a prompt cache that cannot be written. Neither it nor Uploaded
	// may use the model.
	Warn func(error)
}

// KVTypes are the types of a KV cache that [Options] name.
func KVTypes() []string { return []string{model.KVF16.String(), model.KVQ8_0.String()} }

// ErrKV is wrapped by the error about a KV cache of an unknown type.
var ErrKV = errors.New("not a type of the KV cache")

// Session are the options of the model's sessions.
func (o *Options) session() (model.Options, error) {
	s := model.Options{Context: o.Context, Slide: o.Slide, PlainRope: o.PlainRope}
	var err error
	s.KV, err = KVType(o.KV)
	return s, err
}

// KVType is the type of a KV cache that [Options] name, as [model.Options] take it.
func KVType(name string) (model.KVType, error) {
	for t := model.KVAuto; t <= model.KVQ8_0; t++ {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: %q is none of %v", ErrKV, name, KVTypes())
}

// warn tells the caller's function, if there is one.
func (o *Options) warn(err error) {
	if o.Warn != nil {
		o.Warn(err)
	}
}
