package metal

import (
	"fmt"
	"runtime"
	"sync"
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

func openSystem() (objc, error) {
	f, err := loaded()
	if err != nil {
		return nil, err
	}
	return &system{functions: f}, nil
}

// loaded opens the runtime and Metal at their first use. CoreGraphics must be
// loaded for a program without windows to be given a device.
var loaded = sync.OnceValues(func() (*functions, error) {
	s := &functions{}
	for _, l := range []struct {
		path    string
		symbols map[string]*uintptr
	}{
		{"/usr/lib/libobjc.A.dylib", map[string]*uintptr{
			"objc_getClass": &s.getClass, "sel_registerName": &s.registerName, "objc_msgSend": &s.msgSend,
			"objc_autoreleasePoolPush": &s.push, "objc_autoreleasePoolPop": &s.pop,
		}},
		{"/System/Library/Frameworks/Foundation.framework/Foundation", nil},
		{"/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics", nil},
		{"/System/Library/Frameworks/Metal.framework/Metal", map[string]*uintptr{"MTLCreateSystemDefaultDevice": &s.createDevice}},
	} {
		handle, err := purego.Dlopen(l.path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
		}
		for name, at := range l.symbols {
			if *at, err = purego.Dlsym(handle, name); err != nil || *at == 0 {
				return nil, fmt.Errorf("%w: %s has no %s", ErrAbsent, l.path, name)
			}
		}
	}
	return s, nil
})

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
