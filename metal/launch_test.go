package metal

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/quant"
)

// agreed is a row of CONTRACT.md's table.
type agreed struct {
	name  *regexp.Regexp
	size  int // of the argument struct
	refs  int
	block uint32
}

var argSizes = map[string]uintptr{
	"embedArgs": unsafe.Sizeof(embedArgs{}), "copyArgs": unsafe.Sizeof(copyArgs{}), "matVecArgs": unsafe.Sizeof(matVecArgs{}),
	"ropeArgs": unsafe.Sizeof(ropeArgs{}), "finishArgs": unsafe.Sizeof(finishArgs{}), "attendArgs": unsafe.Sizeof(attendArgs{}), "convArgs": unsafe.Sizeof(convArgs{}),
	"rankArgs": unsafe.Sizeof(rankArgs{}), "scan1Args": unsafe.Sizeof(scan1Args{}), "scan2Args": unsafe.Sizeof(scan2Args{}),
	"after1Args": unsafe.Sizeof(after1Args{}), "after2Args": unsafe.Sizeof(after2Args{}),
	"deltaArgs": unsafe.Sizeof(deltaArgs{}), "afterDeltaArgs": unsafe.Sizeof(afterDeltaArgs{}), "reorderArgs": unsafe.Sizeof(reorderArgs{}),
}

// contract reads the table.
func contract(t *testing.T) (rows []agreed) {
	t.Helper()
	text, err := os.ReadFile("CONTRACT.md")
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, kind := range quant.Types() {
		types = append(types, kind.String())
	}
	holes := strings.NewReplacer("TYPE", "("+strings.Join(types, "|")+")", "KV", "(f16|f32|q8_0)")
	number := regexp.MustCompile(`_[TLND]$`)
	var refs int
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || argSizes[strings.TrimSpace(cells[2])] == 0 {
			continue
		}
		if memories := strings.TrimSpace(cells[3]); memories != "as above" {
			refs = len(strings.Split(memories, ","))
		}
		block, err := strconv.ParseUint(strings.TrimSpace(cells[5]), 10, 32)
		if err != nil {
			t.Fatalf("CONTRACT.md: %s: %v", line, err)
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			name = holes.Replace(number.ReplaceAllString(strings.TrimSpace(name), `_[0-9]+`))
			rows = append(rows, agreed{regexp.MustCompile("^" + name + "$"), int(argSizes[strings.TrimSpace(cells[2])]), refs, uint32(block)})
		}
	}
	if len(rows) < 15 {
		t.Fatalf("CONTRACT.md has %d kernels", len(rows))
	}
	return rows
}

// paper is a machine that runs nothing and checks its dispatches.
type paper struct {
	kernels []agreed
	names   []string // of functions
	buffer  int
}

type sheet struct {
	p    *paper
	data []byte
}

func (s *sheet) bytes() []byte { return s.data }
func (s *sheet) free() error   { s.data = nil; return nil }

func (p *paper) limits() limits {
	return limits{buffer: p.buffer, working: 1 << 40, page: 1 << 14}
}

func (p *paper) function(name string) (function, error) {
	p.names = append(p.names, name)
	return function(len(p.names) - 1), nil
}

func (p *paper) allocate(n int) (memory, error)   { return &sheet{p, make([]byte, n)}, nil }
func (p *paper) wrap(data []byte) (memory, error) { return &sheet{p, data}, nil }
func (p *paper) close() error                     { return nil }

func (p *paper) run(dispatches []dispatch) error {
	for i := range dispatches {
		if err := p.check(&dispatches[i]); err != nil {
			return fmt.Errorf("%s: %w", dispatches[i].kernel, err)
		}
	}
	return nil
}

func (p *paper) check(d *dispatch) error {
	if p.names[d.function] != d.kernel {
		return fmt.Errorf("runs %s", p.names[d.function])
	}
	for i := range 3 {
		if d.grid[i] == 0 || d.block[i] == 0 {
			return fmt.Errorf("grid %v of %v", d.grid, d.block)
		}
	}
	found := false
	for _, a := range p.kernels {
		if !a.name.MatchString(d.kernel) {
			continue
		}
		found = true
		if a.size != len(d.args) || a.refs != len(d.buffers)-1 || d.block != [3]uint32{a.block, 1, 1} {
			return fmt.Errorf("%d bytes of arguments, %d memories, blocks of %v; agreed are %d, %d and %d", len(d.args), len(d.buffers)-1, d.block, a.size, a.refs, a.block)
		}
	}
	if !found {
		return fmt.Errorf("CONTRACT.md has no such kernel")
	}
	for i, b := range d.buffers {
		if n := len(b.memory.bytes()); int(b.index) != i+1 || b.off < 0 || b.bytes <= 0 || b.off+b.bytes > n || b.off%2 != 0 {
			return fmt.Errorf("memory %d, bound at %d: %d+%d of %d bytes", i, b.index, b.off, b.bytes, n)
		}
	}
	return nil
}

// Every case of every backend is planned for every kind of pass: the kernels are
// those that were agreed upon, with the arguments agreed upon, within memory.
func TestPlan(t *testing.T) {
	rows := contract(t)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			err := c.Run(newBackend(&paper{kernels: rows, buffer: 1 << 30}))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Passes of all sizes find the memory that they need, in any order.
func TestSizesOfPasses(t *testing.T) {
	b := newBackend(&paper{kernels: contract(t), buffer: 1 << 30})
	program := testProgram(t, b, 300)
	e, err := b.Compile(program)
	if err != nil {
		t.Fatal(err)
	}
	seq := sequence(t, b, program)
	defer e.Close()
	for n := range 100 {
		for _, tokens := range []int{300, 1 + n%backend.MaxVerify, 1, 1 + n*89%300} {
			if _, err := e.Run(backend.Pass(make([]int32, tokens), backend.Segment{Seq: seq, Logits: 1})); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range []*backend.Params{{}, backend.Pass(nil, backend.Segment{Seq: seq}), backend.Pass(make([]int32, 301), backend.Segment{Seq: seq}),
		backend.Pass([]int32{1}, backend.Segment{Seq: seq, Logits: 2}), backend.Pass([]int32{1}, backend.Segment{})} {
		if _, err := e.Run(p); err == nil {
			t.Errorf("%d tokens and %d rows of logits ran", len(p.Tokens), p.Rows())
		}
	}
}

// sequence gives a program's states memory.
func sequence(t *testing.T, b *Backend, p *backend.Program) *backend.Sequence {
	t.Helper()
	q, err := b.NewSequence(p.States)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// testProgram is attention over a table, and a head.
func testProgram(t *testing.T, b *Backend, tokens int) *backend.Program {
	t.Helper()
	data := make([]byte, 4*(10*192+7*64))
	buf, err := b.Map(data)
	if err != nil {
		t.Fatal(err)
	}
	r := backend.NewRecorder(tokens, min(tokens, 2))
	h := backend.Heads{Heads: 2, KVHeads: 1, Dim: 32, Context: 1000, KVType: quant.F16}
	states := make([]*backend.State, 2)
	for i := range states {
		states[i] = r.State(&backend.State{Name: fmt.Sprint("cache ", i), ID: i, Kind: backend.StateKV, Bytes: h.CacheBytes()})
	}
	x := r.Embed(&backend.Tensor{Name: "table", Type: quant.F32, Rows: 10, Cols: 192, Buf: buf})
	r.RopeStore(&backend.RopeStore{Heads: h, Q: r.Cut(x, 0, 64), K: r.Cut(x, 64, 32), V: r.Cut(x, 96, 32), Freqs: make([]float64, 16), KCache: states[0], VCache: states[1]})
	y := r.Attend(&backend.Attend{Heads: h, Q: r.Cut(x, 0, 64), KCache: states[0], VCache: states[1]})
	r.Logits(r.All(y), nil, &backend.Tensor{Name: "head", Type: quant.F32, Rows: 7, Cols: 64, Buf: buf, Off: 4 * 10 * 192})
	return r.Program()
}

// tableProgram looks tokens up and multiplies them.
func tableProgram(weights backend.Buffer) *backend.Program {
	r := backend.NewRecorder(4, 4)
	x := r.Embed(&backend.Tensor{Name: "table", Type: quant.F32, Rows: 8, Cols: 32, Buf: weights})
	r.Logits(r.All(x), nil, &backend.Tensor{Name: "head", Type: quant.F32, Rows: 5, Cols: 32, Buf: weights, Off: 4 * 8 * 32})
	return r.Program()
}
