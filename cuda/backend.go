// Package cuda is the backend for NVIDIA cards. It needs the driver and nothing
// else: the kernels travel inside the binary, the driver's library is opened
// when a backend is.
package cuda

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Options of a backend.
type Options struct {
	// Progress, where set, is told how many bytes of weights have been copied
	// to the device, of how many in this compilation.
	Progress func(done, total int64)
}

// Backend implements [backend.Backend] on one device.
type Backend struct {
	d       driver
	context uintptr
	busy    sync.Mutex // held within do
	o       Options
	device  Device
	stream  uintptr
	modules *modules
	plan    func(*backend.Program, int, gpu.Chip) (*gpu.Schedule, error)
	weights map[*byte]*mapping // by the mapped memory's first byte
	pinned  unsafe.Pointer     // see staging
}

// Open starts a backend on the first device that can run the kernels.
func Open(o Options) (*Backend, error) {
	d, err := library()
	if err != nil {
		return nil, err
	}
	return open(d, images(), plan, o)
}

func open(d driver, images []image, plan func(*backend.Program, int, gpu.Chip) (*gpu.Schedule, error), o Options) (*Backend, error) {
	devices, _, err := probe(d)
	if err != nil {
		return nil, err
	}
	b := &Backend{d: d, o: o, plan: plan, weights: map[*byte]*mapping{}}
	if b.device, err = choose(devices); err != nil {
		return nil, err
	}
	b.modules = newModules(d, images, b.device)
	if b.context, err = d.DevicePrimaryCtxRetain(b.device.device); err != nil {
		return nil, fmt.Errorf("%s: %w", b.device.Name, err)
	}
	err = b.do(func() (err error) {
		b.stream, err = d.StreamCreate()
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", b.device.Name, err), d.DevicePrimaryCtxRelease(b.device.device))
	}
	return b, nil
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "cuda" }

// Device is the card the backend runs on.
func (b *Backend) Device() Device { return b.device }

// PromptTokens implements [backend.Prompter].
func (b *Backend) PromptTokens() int { return b.device.chip().Prompt }

// staging is pinned memory for reads and writes of buffers, within do.
func (b *Backend) staging() (unsafe.Pointer, error) {
	var err error
	if b.pinned == nil {
		b.pinned, err = b.d.MemHostAlloc(transfer)
	}
	return b.pinned, err
}

// NewSequence implements [backend.Backend].
func (b *Backend) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return backend.NewSequence(states, func(s *backend.State) (backend.Buffer, error) { return b.alloc(s.Bytes) })
}

// alloc returns n zeroed bytes.
func (b *Backend) alloc(n int) (backend.Buffer, error) {
	m := &buffer{b: b, size: n}
	err := b.do(func() (err error) {
		if m.address, err = b.allocate(n); err != nil {
			return err
		}
		return b.d.StreamSynchronize(b.stream)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Close frees the weights and gives the device back. Execs and buffers must
// have been closed before.
func (b *Backend) Close() error {
	return b.do(func() error {
		var errs []error
		for _, m := range b.weights {
			errs = append(errs, b.drop(m))
		}
		if b.pinned != nil {
			errs = append(errs, b.d.MemFreeHost(b.pinned))
		}
		errs = append(errs, b.modules.unload(), b.d.StreamDestroy(b.stream), b.d.CtxSetCurrent(0), b.d.DevicePrimaryCtxRelease(b.device.device))
		b.context = 0
		return errors.Join(errs...)
	})
}

// allocate gives n zeroed bytes of the device's, within do. The zeroes are there
// for whatever follows on the stream.
func (b *Backend) allocate(n int) (uint64, error) {
	p, err := b.d.MemAlloc(max(n, 1))
	if err != nil {
		return 0, b.memoryError(err, n)
	}
	if err := b.d.MemsetD8Async(p, 0, max(n, 1), b.stream); err != nil {
		return 0, errors.Join(err, b.d.MemFree(p))
	}
	return p, nil
}

// memoryError says how much was wanted and how much there is.
func (b *Backend) memoryError(err error, n int) error {
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != outOfMemory {
		return err
	}
	free, total, infoErr := b.d.MemGetInfo()
	if infoErr != nil {
		return errors.Join(err, infoErr)
	}
	return fmt.Errorf("%w: %s are needed, %s of %s are free on %s",
		ErrMemory, megabytes(uint64(n)), megabytes(free), megabytes(total), b.device.Name)
}

// ErrMemory is wrapped when the device's memory does not suffice.
var ErrMemory = gpu.ErrMemory

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// Free implements [split.Device].
func (b *Backend) Free() (int64, error) {
	var free uint64
	err := b.do(func() (err error) {
		free, _, err = b.d.MemGetInfo()
		return err
	})
	return int64(free), err
}
