//go:build linux

package metal

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/mil-run/mil/backend/conform"
)

// standin is a machine that runs the kernels on the processor (standin/run.cpp).
type standin struct {
	kernel    func(name string, out unsafe.Pointer, most int) int32
	launch    func(l unsafe.Pointer) int32
	kernels   []standinKernel // functions
	functions map[string]function
}

// standinKernel is a kernel with its parameters.
type standinKernel struct {
	name       string
	parameters []standinParameter
}

type standinParameter struct {
	index, size, align int32
	pointer, written   int32
}

// standinLaunch is run.cpp's Launch.
type standinLaunch struct {
	name             unsafe.Pointer
	grid             [3]uint32
	block            uint32
	buffers, bytes   unsafe.Pointer
	count, errorSize int32
	error            unsafe.Pointer
}

// newStandin loads the kernels of a shared object.
func newStandin(t testing.TB, path string) *standin {
	t.Helper()
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	s := &standin{functions: map[string]function{}}
	purego.RegisterLibFunc(&s.kernel, lib, "standin_kernel")
	purego.RegisterLibFunc(&s.launch, lib, "standin_run")
	return s
}

// hostMemory is memory of the processor.
type hostMemory []byte

func (m hostMemory) bytes() []byte { return m }
func (m hostMemory) free() error   { return nil }

func (s *standin) limits() limits { return limits{buffer: 1 << 30, working: 1 << 40, page: 1 << 14} }
func (s *standin) close() error   { return nil }

// allocate gives memory that begins at a multiple of 64, which is all Metal's
// buffers are known for here.
func (s *standin) allocate(n int) (memory, error) {
	b := make([]byte, n+64)
	at := -int(uintptr(unsafe.Pointer(&b[0]))) & 63
	return hostMemory(b[at : at+n : at+n]), nil
}

func (s *standin) wrap(data []byte) (memory, error) {
	m, err := s.allocate(len(data))
	copy(m.bytes(), data)
	return m, err
}

func (s *standin) function(name string) (function, error) {
	if f, ok := s.functions[name]; ok {
		return f, nil
	}
	k := standinKernel{name, make([]standinParameter, 32)}
	n := s.kernel(name, unsafe.Pointer(&k.parameters[0]), len(k.parameters))
	if n < 0 {
		return 0, fmt.Errorf("there is no kernel %s", name)
	}
	k.parameters = k.parameters[:n]
	s.kernels = append(s.kernels, k)
	s.functions[name] = function(len(s.kernels) - 1)
	return s.functions[name], nil
}

// run implements [machine]. A kernel must get the arguments that it declares: memory for every
// index it names and no other, of an address its type may have, arguments of the
// size of its struct.
func (s *standin) run(dispatches []dispatch) error {
	for i := range dispatches {
		d := &dispatches[i]
		if err := s.dispatch(d, &s.kernels[d.function]); err != nil {
			return fmt.Errorf("dispatch %d: %w", i, err)
		}
	}
	return nil
}

func (s *standin) dispatch(d *dispatch, k *standinKernel) error {
	var buffers [32]unsafe.Pointer
	var bytes [32]uint64
	if len(d.args) == 0 {
		return fmt.Errorf("%s gets no arguments", k.name)
	}
	aligned, _ := s.allocate(len(d.args)) // as Metal's copy is
	copy(aligned.bytes(), d.args)
	buffers[0], bytes[0] = unsafe.Pointer(&aligned.bytes()[0]), uint64(len(d.args))
	for _, b := range d.buffers {
		m := b.memory.bytes()
		if b.off < 0 || b.bytes <= 0 || b.off+b.bytes > len(m) {
			return fmt.Errorf("%s: buffer(%d) is %d+%d of %d bytes", k.name, b.index, b.off, b.bytes, len(m))
		}
		buffers[b.index], bytes[b.index] = unsafe.Pointer(&m[b.off]), uint64(b.bytes)
	}
	for _, p := range k.parameters {
		switch at := buffers[p.index]; {
		case at == nil:
			return fmt.Errorf("%s gets nothing at buffer(%d)", k.name, p.index)
		case uintptr(at)%uintptr(p.align) != 0:
			return fmt.Errorf("%s: buffer(%d) is of values that lie at multiples of %d", k.name, p.index, p.align)
		case p.pointer == 0 && bytes[p.index] != uint64(p.size):
			return fmt.Errorf("%s takes %d bytes of arguments, gets %d", k.name, p.size, bytes[p.index])
		case p.pointer != 0 && bytes[p.index] < uint64(p.size):
			return fmt.Errorf("%s: buffer(%d) holds %d bytes, not one value", k.name, p.index, bytes[p.index])
		}
	}
	if len(k.parameters) != len(d.buffers)+1 {
		return fmt.Errorf("%s takes %d memories, gets %d", k.name, len(k.parameters)-1, len(d.buffers))
	}
	if d.block[1] != 1 || d.block[2] != 1 || d.block[0]%simdWidth != 0 {
		return fmt.Errorf("%s: threadgroups of %v threads", k.name, d.block)
	}
	name, message := append([]byte(k.name), 0), make([]byte, 400)
	l := &standinLaunch{
		name: unsafe.Pointer(&name[0]), grid: d.grid, block: d.block[0], buffers: unsafe.Pointer(&buffers[0]), bytes: unsafe.Pointer(&bytes[0]),
		count: int32(len(buffers)), error: unsafe.Pointer(&message[0]), errorSize: int32(len(message)),
	}
	if s.launch(unsafe.Pointer(l)) != 0 {
		end := 0
		for message[end] != 0 {
			end++
		}
		return errors.New(string(message[:end]))
	}
	return nil
}

var loaded *standin

// kernelsHere are all kernels, compiled once.
func kernelsHere(t testing.TB) *standin {
	t.Helper()
	if loaded == nil {
		loaded = newStandin(t, library(t, halves(sources(t))))
	}
	return loaded
}

// everyCase runs TestCompany over all cases, which takes minutes.
var everyCase = flag.Bool("company", false, "rows in company: every case, not one of each kind of kernel")

// Rows have the bits that they have alone, and a prompt those that it has in one
// piece.
func TestCompany(t *testing.T) {
	s := kernelsHere(t)
	for _, c := range conform.Cases() {
		if !*everyCase && !companyKinds.MatchString(c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Company(newBackend(s)); err != nil {
				t.Error(err)
			}
		})
	}
}

// companyKinds is a case of each kind of kernel.
var companyKinds = regexp.MustCompile(`^(matmul q4_k 1x256|matmul f32 19x7|gate and up f16|logits of some, norm q8_0|` +
	`attention 6/1 heads of 32, f16|attention 3/3 heads of 20, q8_0|convolution of 33|Mamba scan, 48|` +
	`Mamba-2 scan, (6 heads of 16|3 heads of 5|2 heads of 4)|delta scan, (3|6) heads|reorder of blocks of 24)`)

// Every node and every type, through the planner, by the kernels' own text.
func TestConform(t *testing.T) {
	s := kernelsHere(t)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			e, err := c.Compare(newBackend(s))
			// Activations are float32, so quantized weights are no excuse.
			if err != nil || !(e < 1e-5) {
				t.Errorf("relative error %.1e, %v", e, err)
			}
		})
	}
}
