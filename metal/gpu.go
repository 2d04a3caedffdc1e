package metal

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"github.com/mil-run/mil/backend/gpu"
)

// Numbers of Metal's headers.
const (
	familyApple7      = 1007    // MTLGPUFamilyApple7: the M1, the first with simdgroup matrices
	languageVersion   = 3 << 16 // MTLLanguageVersion3_0, of macOS 13
	storageModeShared = 0       // MTLResourceStorageModeShared
	statusCompleted   = 4       // MTLCommandBufferStatusCompleted
	simdWidth         = 32      // threads of a simdgroup the kernels are written for
)

// hardware is the [machine] that Metal drives.
type hardware struct {
	*messenger
	device, queue id
	name          string
	limit         limits
	modules       modules
	libraries     map[string]id // of modules
	functions     map[string]function
	pipelines     []pipeline
	bound         encoder
}

// pipeline is a compiled kernel; function i is the i-th.
type pipeline struct {
	state   id // MTLComputePipelineState
	threads int
}

// newGPU takes the system's GPU.
func newGPU(o objc, m modules) (*hardware, error) {
	g := &hardware{messenger: newMessenger(o), modules: m, libraries: map[string]id{}, functions: map[string]function{}}
	err := g.pooled(func() error {
		if g.device = o.defaultDevice(); g.device == 0 {
			return ErrNoDevice
		}
		g.name = g.text(g.ask(g.device, g.names.name))
		if why := g.refuse(); why != "" {
			return errors.New(why)
		}
		if g.queue = g.ask(g.device, g.names.newCommandQueue); g.queue == 0 {
			return fmt.Errorf("%s gives no command queue", g.name)
		}
		g.limit = limits{
			buffer:  int(g.tell(g.device, g.names.maxBufferLength)),
			working: int64(g.tell(g.device, g.names.recommendedMaxWorkingSetSize)),
			page:    os.Getpagesize(),
			family:  g.family(),
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// refuse says why the device cannot run the kernels, or nothing. A virtual
// machine's device reports a family of old but computes on the host's GPU.
func (g *hardware) refuse() string {
	switch virtual := strings.Contains(g.name, "Paravirtual"); {
	case !g.test(g.device, g.names.supportsFamily, aWord(familyApple7)) && !virtual:
		return g.name + " is older than Apple's M1, which has the instructions that are needed"
	case !g.test(g.device, g.names.hasUnifiedMemory):
		return g.name + " does not share the system's memory"
	}
	return ""
}

// family is the newest known one that the device belongs to. Their numbers follow
// each other in Apple's headers.
func (g *hardware) family() (newest int) {
	for _, c := range Chips {
		if g.test(g.device, g.names.supportsFamily, aWord(familyApple7-7+c.Level)) {
			newest = c.Level
		}
	}
	return newest
}

// pooled runs f on one thread within an autorelease pool, which is drained
// whatever becomes of f.
func (g *hardware) pooled(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer g.popPool(g.pushPool())
	return f()
}

func (g *hardware) limits() limits {
	g.pooled(func() error {
		g.limit.allocated = int64(g.tell(g.device, g.names.currentAllocatedSize))
		return nil
	})
	return g.limit
}

// failure is an NSError's text behind the name of the failed step.
func (g *hardware) failure(what string, e id) error {
	if e == 0 {
		return fmt.Errorf("%s: Metal gives no reason", what)
	}
	text := strings.Join(strings.Fields(g.text(g.ask(e, g.names.localizedDescription))), " ")
	return fmt.Errorf("%s: %s", what, text)
}

// sharedBuffer is an MTLBuffer in memory that both processors see.
type sharedBuffer struct {
	g    *hardware
	id   id
	data []byte
}

func (b *sharedBuffer) bytes() []byte { return b.data }

func (b *sharedBuffer) free() error {
	b.g.pooled(func() error {
		b.g.release(b.id)
		return nil
	})
	b.id, b.data = 0, nil
	return nil
}

// allocate implements [machine]; newBufferWithLength clears its memory.
func (g *hardware) allocate(n int) (memory, error) {
	if n > g.limit.buffer {
		return nil, g.memoryError(n)
	}
	b := &sharedBuffer{g: g}
	err := g.pooled(func() error {
		if b.id = g.ask(g.device, g.names.newBufferWithLength, aWord(max(n, 1)), aWord(storageModeShared)); b.id == 0 {
			return g.memoryError(n)
		}
		b.data = unsafe.Slice((*byte)(pointer(g.tell(b.id, g.names.contents))), max(n, 1))[:n]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// wrap implements [machine]. Memory that does not begin on a page, as the model inside
// the binary may, is copied. The last page is wrapped whole: a mapping ends there
// too.
func (g *hardware) wrap(data []byte) (memory, error) {
	start := unsafe.Pointer(unsafe.SliceData(data))
	if uintptr(start)%uintptr(g.limit.page) != 0 {
		b, err := g.allocate(len(data))
		if err == nil {
			copy(b.bytes(), data)
		}
		return b, err
	}
	b := &sharedBuffer{g: g, data: data}
	err := g.pooled(func() error {
		n := gpu.Ceil(len(data), g.limit.page) * g.limit.page
		b.id = g.ask(g.device, g.names.newBufferWithBytesNoCopy, aPointer(start), aWord(n), aWord(storageModeShared), aPointer(nil))
		if b.id == 0 {
			return fmt.Errorf("%s of mapped weights are not wrapped by Metal", megabytes(int64(n)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// memoryError says how much was wanted and how much there is.
func (g *hardware) memoryError(n int) error {
	used := int64(g.tell(g.device, g.names.currentAllocatedSize))
	return fmt.Errorf("%w: %s are needed, %s of %s are in use on %s, and one piece holds at most %s",
		ErrMemory, megabytes(int64(n)), megabytes(used), megabytes(g.limit.working), g.name, megabytes(int64(g.limit.buffer)))
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (g *hardware) close() error {
	return g.pooled(func() error {
		for _, p := range g.pipelines {
			g.release(p.state)
		}
		for _, l := range g.libraries {
			g.release(l)
		}
		g.release(g.queue)
		g.release(g.device)
		g.pipelines, g.libraries, g.queue, g.device = nil, nil, 0, 0
		return nil
	})
}
