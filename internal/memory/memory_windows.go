package memory

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var status = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// measure is the physical memory available, or less where less can be committed.
func measure() (int64, bool) {
	var s struct { // MEMORYSTATUSEX
		length, load                     uint32
		totalPhysical, availablePhysical uint64
		totalCommit, availableCommit     uint64
		totalVirtual, availableVirtual   uint64
		availableExtended                uint64
	}
	s.length = uint32(unsafe.Sizeof(s))
	if ok, _, _ := status.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return 0, false
	}
	return least(int64(s.availablePhysical), int64(s.availableCommit))
}
