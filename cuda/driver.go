package cuda

import (
	"fmt"
	"unsafe"
)

// driver is the part of the CUDA driver API that is used, a method for each function
// without its cu prefix. Handles are the driver's own and opaque; device
// addresses are uint64, sizes in bytes. Errors are of type [*Error].
type driver interface {
	Init() error
	DriverGetVersion() (int, error) // 12040 for CUDA 12.4
	DeviceGetCount() (int, error)
	DeviceGet(ordinal int) (device int32, err error)
	DeviceGetName(device int32) (string, error)
	DeviceGetAttribute(attribute, device int32) (int, error)
	DeviceTotalMem(device int32) (uint64, error)

	DevicePrimaryCtxRetain(device int32) (context uintptr, err error)
	DevicePrimaryCtxRelease(device int32) error
	CtxSetCurrent(context uintptr) error

	MemGetInfo() (free, total uint64, err error)
	MemAlloc(bytes int) (uint64, error)
	MemFree(address uint64) error
	// MemHostAlloc gives host memory that copies to and from without staging, and
	// that kernels reach.
	MemHostAlloc(bytes int) (unsafe.Pointer, error)
	// MemHostGetDevicePointer is where kernels find such memory.
	MemHostGetDevicePointer(p unsafe.Pointer) (uint64, error)
	MemFreeHost(p unsafe.Pointer) error

	StreamCreate() (uintptr, error)
	StreamDestroy(stream uintptr) error
	StreamSynchronize(stream uintptr) error
	MemsetD8Async(address uint64, value byte, bytes int, stream uintptr) error
	MemcpyHtoDAsync(to uint64, from unsafe.Pointer, bytes int, stream uintptr) error
	MemcpyDtoDAsync(to, from uint64, bytes int, stream uintptr) error
	MemcpyDtoHAsync(to unsafe.Pointer, from uint64, bytes int, stream uintptr) error

	StreamBeginCapture(stream uintptr) error
	StreamEndCapture(stream uintptr) (graph uintptr, err error)
	GraphInstantiate(graph uintptr) (exec uintptr, err error)
	GraphDestroy(graph uintptr) error
	GraphExecDestroy(exec uintptr) error
	GraphLaunch(exec, stream uintptr) error

	// ModuleLoadData loads PTX or native code; its error ends in what the
	// driver's compiler says.
	ModuleLoadData(image []byte) (module uintptr, err error)
	ModuleUnload(module uintptr) error
	ModuleGetFunction(module uintptr, name string) (uintptr, error)
	FuncSetAttribute(function uintptr, attribute int32, value int) error
	// LaunchKernel may let the kernel start before the one before it on the
	// stream has ended, if early says that it waits itself.
	LaunchKernel(function uintptr, l *launch, early bool, stream uintptr) error
}

// Numbers of the driver's header.
const (
	success          = 0
	outOfMemory      = 2
	noDevice         = 100
	noBinaryForGPU   = 209
	unsupportedPTX   = 222
	invalidImage     = 200
	notFound         = 500
	attributeCCMajor = 75
	attributeCCMinor = 76

	attributeProcessors = 16 // multiprocessors
	attributeShared     = 97 // bytes of shared memory a block may ask for

	functionMaxDynamicShared = 8
	functionCarveout         = 9 // percent of a multiprocessor's memory wanted as shared

	hostAllocPortable   = 1
	hostAllocDeviceMap  = 2
	streamNonBlocking   = 1
	captureThreadLocal  = 1
	jitErrorLogBuffer   = 5
	jitErrorLogBytes    = 6
	launchEarly         = 6        // programmatic stream serialization
	defaultSharedMemory = 48 << 10 // bytes a kernel gets without asking
	ownSharedMemory     = 24 << 10 // of it that a kernel declares itself, at most
)

// Error is a call of the driver that failed.
type Error struct {
	Call string // as in cuMemAlloc
	Code int    // CUresult
	Text string // the driver's own
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s (error %d)", e.Call, e.Text, e.Code) }
