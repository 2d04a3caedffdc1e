package llm

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/memory"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/model"
)

// ErrMemory is wrapped where a session would need more memory than is free.
var ErrMemory = errors.New("too little memory")

// ErrSlow is the warning that the weights do not fit beside the sessions.
var ErrSlow = errors.New("the weights do not fit into memory")

// MemoryError is an [ErrMemory] with its numbers, in bytes and tokens.
type MemoryError struct {
	Context int   // asked for
	Need    int64 // of all sessions of the machine, this one too
	KV      int64 // of Need, this session's keys and values
	Usable  int64
	Fits    int // the longest context that fits, or 0
	FitsQ8  int // with a KV cache of q8_0, where that is longer, or 0
}

func (e *MemoryError) Error() string {
	text := fmt.Sprintf("%v: a context of %d tokens needs %s (keys and values %s) and %s can be used", ErrMemory, e.Context, units.Bytes(e.Need), units.Bytes(e.KV), units.Bytes(max(0, e.Usable)))
	if e.Fits == 0 {
		text += "; the rest alone is too large: end other programs or take a smaller model"
	}
	return text
}

func (e *MemoryError) Unwrap() error { return ErrMemory }

// slow is an ErrSlow in words.
type slow struct{ left, weights int64 }

func (e slow) Error() string {
	return fmt.Sprintf("%s can be used beside the context for weights of %s; they are read again and again, which is slow", units.Bytes(e.left), units.Bytes(e.weights))
}

func (e slow) Unwrap() error { return ErrSlow }

// budget is the memory of a machine's sessions, and its limit.
type budget struct {
	needed, limit int64
	limited       bool // limit is known
}

// need is a session's memory beside the weights. Those are pages of their file,
// which the system takes back where others need the memory.
func need(m *model.Model, o model.Options) (kv, rest int64) {
	kv, state := m.Memory(o)
	return kv, state + m.Scratch(o)
}

// room is how much of the free memory sessions may take, counted before the
// first of them. A quarter is left to the weights' pages, to results gathered
// while a model runs, and to other programs. A GPU's own memory counts too, where
// the backend says so.
func room(b backend.Backend) (bytes int64, ok bool) {
	free, ok := memory.Free()
	if !ok {
		return 0, false
	}
	if d, has := b.(interface{ Free() (int64, error) }); has {
		if more, err := d.Free(); err == nil {
			free += more
		}
	}
	return free - free/4, true
}

// reserve counts a session before it is started, and refuses it where it does
// not fit beside the others. A cache counts whole, however little of it is used.
// It returns the bytes to give back.
func (u *budget) reserve(m *model.Model, o model.Options, b backend.Backend, warn func(error)) (int64, error) {
	if u.needed == 0 {
		u.limit, u.limited = room(b)
	}
	if o.Context <= 0 {
		o.Context = min(m.Config.Context, model.DefaultContext)
	}
	kv, rest := need(m, o)
	if u.limited && u.needed+kv+rest > u.limit {
		return 0, tooLarge(m, o, u.needed, u.limit)
	}
	u.needed += kv + rest
	if u.limited && u.needed+m.Bytes() > u.limit {
		warn(slow{u.limit - u.needed, m.Bytes()})
	}
	return kv + rest, nil
}

// tooLarge is the error with the needed and the free memory, and with contexts
// that would fit.
func tooLarge(m *model.Model, o model.Options, before, limit int64) error {
	kv, rest := need(m, o)
	e := &MemoryError{Context: o.Context, Need: before + kv + rest, KV: kv, Usable: limit, Fits: fitting(m, o, limit-before)}
	small := o
	small.KV = model.KVQ8_0
	if more := fitting(m, small, limit-before); e.Fits > 0 && more > e.Fits {
		e.FitsQ8 = min(more, o.Context)
	}
	return e
}

// fitting is the longest context that fits, at most the one asked for, or 0.
// Caches grow by whole units of positions; nothing else grows with the context.
func fitting(m *model.Model, o model.Options, limit int64) int {
	most, asked := o.Context, o.Context
	o.Context = backend.CacheUnit
	unit, rest := need(m, o)
	if rest > limit {
		return 0
	}
	if unit > 0 {
		most = int(min(int64(most), (limit-rest)/unit*backend.CacheUnit))
	}
	if most >= 1024 && most < asked {
		most -= most % 1024 // a number that people can read
	}
	return most
}
