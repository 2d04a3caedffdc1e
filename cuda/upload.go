package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// piece is a tensor on its way to the device: its bytes go to arena+off.
type piece struct {
	data []byte
	off  int
}

const (
	tensorAlign = 256
	tensorSlack = 256     // readable bytes behind a tensor, so that kernels may load past a row's end
	stagingSize = 8 << 20 // of each of the two buffers an upload goes through
)

// upload copies the weights of a program that the device does not have yet.
func (b *Backend) upload(p *backend.Program) error {
	todo := map[*mapping][]*backend.Tensor{}
	for _, n := range p.Nodes {
		for _, t := range n.Weights() {
			m, err := b.mappingOf(t)
			if err != nil {
				return err
			}
			if _, ok := m.tensors[t.Off]; !ok {
				todo[m] = append(todo[m], t)
			}
		}
	}
	for m, tensors := range todo {
		if err := b.uploadTo(m, tensors); err != nil {
			return err
		}
	}
	return nil
}

// uploadTo copies tensors of a mapping into one new allocation.
func (b *Backend) uploadTo(m *mapping, tensors []*backend.Tensor) error {
	var pieces []piece
	size := 0
	fresh := map[int]int{} // offset in the mapping -> in the arena
	for _, t := range tensors {
		if _, ok := fresh[t.Off]; ok {
			continue
		}
		data, err := host.Tensor(t)
		if err != nil {
			return err
		}
		fresh[t.Off] = size
		pieces = append(pieces, piece{data, size})
		size = (size + len(data) + tensorSlack + tensorAlign - 1) &^ (tensorAlign - 1)
	}
	var arena uint64
	err := b.do(func() (err error) {
		if arena, err = b.allocate(size); err != nil {
			return fmt.Errorf("for the weights: %w", err)
		}
		m.arenas = append(m.arenas, arena)
		return b.d.StreamSynchronize(b.stream)
	})
	if err != nil {
		return err
	}
	if err := b.copyPieces(arena, size, pieces); err != nil {
		return fmt.Errorf("copy the weights to the device: %w", err)
	}
	for off, at := range fresh {
		m.tensors[off] = arena + uint64(at)
	}
	return nil
}

// copyPieces fills an arena through two pinned buffers in turn: while one
// travels, the other is filled from the mapping.
func (b *Backend) copyPieces(arena uint64, size int, pieces []piece) (err error) {
	var staging [2]unsafe.Pointer
	var streams [2]uintptr
	defer func() {
		err = errors.Join(err, b.do(func() error {
			var errs []error
			for i := range staging {
				if streams[i] != 0 {
					errs = append(errs, b.d.StreamSynchronize(streams[i]), b.d.StreamDestroy(streams[i]))
				}
				if staging[i] != nil {
					errs = append(errs, b.d.MemFreeHost(staging[i]))
				}
			}
			return errors.Join(errs...)
		}))
	}()
	err = b.do(func() (err error) {
		for i := range staging {
			if staging[i], err = b.d.MemHostAlloc(stagingSize); err != nil {
				return err
			}
			if streams[i], err = b.d.StreamCreate(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for lo, turn := 0, 0; lo < size; lo, turn = lo+stagingSize, 1-turn {
		n := min(stagingSize, size-lo)
		if err := b.do(func() error { return b.d.StreamSynchronize(streams[turn]) }); err != nil {
			return err
		}
		fill(unsafe.Slice((*byte)(staging[turn]), n), lo, pieces)
		err := b.do(func() error { return b.d.MemcpyHtoDAsync(arena+uint64(lo), staging[turn], n, streams[turn]) })
		if err != nil {
			return err
		}
		if b.o.Progress != nil {
			b.o.Progress(int64(lo+n), int64(size))
		}
	}
	return nil
}

// fill copies the arena from offset lo into to, over several cores: one
// alone does not keep up with the bus. A fault while reading the mapping (a file
// that shrank) is raised on the calling goroutine.
func fill(to []byte, lo int, pieces []piece) {
	workers := min(8, runtime.GOMAXPROCS(0), len(to)/(256<<10)+1)
	var wg sync.WaitGroup
	var once sync.Once
	var fault any
	for w := range workers {
		from, end := len(to)*w/workers, len(to)*(w+1)/workers
		wg.Go(func() {
			debug.SetPanicOnFault(true)
			defer func() {
				if r := recover(); r != nil {
					once.Do(func() { fault = r })
				}
			}()
			fillRange(to[from:end], lo+from, pieces)
		})
	}
	wg.Wait()
	if fault != nil {
		panic(fault)
	}
}

func fillRange(to []byte, lo int, pieces []piece) {
	clear(to)
	first, _ := slices.BinarySearchFunc(pieces, lo, func(p piece, at int) int { return p.off + len(p.data) - at })
	for _, p := range pieces[first:] {
		if p.off >= lo+len(to) {
			return
		}
		from := max(p.off, lo)
		copy(to[from-lo:], p.data[from-p.off:])
	}
}
