package format

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapParts maps the parts behind each other into one range of total bytes, so
// that a split model is one mapping for all its readers.
func (f *File) mapParts(total int) error {
	base, err := unix.MmapPtr(-1, 0, nil, uintptr(total), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("mapping %d bytes: %w", total, err)
	}
	f.data = unsafe.Slice((*byte)(base), total)
	f.mapping = f.data
	f.unmap = func() error { return unix.MunmapPtr(base, uintptr(total)) }
	for _, p := range f.parts {
		if err := mapPart(p, unsafe.Add(base, p.base)); err != nil {
			f.Close()
			return err
		}
	}
	return nil
}

// mapPart maps one part to its place in the range.
func mapPart(p part, at unsafe.Pointer) error {
	file, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer file.Close() // the mapping stays
	if _, err := unix.MmapPtr(int(file.Fd()), 0, at, uintptr(p.size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mapping %s: %w", p.path, err)
	}
	return nil
}
