package cuda

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/host"
	"github.com/mil-run/mil/quant"
)

// chips are compute capabilities and the bytes of shared memory a block may have.
var chips = map[int]int{75: 64 << 10, 80: 163 << 10, 86: 99 << 10, 89: 99 << 10, 90: hopperShared, 120: 99 << 10}

// paper is a backend that only plans, and checks what it planned.
type paper struct {
	backend.Backend
	t     *testing.T
	sizes map[string]int // of kernels' arguments
}

func (*paper) Map(b []byte) (backend.Buffer, error) { return host.Map(b), nil }
func (*paper) Alloc(n int) (backend.Buffer, error)  { return host.Allocate(n) }
func (p *paper) Compile(g *backend.Program) (backend.Exec, error) {
	for _, tokens := range []int{1, 2, 3, 5, 8, 9, 16, 17, 64, 65, 100, 129, 150} {
		if tokens > g.Tokens {
			break
		}
		for cc, shared := range chips {
			launches, err := plan(g, tokens, &paperMemory{program: g, cc: cc, most: shared})
			if err != nil {
				return nil, err
			}
			for _, l := range launches {
				p.check(&l)
				if own := 4 << 10; l.shared > 0 && int(l.shared)+own > shared {
					p.t.Errorf("%s takes %d bytes of shared memory and some of its own, compute capability %d gives %d", l.kernel, l.shared, cc, shared)
				}
			}
		}
	}
	return &blank{g}, nil
}

func (p *paper) check(l *launch) {
	size, ok := p.sizes[l.kernel]
	switch {
	case !ok:
		p.t.Errorf("no kernel %s", l.kernel)
	case size != l.size:
		p.t.Errorf("%s takes %d bytes of arguments, gets %d", l.kernel, size, l.size)
	}
	for i := range 3 {
		if l.grid[i] == 0 || l.block[i] == 0 || i > 0 && l.grid[i] > 65535 {
			p.t.Errorf("%s: grid %v of blocks %v", l.kernel, l.grid, l.block)
		}
	}
	if n := l.block[0] * l.block[1] * l.block[2]; n > 1024 || n%32 != 0 && n > 32 {
		p.t.Errorf("%s: blocks of %v threads", l.kernel, l.block)
	}
}

type blank struct{ p *backend.Program }

func (b *blank) Run(p *backend.Params) ([]float32, error) {
	return make([]float32, p.Logits*b.p.Vocab), nil
}
func (*blank) Close() error { return nil }

// paperMemory gives addresses that nothing lies at.
type paperMemory struct {
	program *backend.Program
	cc      int
	most    int // bytes of shared memory a block may have
	next    uint64
}

func (m *paperMemory) take(n int) uint64 {
	m.next += 256
	at := m.next
	m.next += uint64(n+255) &^ 255
	return at
}
func (m *paperMemory) tensor(t *backend.Tensor) (uint64, error) { return m.take(t.Bytes()), nil }
func (m *paperMemory) state(s *backend.State) (uint64, error)   { return m.take(s.Bytes), nil }
func (m *paperMemory) value(v backend.Value) uint64             { return 1<<40 + uint64(v)<<24 }
func (m *paperMemory) capability() int                          { return m.cc }
func (m *paperMemory) shared() int                              { return m.most }
func (m *paperMemory) processors() int                          { return hopperSMs }
func (m *paperMemory) params() uint64                           { return 256 }
func (m *paperMemory) logits() uint64                           { return 512 }
func (m *paperMemory) best() uint64                             { return 768 }
func (m *paperMemory) scratch(n int) uint64                     { return m.take(n) }
func (m *paperMemory) constant(b []byte) uint64                 { return m.take(len(b)) }

// arguments gives the size of every kernel's argument struct.
func arguments(t *testing.T) map[string]int {
	out := map[string]int{}
	for _, i := range images() {
		for name, e := range i.kernels {
			if had, ok := out[name]; ok && had != e.args {
				t.Errorf("%s takes %d bytes in one module and %d in another", name, had, e.args)
			}
			out[name] = e.args
		}
	}
	return out
}

// The manifest lists the kernels that the modules hold, and of each the size of
// its arguments.
func TestManifest(t *testing.T) {
	entries := regexp.MustCompile(`\.entry (\w+)\(\s*\.param \.align 8 \.b8 \w+\[(\d+)\]`)
	all := images()
	if len(all) < 60 {
		t.Errorf("%d modules", len(all))
	}
	for _, i := range all {
		text, err := i.text()
		if err != nil || !bytes.HasSuffix(text, []byte{0}) {
			t.Errorf("module %s is not ended by a zero byte: %v", i.name, err)
		}
		found := map[string]int{}
		for _, m := range entries.FindAllSubmatch(text, -1) {
			found[string(m[1])], _ = strconv.Atoi(string(m[2]))
		}
		if n := bytes.Count(text, []byte(".entry ")); n != len(found) || n != len(i.kernels) {
			t.Errorf("%s holds %d kernels, %d with arguments, and lists %d", i.name, n, len(found), len(i.kernels))
		}
		for name, e := range i.kernels {
			if found[name] != e.args {
				t.Errorf("%s of %s takes %d bytes of arguments, listed are %d", name, i.name, found[name], e.args)
			}
		}
	}
}

// Every case of every backend is planned for every kind of pass: the kernels are
// there and take the arguments they get.
func TestPlan(t *testing.T) {
	sizes := arguments(t)
	if len(sizes) == 0 {
		t.Fatal("no kernels")
	}
	for _, tokens := range []int{1, backend.Verify, 2048} {
		e := &exec{p: &backend.Program{Tokens: tokens}, params: make([]int32, paramTokens+tokens+backend.RankWindow)}
		l := e.loadParams(tokens)
		(&paper{t: t, sizes: sizes}).check(&l)
	}
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if _, err := c.Compare(&paper{t: t, sizes: sizes}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for tokens, want := range map[int]string{1: "1 1", 2: "2 1", 3: "4 1", 5: "8 1", 8: "8 1", 9: "8 2", 16: "8 2", 100: "8 13"} {
		each, groups := size(tokens)
		if got := fmt.Sprint(each, groups); got != want {
			t.Errorf("%d tokens: %s, want %s", tokens, got, want)
		}
	}
}

// A cache of int8 names every byte once, its scales after all values.
func TestInt8Rows(t *testing.T) {
	h := &backend.Heads{Heads: 4, KVHeads: 2, Dim: 40, Context: 100, KVType: quant.Q8_0}
	seen := make([]int, h.CacheBytes())
	for from := 0; from < 128; from += 32 {
		for _, s := range int8Rows(h)(from, from+32) {
			for i := range s.N {
				seen[s.Off+i]++
			}
		}
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("byte %d is named %d times", i, n)
		}
	}
	if s := int8Rows(h)(32, 64); len(s) != 4 || s[2].Off != 2*128*64+32*4 || s[2].N != 32*4 {
		t.Errorf("spans %v", s)
	}
}
