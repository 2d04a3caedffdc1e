package cpu

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/windows"
)

var processorInformation = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetLogicalProcessorInformationEx")

const relationProcessorCore = 0

func performanceCores() int {
	if processorInformation.Find() != nil {
		return 0
	}
	var size uint32
	processorInformation.Call(relationProcessorCore, 0, uintptr(unsafe.Pointer(&size)))
	if size == 0 {
		return 0
	}
	b := make([]byte, size)
	if ok, _, _ := processorInformation.Call(relationProcessorCore, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size))); ok == 0 {
		return 0
	}
	return countRecords(b[:min(int(size), len(b))])
}

// countRecords counts the cores of the fastest class. A record has its kind (4
// bytes), its length (4), flags (1) and the class (1).
func countRecords(b []byte) int {
	n, best := 0, byte(0)
	for len(b) >= 10 {
		size := int(binary.LittleEndian.Uint32(b[4:]))
		if size < 10 || size > len(b) {
			break
		}
		switch class := b[9]; {
		case class > best:
			n, best = 1, class
		case class == best:
			n++
		}
		b = b[size:]
	}
	return n
}
