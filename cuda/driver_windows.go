//go:build !nogpu

package cuda

import "golang.org/x/sys/windows"

const libraryName = "nvcuda.dll"

// openLibrary takes the driver from the system's own folder only.
func openLibrary() (uintptr, error) {
	h, err := windows.LoadLibraryEx(libraryName, 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	return uintptr(h), err
}

func lookUp(handle uintptr, name string) (uintptr, error) {
	return windows.GetProcAddress(windows.Handle(handle), name)
}
