//go:build !nogpu

package metal

import (
	"fmt"
	"sync"

	"github.com/ebitengine/purego"
)

func openSystem() (objc, error) {
	f, err := entryPoints()
	if err != nil {
		return nil, err
	}
	return &system{functions: f}, nil
}

// entryPoints opens the runtime and Metal at their first use. CoreGraphics must be
// loaded for a program without windows to be given a device.
var entryPoints = sync.OnceValues(func() (*functions, error) {
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
