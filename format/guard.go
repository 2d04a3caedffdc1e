package format

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

// mapped lists the mappings in use, by the address of their first byte.
var mapped = struct {
	sync.Mutex
	m map[uintptr]mappedFile
}{m: map[uintptr]mappedFile{}}

type mappedFile struct {
	name string
	size uintptr
}

func address(data []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(data))) }

func watch(name string, data []byte) {
	mapped.Lock()
	defer mapped.Unlock()
	mapped.m[address(data)] = mappedFile{name, uintptr(len(data))}
}

func unwatch(data []byte) {
	mapped.Lock()
	defer mapped.Unlock()
	delete(mapped.m, address(data))
}

// Watch tells Guard that data, which begins on a page, is mapped from the file
// of that name. The function it returns ends that.
func Watch(name string, data []byte) (end func()) {
	watch(name, data)
	return func() { unwatch(data) }
}

// fileAt is the name of the file that is mapped at an address.
func fileAt(addr uintptr) (string, bool) {
	mapped.Lock()
	defer mapped.Unlock()
	for from, f := range mapped.m {
		// The last page of a mapping reaches past the file's end.
		if addr >= from && addr-from < roundUp(f.size, PageSize) {
			return f.name, true
		}
	}
	return "", false
}

// Guard runs f, which may read mapped files. When somebody cuts a mapped file,
// the system answers a read past its end with a signal, which would end the
// process. Under Guard it becomes an error that wraps ErrChanged and names the
// file. Guard covers f's goroutine only, so workers call Guard themselves.
// Other panics pass through.
func Guard(f func()) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if e, ok := p.(runtime.Error); ok {
			if at, ok := e.(interface{ Addr() uintptr }); ok {
				if name, ok := fileAt(at.Addr()); ok {
					err = fmt.Errorf("%s: %w", name, ErrChanged)
					return
				}
			}
		}
		panic(p)
	}()
	f()
	return nil
}

// Named puts the file's name before an error that came up while it was used,
// unless Guard did. nil stays nil.
func (f *File) Named(err error) error {
	if err == nil || errors.Is(err, ErrChanged) {
		return err
	}
	return fmt.Errorf("%s: %w", f.Name(), err)
}
