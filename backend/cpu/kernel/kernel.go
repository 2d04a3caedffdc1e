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
	why   string // what the processor has, for people
	dots
	gemms
	elementwise
	convs
	scan1s
	scan2s
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
		s := &Set{Name: f.name, Lanes: f.lanes, Group: f.group, why: f.why}
		s.dots.init(s)
		s.gemms.init(s)
		s.elementwise.init(s)
		s.convs.init(s)
		s.scan1s.init(s)
		s.scan2s.init(s)
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

// ByName finds a set; the error lists what there is.
func ByName(name string) (*Set, error) {
	for _, s := range Sets() {
		if s.Name == name {
			return s, nil
		}
	}
	for _, f := range features() {
		if f.name == name {
			return nil, fmt.Errorf("this processor has no %s (it needs %s)", name, f.why)
		}
	}
	return nil, fmt.Errorf("instruction set %q is not known (known: %s)", name, strings.Join(Names(), ", "))
}

// Names lists every instruction set kernels exist for on this architecture.
func Names() []string {
	names := []string{"go"}
	for _, f := range features() {
		names = append(names, f.name)
	}
	return names
}

// Needs says what the processor must have for the set.
func (s *Set) Needs() string { return s.why }
