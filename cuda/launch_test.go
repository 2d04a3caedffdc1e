package cuda

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// paper is a backend that only plans, and checks its plans.
type paper struct {
	backend.Backend
	t     *testing.T
	sizes map[string]int // of kernels' arguments
}

func (*paper) Map(b []byte) (backend.Buffer, error)                      { return host.Map(b), nil }
func (*paper) NewSequence(s []*backend.State) (*backend.Sequence, error) { return host.NewSequence(s) }
func (p *paper) Compile(g *backend.Program) (backend.Exec, error) {
	for _, tokens := range []int{1, 2, 3, 5, 8, 9, 16, 17, 64, 65, 100, 129, 150} {
		if tokens > g.Tokens {
			break
		}
		for _, chip := range Chips {
			s, err := plan(g, tokens, chip)
			if err != nil {
				return nil, err
			}
			if again, err := plan(g, tokens, chip); err != nil || !reflect.DeepEqual(s, again) {
				p.t.Errorf("planned again, %d tokens for %s differ: %v", tokens, chip.Name, err)
			}
			if all, err := plan(g, g.Tokens, chip); err != nil || !slices.Equal(kinds(s), kinds(all)) && !g.Logged {
				p.t.Errorf("prompts of %d tokens run %q, of %d %q on %s: %v", tokens, kinds(s), g.Tokens, kinds(all), chip.Name, err)
			}
			for _, l := range s.Launches {
				p.check(&l)
				if own := 4 << 10; l.Shared > 0 && int(l.Shared)+own > chip.Shared {
					p.t.Errorf("%s takes %d bytes of shared memory and some of its own, compute capability %s gives %d", l.Kernel, l.Shared, chip.Name, chip.Shared)
				}
			}
		}
	}
	return &blank{g}, nil
}

// kinds are the kernels that a row's bits depend on: not how many tokens a block of
// them takes, nor whether an input was there already.
func kinds(s *gpu.Schedule) (names []string) {
	for _, l := range s.Launches {
		if l.Kernel != "prepare" {
			names = append(names, regexp.MustCompile(`_[0-9]+$`).ReplaceAllString(l.Kernel, ""))
		}
	}
	return names
}

func (p *paper) check(l *gpu.Launch) {
	size, ok := p.sizes[l.Kernel]
	switch {
	case !ok:
		p.t.Errorf("no kernel %s", l.Kernel)
	case size != len(l.Args):
		p.t.Errorf("%s takes %d bytes of arguments, gets %d", l.Kernel, size, len(l.Args))
	}
	for i := range 3 {
		if l.Grid[i] == 0 || l.Block[i] == 0 || i > 0 && l.Grid[i] > 65535 {
			p.t.Errorf("%s: grid %v of blocks %v", l.Kernel, l.Grid, l.Block)
		}
	}
	if n := l.Block[0] * l.Block[1] * l.Block[2]; n > 1024 || n%32 != 0 && n > 32 {
		p.t.Errorf("%s: blocks of %v threads", l.Kernel, l.Block)
	}
}

type blank struct{ p *backend.Program }

func (b *blank) Run(p *backend.Params) ([]float32, error) {
	return make([]float32, p.Rows()*b.p.Vocab), nil
}
func (*blank) Close() error { return nil }

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
	for _, tokens := range []int{1, backend.MaxVerify, 2048} {
		g := &backend.Program{Tokens: tokens, Logged: tokens <= backend.MaxVerify}
		l := (&exec{p: g, params: make([]int32, gpu.ParamWords(g))}).loadParams(tokens)
		(&paper{t: t, sizes: sizes}).check(&gpu.Launch{Kernel: l.kernel, Grid: l.grid, Block: l.block, Args: make([]byte, l.size)})
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
