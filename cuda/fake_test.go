package cuda

import (
	"fmt"
	"strings"
	"unsafe"
)

// fakeDriver keeps device memory in Go slices, executes copies, and writes down
// every call. A captured graph is the list of the captured calls.
type fakeDriver struct {
	log     []string
	version int
	ccs     []int          // of the devices
	free    uint64         // bytes of memory
	fail    map[string]int // call -> code
	refused map[string]int // image -> code
	kernels map[string]func(l *launch)

	memory    map[uint64][]byte
	next      uint64
	pinned    map[unsafe.Pointer]pinnedMemory
	live      map[uintptr]string // handles
	handle    uintptr
	context   uintptr
	capturing bool
	captured  []func()
	graphs    map[uintptr][]func()
	modules   map[uintptr]string
	functions map[uintptr]string
}

// pinnedMemory is pinned memory with its address on the device.
type pinnedMemory struct {
	data    []byte
	address uint64
}

func newFake() *fakeDriver {
	return &fakeDriver{version: 12040, ccs: []int{90}, free: 1 << 30, fail: map[string]int{}, refused: map[string]int{},
		kernels: map[string]func(*launch){}, memory: map[uint64][]byte{}, next: 1 << 40, pinned: map[unsafe.Pointer]pinnedMemory{},
		live: map[uintptr]string{}, graphs: map[uintptr][]func(){}, modules: map[uintptr]string{}, functions: map[uintptr]string{}}
}

// call writes a call down and fails it where the test wants that.
func (f *fakeDriver) call(name string, args ...any) error {
	f.log = append(f.log, strings.TrimSpace(name+" "+strings.Trim(fmt.Sprint(args...), "[]")))
	if code, ok := f.fail[name]; ok {
		return &Error{"cu" + name, code, "the driver's words"}
	}
	return nil
}

// outside is a call that the driver refuses while a stream is captured.
func (f *fakeDriver) outside(name string, args ...any) error {
	if f.capturing {
		return &Error{"cu" + name, 900, "operation not permitted when stream is capturing"}
	}
	return f.call(name, args...)
}

func (f *fakeDriver) make(kind string) uintptr {
	f.handle++
	f.live[f.handle] = kind
	return f.handle
}

func (f *fakeDriver) drop(name string, h uintptr, kind string) error {
	if f.live[h] != kind {
		return fmt.Errorf("%s of %d, which is %q", name, h, f.live[h])
	}
	delete(f.live, h)
	return f.outside(name)
}

// at is memory that the device reaches, which must lie within one allocation.
func (f *fakeDriver) at(p uint64, n int) []byte {
	for base, m := range f.memory {
		if p >= base && p+uint64(n) <= base+uint64(len(m)) {
			return m[p-base:][:n]
		}
	}
	for _, m := range f.pinned {
		if p >= m.address && p+uint64(n) <= m.address+uint64(len(m.data)) {
			return m.data[p-m.address:][:n]
		}
	}
	panic(fmt.Sprintf("device address %#x+%d is not allocated", p, n))
}

// leaks lists the memory that was not given back.
func (f *fakeDriver) leaks() string {
	return fmt.Sprint(len(f.memory), len(f.pinned), f.live)
}

func (f *fakeDriver) Init() error                    { return f.call("Init") }
func (f *fakeDriver) DriverGetVersion() (int, error) { return f.version, f.call("DriverGetVersion") }
func (f *fakeDriver) DeviceGetCount() (int, error)   { return len(f.ccs), f.call("DeviceGetCount") }

func (f *fakeDriver) DeviceGet(i int) (int32, error) { return int32(i), f.call("DeviceGet") }

func (f *fakeDriver) DeviceGetName(d int32) (string, error) {
	return fmt.Sprintf("Card %d", d), f.call("DeviceGetName")
}

func (f *fakeDriver) DeviceGetAttribute(a, d int32) (int, error) {
	switch a {
	case attributeCCMajor:
		return f.ccs[d] / 10, f.call("DeviceGetAttribute")
	case attributeProcessors:
		return 132, f.call("DeviceGetAttribute")
	case attributeShared:
		return 227 << 10, f.call("DeviceGetAttribute")
	}
	return f.ccs[d] % 10, f.call("DeviceGetAttribute")
}

func (f *fakeDriver) DeviceTotalMem(int32) (uint64, error) { return 2 << 30, f.call("DeviceTotalMem") }

func (f *fakeDriver) DevicePrimaryCtxRetain(int32) (uintptr, error) {
	if err := f.call("DevicePrimaryCtxRetain"); err != nil {
		return 0, err
	}
	return f.make("context"), nil
}

func (f *fakeDriver) DevicePrimaryCtxRelease(int32) error {
	for h, kind := range f.live {
		if kind == "context" {
			return f.drop("DevicePrimaryCtxRelease", h, kind)
		}
	}
	return fmt.Errorf("release without a context")
}

func (f *fakeDriver) CtxSetCurrent(c uintptr) error { f.context = c; return f.call("CtxSetCurrent") }

func (f *fakeDriver) MemGetInfo() (free, total uint64, err error) {
	return f.free, 2 << 30, f.call("MemGetInfo")
}

func (f *fakeDriver) MemAlloc(n int) (uint64, error) {
	if err := f.outside("MemAlloc", n); err != nil {
		return 0, err
	}
	if uint64(n) > f.free {
		return 0, &Error{"cuMemAlloc", outOfMemory, "out of memory"}
	}
	m := make([]byte, n)
	for i := range m {
		m[i] = 0xa5 // bytes that are not cleared show
	}
	f.free -= uint64(n)
	p := f.take(n)
	f.memory[p] = m
	return p, nil
}

// take is n fresh addresses.
func (f *fakeDriver) take(n int) uint64 {
	p := f.next
	f.next += uint64(n+511) &^ 511
	return p
}

func (f *fakeDriver) MemFree(p uint64) error {
	m, ok := f.memory[p]
	if !ok {
		return fmt.Errorf("free of %#x", p)
	}
	f.free += uint64(len(m))
	delete(f.memory, p)
	return f.outside("MemFree")
}

func (f *fakeDriver) MemHostAlloc(n int) (unsafe.Pointer, error) {
	if err := f.outside("MemHostAlloc"); err != nil {
		return nil, err
	}
	m := make([]byte, n)
	p := unsafe.Pointer(&m[0])
	f.pinned[p] = pinnedMemory{m, f.take(n)}
	return p, nil
}

func (f *fakeDriver) MemHostGetDevicePointer(p unsafe.Pointer) (uint64, error) {
	return f.pinned[p].address, f.call("MemHostGetDevicePointer")
}

func (f *fakeDriver) MemFreeHost(p unsafe.Pointer) error {
	if _, ok := f.pinned[p]; !ok {
		return fmt.Errorf("free of pinned %p", p)
	}
	delete(f.pinned, p)
	return f.outside("MemFreeHost")
}

func (f *fakeDriver) StreamCreate() (uintptr, error) {
	if err := f.outside("StreamCreate"); err != nil {
		return 0, err
	}
	return f.make("stream"), nil
}

func (f *fakeDriver) StreamDestroy(s uintptr) error { return f.drop("StreamDestroy", s, "stream") }

func (f *fakeDriver) StreamSynchronize(uintptr) error { return f.outside("StreamSynchronize") }

// enqueue executes at once, or later where a stream is captured.
func (f *fakeDriver) enqueue(err error, do func()) error {
	switch {
	case err != nil:
		return err
	case f.capturing:
		f.captured = append(f.captured, do)
	default:
		do()
	}
	return nil
}

func (f *fakeDriver) MemsetD8Async(p uint64, v byte, n int, _ uintptr) error {
	return f.enqueue(f.call("MemsetD8Async"), func() {
		m := f.at(p, n)
		for i := range m {
			m[i] = v
		}
	})
}

func (f *fakeDriver) MemcpyHtoDAsync(to uint64, from unsafe.Pointer, n int, _ uintptr) error {
	return f.enqueue(f.call("MemcpyHtoDAsync", n), func() { copy(f.at(to, n), unsafe.Slice((*byte)(from), n)) })
}

func (f *fakeDriver) MemcpyDtoDAsync(to, from uint64, n int, _ uintptr) error {
	return f.enqueue(f.call("MemcpyDtoDAsync", n), func() { copy(f.at(to, n), f.at(from, n)) })
}

func (f *fakeDriver) MemcpyDtoHAsync(to unsafe.Pointer, from uint64, n int, _ uintptr) error {
	return f.enqueue(f.call("MemcpyDtoHAsync", n), func() { copy(unsafe.Slice((*byte)(to), n), f.at(from, n)) })
}

func (f *fakeDriver) StreamBeginCapture(uintptr) error {
	if err := f.outside("StreamBeginCapture"); err != nil {
		return err
	}
	f.capturing, f.captured = true, nil
	return nil
}

func (f *fakeDriver) StreamEndCapture(uintptr) (uintptr, error) {
	f.capturing = false
	if err := f.call("StreamEndCapture"); err != nil {
		return 0, err
	}
	g := f.make("graph")
	f.graphs[g] = f.captured
	return g, nil
}

func (f *fakeDriver) GraphInstantiate(g uintptr) (uintptr, error) {
	if err := f.outside("GraphInstantiate"); err != nil {
		return 0, err
	}
	e := f.make("graph exec")
	f.graphs[e] = f.graphs[g]
	return e, nil
}

func (f *fakeDriver) GraphDestroy(g uintptr) error { return f.drop("GraphDestroy", g, "graph") }

func (f *fakeDriver) GraphExecDestroy(e uintptr) error {
	return f.drop("GraphExecDestroy", e, "graph exec")
}

func (f *fakeDriver) GraphLaunch(e, _ uintptr) error {
	if err := f.outside("GraphLaunch"); err != nil {
		return err
	}
	for _, do := range f.graphs[e] {
		do()
	}
	return nil
}

func (f *fakeDriver) ModuleLoadData(image []byte) (uintptr, error) {
	if code, ok := f.refused[string(image)]; ok {
		return 0, &Error{"cuModuleLoadDataEx", code, "refused"}
	}
	if err := f.outside("ModuleLoadData", string(image)); err != nil {
		return 0, err
	}
	m := f.make("module")
	f.modules[m] = string(image)
	return m, nil
}

func (f *fakeDriver) ModuleUnload(m uintptr) error { return f.drop("ModuleUnload", m, "module") }

func (f *fakeDriver) ModuleGetFunction(m uintptr, name string) (uintptr, error) {
	for _, word := range strings.Fields(f.modules[m]) {
		if word == name {
			f.handle++
			f.functions[f.handle] = name
			return f.handle, f.call("ModuleGetFunction", name)
		}
	}
	return 0, &Error{"cuModuleGetFunction", notFound, "named symbol not found"}
}

func (f *fakeDriver) FuncSetAttribute(_ uintptr, a int32, v int) error {
	return f.outside("FuncSetAttribute", a, v)
}

func (f *fakeDriver) LaunchKernel(fn uintptr, l *launch, _ bool, _ uintptr) error {
	name, k := f.functions[fn], *l
	if args := l.args; args != nil { // the driver copies a kernel's parameters
		k.args = unsafe.Pointer(&append([]byte(nil), unsafe.Slice((*byte)(args), l.size)...)[0])
	}
	return f.enqueue(f.call("LaunchKernel", name), func() {
		if do := f.kernels[name]; do != nil {
			do(&k)
		}
	})
}
