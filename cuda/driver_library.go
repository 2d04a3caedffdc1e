//go:build !nogpu

package cuda

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// functions are the entry points of libcuda that are used. Each is called
// through SyscallN: the wrappers purego can register cost four times as much
// and panic where a symbol is missing.
type functions struct {
	init, driverGetVersion, deviceGetCount, deviceGet, deviceGetName, deviceGetAttribute, deviceTotalMem,
	devicePrimaryCtxRetain, devicePrimaryCtxRelease, ctxSetCurrent,
	memGetInfo, memAlloc, memFree, memHostAlloc, memHostGetDevicePointer, memFreeHost,
	streamCreate, streamDestroy, streamSynchronize, memsetD8Async, memcpyHtoDAsync, memcpyDtoDAsync, memcpyDtoHAsync,
	streamBeginCapture, streamEndCapture, graphInstantiate, graphDestroy, graphExecDestroy, graphLaunch,
	moduleLoadDataEx, moduleUnload, moduleGetFunction, funcSetAttribute, launchKernel,
	getErrorString uintptr

	launchKernelEx uintptr // 0 in drivers before 11.8
}

// symbols names the entry points. A _v2 is the function the driver's header
// gives under the plain name since CUDA 3.2, 4.0 or 10.1;
// cuGraphInstantiateWithFlags came last, with 11.4.
func (f *functions) symbols() map[string]*uintptr {
	return map[string]*uintptr{
		"cuInit":                       &f.init,
		"cuDriverGetVersion":           &f.driverGetVersion,
		"cuDeviceGetCount":             &f.deviceGetCount,
		"cuDeviceGet":                  &f.deviceGet,
		"cuDeviceGetName":              &f.deviceGetName,
		"cuDeviceGetAttribute":         &f.deviceGetAttribute,
		"cuDeviceTotalMem_v2":          &f.deviceTotalMem,
		"cuDevicePrimaryCtxRetain":     &f.devicePrimaryCtxRetain,
		"cuDevicePrimaryCtxRelease_v2": &f.devicePrimaryCtxRelease,
		"cuCtxSetCurrent":              &f.ctxSetCurrent,
		"cuMemGetInfo_v2":              &f.memGetInfo,
		"cuMemAlloc_v2":                &f.memAlloc,
		"cuMemFree_v2":                 &f.memFree,
		"cuMemHostAlloc":               &f.memHostAlloc,
		"cuMemHostGetDevicePointer_v2": &f.memHostGetDevicePointer,
		"cuMemFreeHost":                &f.memFreeHost,
		"cuStreamCreate":               &f.streamCreate,
		"cuStreamDestroy_v2":           &f.streamDestroy,
		"cuStreamSynchronize":          &f.streamSynchronize,
		"cuMemsetD8Async":              &f.memsetD8Async,
		"cuMemcpyHtoDAsync_v2":         &f.memcpyHtoDAsync,
		"cuMemcpyDtoDAsync_v2":         &f.memcpyDtoDAsync,
		"cuMemcpyDtoHAsync_v2":         &f.memcpyDtoHAsync,
		"cuStreamBeginCapture_v2":      &f.streamBeginCapture,
		"cuStreamEndCapture":           &f.streamEndCapture,
		"cuGraphInstantiateWithFlags":  &f.graphInstantiate,
		"cuGraphDestroy":               &f.graphDestroy,
		"cuGraphExecDestroy":           &f.graphExecDestroy,
		"cuGraphLaunch":                &f.graphLaunch,
		"cuModuleLoadDataEx":           &f.moduleLoadDataEx,
		"cuModuleUnload":               &f.moduleUnload,
		"cuModuleGetFunction":          &f.moduleGetFunction,
		"cuFuncSetAttribute":           &f.funcSetAttribute,
		"cuLaunchKernel":               &f.launchKernel,
		"cuGetErrorString":             &f.getErrorString,
	}
}

// library opens the driver at its first use, once for the process.
var library = sync.OnceValues(func() (driver, error) {
	handle, err := openLibrary()
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be opened (%w)", ErrAbsent, libraryName, err)
	}
	l := &functions{}
	for name, at := range l.symbols() {
		if *at, err = lookUp(handle, name); err != nil || *at == 0 {
			return nil, fmt.Errorf("%w: it has no %s", ErrOld, name)
		}
	}
	if l.launchKernelEx, err = lookUp(handle, "cuLaunchKernelEx"); err != nil {
		l.launchKernelEx = 0
	}
	return l, nil
})

// check turns a result into an error.
func (f *functions) check(call string, result uintptr) error {
	code := int(int32(result))
	if code == success {
		return nil
	}
	text := "unknown error"
	var p *byte
	if r, _, _ := purego.SyscallN(f.getErrorString, uintptr(code), uintptr(unsafe.Pointer(&p))); r == success && p != nil {
		n := 0
		for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
			n++
		}
		text = string(unsafe.Slice(p, n))
	}
	return &Error{call, code, text}
}

func (f *functions) Init() error {
	r, _, _ := purego.SyscallN(f.init, 0)
	return f.check("cuInit", r)
}

func (f *functions) DriverGetVersion() (int, error) {
	var v int32
	r, _, _ := purego.SyscallN(f.driverGetVersion, uintptr(unsafe.Pointer(&v)))
	return int(v), f.check("cuDriverGetVersion", r)
}

func (f *functions) DeviceGetCount() (int, error) {
	var n int32
	r, _, _ := purego.SyscallN(f.deviceGetCount, uintptr(unsafe.Pointer(&n)))
	return int(n), f.check("cuDeviceGetCount", r)
}

func (f *functions) DeviceGet(ordinal int) (int32, error) {
	var d int32
	r, _, _ := purego.SyscallN(f.deviceGet, uintptr(unsafe.Pointer(&d)), uintptr(ordinal))
	return d, f.check("cuDeviceGet", r)
}

func (f *functions) DeviceGetName(device int32) (string, error) {
	name := make([]byte, 256)
	r, _, _ := purego.SyscallN(f.deviceGetName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(device))
	name, _, _ = bytes.Cut(name, []byte{0})
	return string(name), f.check("cuDeviceGetName", r)
}

func (f *functions) DeviceGetAttribute(attribute, device int32) (int, error) {
	var v int32
	r, _, _ := purego.SyscallN(f.deviceGetAttribute, uintptr(unsafe.Pointer(&v)), uintptr(attribute), uintptr(device))
	return int(v), f.check("cuDeviceGetAttribute", r)
}

func (f *functions) DeviceTotalMem(device int32) (uint64, error) {
	var n uint64
	r, _, _ := purego.SyscallN(f.deviceTotalMem, uintptr(unsafe.Pointer(&n)), uintptr(device))
	return n, f.check("cuDeviceTotalMem", r)
}

func (f *functions) DevicePrimaryCtxRetain(device int32) (uintptr, error) {
	var c uintptr
	r, _, _ := purego.SyscallN(f.devicePrimaryCtxRetain, uintptr(unsafe.Pointer(&c)), uintptr(device))
	return c, f.check("cuDevicePrimaryCtxRetain", r)
}

func (f *functions) DevicePrimaryCtxRelease(device int32) error {
	r, _, _ := purego.SyscallN(f.devicePrimaryCtxRelease, uintptr(device))
	return f.check("cuDevicePrimaryCtxRelease", r)
}

func (f *functions) CtxSetCurrent(context uintptr) error {
	r, _, _ := purego.SyscallN(f.ctxSetCurrent, context)
	return f.check("cuCtxSetCurrent", r)
}

func (f *functions) MemGetInfo() (free, total uint64, err error) {
	var a, b uint64
	r, _, _ := purego.SyscallN(f.memGetInfo, uintptr(unsafe.Pointer(&a)), uintptr(unsafe.Pointer(&b)))
	return a, b, f.check("cuMemGetInfo", r)
}

func (f *functions) MemAlloc(bytes int) (uint64, error) {
	var p uint64
	r, _, _ := purego.SyscallN(f.memAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes))
	return p, f.check("cuMemAlloc", r)
}

func (f *functions) MemFree(address uint64) error {
	r, _, _ := purego.SyscallN(f.memFree, uintptr(address))
	return f.check("cuMemFree", r)
}

func (f *functions) MemHostAlloc(bytes int) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	r, _, _ := purego.SyscallN(f.memHostAlloc, uintptr(unsafe.Pointer(&p)), uintptr(bytes), hostAllocPortable|hostAllocDeviceMap)
	return p, f.check("cuMemHostAlloc", r)
}

func (f *functions) MemHostGetDevicePointer(host unsafe.Pointer) (uint64, error) {
	var p uint64
	r, _, _ := purego.SyscallN(f.memHostGetDevicePointer, uintptr(unsafe.Pointer(&p)), uintptr(host), 0)
	return p, f.check("cuMemHostGetDevicePointer", r)
}

func (f *functions) MemFreeHost(p unsafe.Pointer) error {
	r, _, _ := purego.SyscallN(f.memFreeHost, uintptr(p))
	return f.check("cuMemFreeHost", r)
}

func (f *functions) StreamCreate() (uintptr, error) {
	var s uintptr
	r, _, _ := purego.SyscallN(f.streamCreate, uintptr(unsafe.Pointer(&s)), streamNonBlocking)
	return s, f.check("cuStreamCreate", r)
}

func (f *functions) StreamDestroy(stream uintptr) error {
	r, _, _ := purego.SyscallN(f.streamDestroy, stream)
	return f.check("cuStreamDestroy", r)
}

func (f *functions) StreamSynchronize(stream uintptr) error {
	r, _, _ := purego.SyscallN(f.streamSynchronize, stream)
	return f.check("cuStreamSynchronize", r)
}

func (f *functions) MemsetD8Async(address uint64, value byte, bytes int, stream uintptr) error {
	r, _, _ := purego.SyscallN(f.memsetD8Async, uintptr(address), uintptr(value), uintptr(bytes), stream)
	return f.check("cuMemsetD8Async", r)
}

func (f *functions) MemcpyHtoDAsync(to uint64, from unsafe.Pointer, bytes int, stream uintptr) error {
	r, _, _ := purego.SyscallN(f.memcpyHtoDAsync, uintptr(to), uintptr(from), uintptr(bytes), stream)
	return f.check("cuMemcpyHtoDAsync", r)
}

func (f *functions) MemcpyDtoDAsync(to, from uint64, bytes int, stream uintptr) error {
	r, _, _ := purego.SyscallN(f.memcpyDtoDAsync, uintptr(to), uintptr(from), uintptr(bytes), stream)
	return f.check("cuMemcpyDtoDAsync", r)
}

func (f *functions) MemcpyDtoHAsync(to unsafe.Pointer, from uint64, bytes int, stream uintptr) error {
	r, _, _ := purego.SyscallN(f.memcpyDtoHAsync, uintptr(to), uintptr(from), uintptr(bytes), stream)
	return f.check("cuMemcpyDtoHAsync", r)
}

func (f *functions) StreamBeginCapture(stream uintptr) error {
	r, _, _ := purego.SyscallN(f.streamBeginCapture, stream, captureThreadLocal)
	return f.check("cuStreamBeginCapture", r)
}

func (f *functions) StreamEndCapture(stream uintptr) (uintptr, error) {
	var g uintptr
	r, _, _ := purego.SyscallN(f.streamEndCapture, stream, uintptr(unsafe.Pointer(&g)))
	return g, f.check("cuStreamEndCapture", r)
}

func (f *functions) GraphInstantiate(graph uintptr) (uintptr, error) {
	var e uintptr
	r, _, _ := purego.SyscallN(f.graphInstantiate, uintptr(unsafe.Pointer(&e)), graph, 0)
	return e, f.check("cuGraphInstantiate", r)
}

func (f *functions) GraphDestroy(graph uintptr) error {
	r, _, _ := purego.SyscallN(f.graphDestroy, graph)
	return f.check("cuGraphDestroy", r)
}

func (f *functions) GraphExecDestroy(exec uintptr) error {
	r, _, _ := purego.SyscallN(f.graphExecDestroy, exec)
	return f.check("cuGraphExecDestroy", r)
}

func (f *functions) GraphLaunch(exec, stream uintptr) error {
	r, _, _ := purego.SyscallN(f.graphLaunch, exec, stream)
	return f.check("cuGraphLaunch", r)
}

func (f *functions) ModuleLoadData(image []byte) (uintptr, error) {
	text := append(image[:len(image):len(image)], 0) // PTX is a C string
	log := make([]byte, 4096)
	options := [2]int32{jitErrorLogBuffer, jitErrorLogBytes}
	values := &[2]unsafe.Pointer{unsafe.Pointer(&log[0])}
	*(*uintptr)(unsafe.Pointer(&values[1])) = uintptr(len(log)) // sizes are passed in the pointer's place
	var m uintptr
	r, _, _ := purego.SyscallN(f.moduleLoadDataEx, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&text[0])), uintptr(len(options)),
		uintptr(unsafe.Pointer(&options[0])), uintptr(unsafe.Pointer(&values[0])))
	runtime.KeepAlive(log)
	err := f.check("cuModuleLoadDataEx", r)
	if e, ok := err.(*Error); ok {
		log, _, _ = bytes.Cut(log, []byte{0})
		if said := bytes.Join(bytes.Fields(log), []byte{' '}); len(said) > 0 {
			e.Text += ": " + string(said)
		}
	}
	return m, err
}

func (f *functions) ModuleUnload(module uintptr) error {
	r, _, _ := purego.SyscallN(f.moduleUnload, module)
	return f.check("cuModuleUnload", r)
}

func (f *functions) ModuleGetFunction(module uintptr, name string) (uintptr, error) {
	text := append([]byte(name), 0)
	var fn uintptr
	r, _, _ := purego.SyscallN(f.moduleGetFunction, uintptr(unsafe.Pointer(&fn)), module, uintptr(unsafe.Pointer(&text[0])))
	return fn, f.check("cuModuleGetFunction", r)
}

func (f *functions) FuncSetAttribute(function uintptr, attribute int32, value int) error {
	r, _, _ := purego.SyscallN(f.funcSetAttribute, function, uintptr(attribute), uintptr(value))
	return f.check("cuFuncSetAttribute", r)
}

// launchConfig and launchAttribute are CUlaunchConfig and CUlaunchAttribute.
type launchConfig struct {
	grid, block [3]uint32
	shared      uint32
	stream      uintptr
	attributes  *launchAttribute
	count       uint32
}

type launchAttribute struct {
	id    uint32
	_     uint32
	value [16]uint32
}

func (f *functions) LaunchKernel(function uintptr, l *launch, early bool, stream uintptr) error {
	params := &[1]unsafe.Pointer{l.args}
	if early && f.launchKernelEx != 0 {
		c := &launchConfig{grid: l.grid, block: l.block, shared: l.shared, stream: stream, count: 1}
		c.attributes = &launchAttribute{id: launchEarly, value: [16]uint32{1}}
		r, _, _ := purego.SyscallN(f.launchKernelEx, uintptr(unsafe.Pointer(c)), function, uintptr(unsafe.Pointer(params)), 0)
		return f.check("cuLaunchKernelEx", r)
	}
	r, _, _ := purego.SyscallN(f.launchKernel, function,
		uintptr(l.grid[0]), uintptr(l.grid[1]), uintptr(l.grid[2]),
		uintptr(l.block[0]), uintptr(l.block[1]), uintptr(l.block[2]),
		uintptr(l.shared), stream, uintptr(unsafe.Pointer(params)), 0)
	return f.check("cuLaunchKernel", r)
}
