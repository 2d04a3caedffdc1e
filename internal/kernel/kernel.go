// Package kernel holds the loops that the CPU backend spends its time in,
// compiled from the C in c/ by gen for every instruction set and committed as
// Go assembly: `go build` needs no C compiler. The plain Go beside each in the
// tests defines it; all instruction sets give the same bits (see c/vec.h).
//
// A kernel takes a pointer to its arguments, which live in a Go struct of the
// same layout as the C one. It runs to its end without being preempted, so one
// call should stay well under a millisecond.
package kernel

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"
)

// compiled are the generated functions, by name: instruction set, underscore,
// kernel.
var compiled = map[string]func(unsafe.Pointer){}

// Set is the kernels of one instruction set.
type Set struct {
	Name string
	// Lanes is how many float32 a vector holds: tiles have 2*Lanes rows.
	Lanes int
	// Group is how many tokens go through a tile together.
	Group int
	dots
	gemms
	elementwise
	convs
	scan1s
	scan2s
	deltas
	chunk2s
	norms
	attention
}

// kernel returns a generated function.
func (s *Set) kernel(name string) func(unsafe.Pointer) { return compiled[s.Name+"_"+name] }

// must is kernel for those that every set has.
func (s *Set) must(name string) func(unsafe.Pointer) {
	f := s.kernel(name)
	if f == nil {
		panic("kernel: " + s.Name + " has no " + name)
	}
	return f
}

// feature is an instruction set and whether this processor has it.
type feature struct {
	name         string
	lanes, group int
	have         bool
	why          string
}

// Sets lists the instruction sets this processor has kernels for, the best
// last; none means that only plain Go is left.
var Sets = sync.OnceValue(func() []*Set {
	var out []*Set
	for _, f := range features() {
		if !f.have {
			continue
		}
		s := &Set{Name: f.name, Lanes: f.lanes, Group: f.group}
		s.dots.init(s)
		s.gemms.init(s)
		s.elementwise.init(s)
		s.convs.init(s)
		s.scan1s.init(s)
		s.scan2s.init(s)
		s.deltas.init(s)
		s.chunk2s.init(s)
		s.norms.init(s)
		s.attention.init(s)
		out = append(out, s)
	}
	return out
})

// Best is the set to use, or nil.
func Best() *Set {
	if len(Sets()) == 0 {
		return nil
	}
	return Sets()[len(Sets())-1]
}

// ByName finds a set; the error lists the sets of this processor.
func ByName(name string) (*Set, error) {
	have := []string{"go"}
	for _, s := range Sets() {
		if s.Name == name {
			return s, nil
		}
		have = append(have, s.Name)
	}
	list := strings.Join(have, ", ")
	for _, k := range Known() {
		if k.Name == name {
			return nil, fmt.Errorf("this processor has no %s, which needs %s (it has %s)", name, k.Needs, list)
		}
	}
	return nil, fmt.Errorf("instruction set %q is not known (this processor has %s)", name, list)
}

// Kind is an instruction set that kernels exist for on this architecture.
type Kind struct {
	Name  string
	Needs string // features that the processor must have
	Have  bool
}

// Known lists them, the best last.
func Known() []Kind {
	var list []Kind
	for _, f := range features() {
		list = append(list, Kind{f.name, f.why, f.have})
	}
	return list
}
