//go:build !nogpu

package metal

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// functions are the entry points that are used. Every call goes through SyscallN:
// registering a function for each message's types would cost reflection a call.
type functions struct {
	getClass, registerName, msgSend, push, pop, createDevice uintptr
}

// system is the Objective-C runtime of this machine, for one goroutine.
type system struct {
	*functions
	frame frame
}

func (s *system) class(name string) id          { return id(s.named(s.getClass, name)) }
func (s *system) selector(name string) selector { return selector(s.named(s.registerName, name)) }

func (s *system) named(function uintptr, name string) uintptr {
	text := append([]byte(name), 0)
	r, _, _ := purego.SyscallN(function, uintptr(unsafe.Pointer(&text[0])))
	return r
}

func (s *system) send(to id, name selector, args []arg) uintptr {
	r, _, _ := purego.SyscallN(s.msgSend, s.frame.fill(to, name, args)...)
	runtime.KeepAlive(args)
	return r
}

func (s *system) pushPool() uintptr {
	r, _, _ := purego.SyscallN(s.push)
	return r
}

func (s *system) popPool(pool uintptr) { purego.SyscallN(s.pop, pool) }

func (s *system) defaultDevice() id {
	r, _, _ := purego.SyscallN(s.createDevice)
	return id(r)
}
