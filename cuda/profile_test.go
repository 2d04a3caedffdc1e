package cuda

import (
	"cmp"
	flags "flag"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

var (
	profileModel   = flags.String("profile", "", "model file whose passes TestProfile takes apart")
	profileTokens  = flags.Int("profile-tokens", 1, "tokens of the pass that is taken apart")
	profileDepth   = flags.Int("profile-depth", 0, "tokens of context before it")
	profileKernels = flags.String("profile-kernels", "", "folder of NAME.ptx, for chips of 9.0 on, in place of the modules inside")
)

// spy keeps the execs that a session compiles.
type spy struct {
	*Backend
	execs []*exec
	seq   *backend.Sequence // the last
}

func (s *spy) NewSequence(states []*backend.State) (q *backend.Sequence, err error) {
	s.seq, err = s.Backend.NewSequence(states)
	return s.seq, err
}

func (s *spy) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := s.Backend.Compile(p)
	if err == nil {
		s.execs = append(s.execs, e.(*exec))
	}
	return e, err
}

// profiled is a device with the kernels in the folder that a flag names.
func profiled(t *testing.T) *spy {
	s := &spy{Backend: device(t)}
	if *profileKernels != "" {
		all, taken := images(), 0
		for i := range all {
			data, err := os.ReadFile(*profileKernels + "/" + all[i].name + ".ptx")
			if err == nil && all[i].minCC >= overlapping {
				all[i].text = func() ([]byte, error) { return append(awakened(data), 0), nil }
				taken++
			}
		}
		if taken == 0 {
			t.Fatalf("no kernels in %s", *profileKernels)
		}
		s.modules = newModules(s.d, all, s.device)
	}
	return s
}

// Where a pass's time goes: every kernel alone, fifty times in a graph, beside
// the whole pass. The rest of the pass is the gaps between the kernels.
func TestProfile(t *testing.T) {
	if *profileModel == "" {
		t.Skip("no -profile MODEL")
	}
	s := profiled(t)
	f, err := format.Open(*profileModel)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	on, err := m.NewSession(s, model.Options{Context: *profileDepth + max(512, *profileTokens)})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	t.Logf("session ready after %v", time.Since(start).Round(time.Millisecond))
	if *profileDepth > 0 {
		if _, err := on.Feed(make([]int32, *profileDepth), model.WantNone); err != nil {
			t.Fatal(err)
		}
	}
	n := *profileTokens
	if n > backend.MaxVerify && *profileDepth == 0 {
		if _, err := on.Feed(make([]int32, n), model.WantNone); err != nil {
			t.Fatal(err)
		}
	}
	e := s.execs[0]
	if n > backend.MaxVerify {
		e = s.execs[1]
	}
	pass := func(rows int) time.Duration {
		var all []time.Duration
		for range 30 {
			start := time.Now()
			if _, err := e.Run(backend.Pass(make([]int32, n), backend.Segment{Seq: s.seq, Pos: *profileDepth, Logits: rows})); err != nil {
				t.Fatal(err)
			}
			all = append(all, time.Since(start))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	silent, whole := pass(0), pass(1)
	for _, r := range e.replays {
		if err := e.b.do(func() error { return e.b.release(r) }); err != nil {
			t.Fatal(err)
		}
	}
	clear(e.replays)
	e.b.d = serial{e.b.d}
	t.Logf("with launches one after the other: pass %v", pass(1))
	launches := planned(t, e, s.seq, n)
	list, sum := apart(t, e, launches)
	t.Logf("%d tokens at depth %d: pass %v, with a row of logits %v; %d launches, alone %v", n, *profileDepth, silent, whole, len(launches), sum)
	for _, c := range list {
		t.Logf("%5.1f%% %4d x %8v = %8v  %s", 100*float64(c.count)*float64(c.each)/float64(sum), c.count, c.each, time.Duration(c.count)*c.each, c.name)
	}
}

// cost is the time that launches of one kind take.
type cost struct {
	name  string
	count int
	each  time.Duration
}

// apart times each kind of launch alone: the costliest first, and their sum.
func apart(t *testing.T, e *exec, launches []launch) (list []*cost, sum time.Duration) {
	costs := map[string]*cost{}
	for i := range launches {
		l := &launches[i]
		name := l.String()
		c := costs[name]
		if c == nil {
			c = &cost{name: name, each: alone(t, e, l)}
			costs[name] = c
		}
		c.count++
		sum += c.each
	}
	list = slices.Collect(maps.Values(costs))
	slices.SortFunc(list, func(a, b *cost) int { return cmp.Compare(time.Duration(b.count)*b.each, time.Duration(a.count)*a.each) })
	return list, sum
}

// decoding is the exec of a session of the profiled model that makes tokens.
func decoding(t *testing.T) (*exec, *backend.Sequence) {
	if *profileModel == "" {
		t.Skip("no -profile MODEL")
	}
	s := profiled(t)
	f, err := format.Open(*profileModel)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	on, err := m.NewSession(s, model.Options{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { on.Close() })
	return s.execs[0], s.seq
}

// Tokens as when text is made: the log is replayed, the row ranked.
func TestTokens(t *testing.T) {
	e, seq := decoding(t)
	p := backend.Pass(make([]int32, 1), backend.Segment{Seq: seq, Replay: 1, Logits: 1})
	var all []time.Duration
	for range 40 {
		start := time.Now()
		if _, err := e.RunRanked(p, []backend.Ranking{{}}); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	g, err := e.Gauge(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a token %v, %.3f ms of it on the card", all[len(all)/2], 1e3*g.Pass)
}

// How long a process that has compiled nothing takes to its first words.
func TestCold(t *testing.T) {
	if *profileModel == "" {
		t.Skip("no -profile MODEL")
	}
	f, err := format.Open(*profileModel)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	b := device(t)
	opened := time.Since(start)
	on, err := m.NewSession(b, model.Options{Context: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	ready := time.Since(start)
	for range 2 {
		begin := time.Now()
		if _, err := on.Feed(make([]int32, 2048), model.WantLast); err != nil {
			t.Fatal(err)
		}
		prompt := time.Since(begin)
		begin = time.Now()
		if _, err := on.Feed(make([]int32, 5), model.WantLast); err != nil {
			t.Fatal(err)
		}
		t.Logf("device open after %v, session ready after %v; a prompt of 2048 took %v, five tokens %v", opened, ready, prompt, time.Since(begin))
		if err := on.Reset(); err != nil {
			t.Fatal(err)
		}
	}
}

// serial is a driver whose launches do not overlap.
type serial struct{ driver }

func (s serial) LaunchKernel(function uintptr, l *launch, _ bool, stream uintptr) error {
	return s.driver.LaunchKernel(function, l, false, stream)
}

// planned is the launches of a pass, bound.
func planned(t *testing.T, e *exec, seq *backend.Sequence, tokens int) []launch {
	launches, err := e.launches(bound{seq, tokens})
	if err != nil {
		t.Fatal(err)
	}
	return launches
}

// alone is a launch's time when it follows itself.
func alone(t *testing.T, e *exec, l *launch) (took time.Duration) {
	err := e.b.do(func() error {
		seconds, err := e.alone(l)
		took = time.Duration(seconds * float64(time.Second))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return took
}
