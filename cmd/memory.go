package cmd

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/memory"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// errMemory is wrapped where a session would need more memory than is free.
var errMemory = errors.New("too little memory")

// freeMemory is the memory that this process may still take. Tests set it.
var freeMemory = memory.Free

// memoryNeed is a session's memory beside the weights. Those are pages of their
// file, which the system takes back where others need the memory.
func memoryNeed(m *model.Model, o model.Options) (kv, rest int64) {
	kv, state := m.Memory(o)
	return kv, state + m.Scratch(o)
}

// room is how much of the free memory the command's sessions may take, counted
// before the first of them. A quarter is left to the weights' pages, to results
// gathered while a model runs, and to other programs. A GPU's own memory counts
// too, where the backend says so.
func (f *runFlags) room() (bytes int64, ok bool) {
	free, ok := freeMemory()
	if !ok {
		return 0, false
	}
	if d, has := f.backend.(interface{ Free() (int64, error) }); has {
		if more, err := d.Free(); err == nil {
			free += more
		}
	}
	return free - free/4, true
}

// reserve counts a session before it is started, and refuses it where it does
// not fit beside the others. A cache counts whole, however little of it is
// used.
func (f *runFlags) reserve(m *model.Model, o model.Options) error {
	if f.needed == 0 {
		f.limit, f.limited = f.room()
	}
	if o.Context <= 0 {
		o.Context = min(m.Config.Context, model.DefaultContext)
	}
	kv, rest := memoryNeed(m, o)
	if f.limited && f.needed+kv+rest > f.limit {
		return tooLarge(m, o, f.needed, f.limit)
	}
	f.needed += kv + rest
	if f.limited && f.needed+m.Bytes() > f.limit && f.warn != nil {
		show.Fprintf(f.warn, "mil: warning: %s can be used beside the context for weights of %s; they are read again and again, which is slow\n", units.Bytes(f.limit-f.needed), units.Bytes(m.Bytes()))
	}
	return nil
}

// tooLarge is the error with the needed and the free memory, and with a context
// that would fit.
func tooLarge(m *model.Model, o model.Options, before, limit int64) error {
	kv, rest := memoryNeed(m, o)
	err := fmt.Errorf("%w: a context of %d tokens needs %s (keys and values %s) and %s can be used", errMemory, o.Context, units.Bytes(before+kv+rest), units.Bytes(kv), units.Bytes(max(0, limit)))
	most := fitting(m, o, limit-before)
	if most == 0 {
		return fmt.Errorf("%w; the rest alone is too large: end other programs or take a smaller model", err)
	}
	help := fmt.Sprintf("--ctx %d is the most that fits", most)
	small := o
	small.KV = quant.Q8_0
	if more := fitting(m, small, limit-before); more > most {
		help += fmt.Sprintf(", with --kv q8_0 %d", min(more, o.Context))
	}
	return fmt.Errorf("%w; %s", err, help)
}

// fitting is the longest context that fits, at most the one asked for, or 0.
// Caches grow by whole units of positions; nothing else grows with the context.
func fitting(m *model.Model, o model.Options, limit int64) int {
	most, asked := o.Context, o.Context
	o.Context = backend.CacheUnit
	unit, rest := memoryNeed(m, o)
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
