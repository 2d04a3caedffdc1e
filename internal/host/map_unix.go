//go:build unix

package host

import (
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// private is memory of this process alone, since Linux gives memory that
// processes might share in small pages.
const private = mmap.COPY

// mapOver puts a file's bytes from at in the place of memory that the system
// gave, copy-on-write; both lie on pages. mmap-go cannot say where a mapping
// goes, and a cache must stay in one piece.
func mapOver(memory []byte, f *os.File, at int64) error {
	_, err := unix.MmapPtr(int(f.Fd()), at, unsafe.Pointer(&memory[0]), uintptr(len(memory)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}
