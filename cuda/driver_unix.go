//go:build !windows && !nogpu

package cuda

import "github.com/ebitengine/purego"

const libraryName = "libcuda.so.1"

func openLibrary() (uintptr, error) {
	return purego.Dlopen(libraryName, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func lookUp(handle uintptr, name string) (uintptr, error) { return purego.Dlsym(handle, name) }
