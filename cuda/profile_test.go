package cuda

import (
	"bytes"
	"cmp"
	"errors"
	flags "flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

var (
	profileModel  = flags.String("profile", "", "model file whose passes TestProfile takes apart")
	profileTokens = flags.Int("profile-tokens", 1, "tokens of the pass that is taken apart")
	profileDepth  = flags.Int("profile-depth", 0, "tokens of context before it")
	profileLate   = flags.String("profile-late", "", "start of names of modules whose kernels let the next start only when they end")
)

// spy keeps the execs that a session compiles.
type spy struct {
	*Backend
	execs []*exec
}

func (s *spy) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := s.Backend.Compile(p)
	if err == nil {
		s.execs = append(s.execs, e.(*exec))
	}
	return e, err
}

// Where a pass's time goes: every kernel alone, fifty times in a graph, beside
// the whole pass. What the kernels do not account for are the gaps between them.
func TestProfile(t *testing.T) {
	if *profileModel == "" {
		t.Skip("no -profile MODEL")
	}
	s := &spy{Backend: device(t)}
	if *profileLate != "" {
		all := images()
		for i := range all {
			if strings.HasPrefix(all[i].name, *profileLate) {
				all[i].data = bytes.ReplaceAll(all[i].data, []byte("griddepcontrol.launch_dependents;"), nil)
			}
		}
		s.modules = newModules(s.d, all, s.device)
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
	if n > backend.Verify && *profileDepth == 0 {
		if _, err := on.Feed(make([]int32, n), model.WantNone); err != nil {
			t.Fatal(err)
		}
	}
	e := s.execs[0]
	if n > backend.Verify {
		e = s.execs[1]
	}
	pass := func(rows int) time.Duration {
		var all []time.Duration
		for range 30 {
			start := time.Now()
			if _, err := e.Run(&backend.Params{Tokens: make([]int32, n), Pos: *profileDepth, Logits: rows}); err != nil {
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
	launches, err := plan(e.p, n, &planMemory{e: e})
	if err != nil {
		t.Fatal(err)
	}
	type cost struct {
		name  string
		count int
		each  time.Duration
	}
	costs := map[string]*cost{}
	var sum time.Duration
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
	list := make([]*cost, 0, len(costs))
	for _, c := range costs {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *cost) int { return cmp.Compare(time.Duration(b.count)*b.each, time.Duration(a.count)*a.each) })
	t.Logf("%d tokens at depth %d: pass %v, with a row of logits %v; %d launches, alone %v", n, *profileDepth, silent, whole, len(launches), sum)
	for _, c := range list {
		t.Logf("%5.1f%% %4d x %8v = %8v  %s", 100*float64(c.count)*float64(c.each)/float64(sum), c.count, c.each, time.Duration(c.count)*c.each, c.name)
	}
}

// decoding is the exec of a session of the profiled model that makes tokens.
func decoding(t *testing.T) *exec {
	if *profileModel == "" {
		t.Skip("no -profile MODEL")
	}
	s := &spy{Backend: device(t)}
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
	return s.execs[0]
}

// median is that of so many runs' times; the first run warms up.
func median(t *testing.T, runs int, run func() (time.Duration, error)) time.Duration {
	all := make([]time.Duration, 0, runs+1)
	for range runs + 1 {
		took, err := run()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, took)
	}
	all = all[1:]
	slices.Sort(all)
	return all[len(all)/2]
}

// token is the pass of a token as when text is made: the log is replayed, the
// row ranked.
func token() *backend.Params {
	return &backend.Params{Tokens: make([]int32, 1), Replay: 1, Logits: 1}
}

// rankToken times one such pass.
func rankToken(e *exec) (time.Duration, error) {
	p := token()
	start := time.Now()
	_, err := e.RunRanked(p, &backend.Ranking{})
	return time.Since(start), err
}

// Tokens as when text is made.
func TestTokens(t *testing.T) {
	e := decoding(t)
	took := median(t, 40, func() (time.Duration, error) { return rankToken(e) })
	g, err := e.Gauge(token())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a token %v, %.3f ms of it on the card", took, 1e3*g.Pass)
}

// What the host adds to a token: every part of its way, alone.
func TestHostPath(t *testing.T) {
	const runs = 200
	e := decoding(t)
	d, stream := e.b.d, e.b.stream
	var out strings.Builder
	say := func(what string, took time.Duration) {
		fmt.Fprintf(&out, "\n%10.1f us  %s", float64(took.Nanoseconds())/1e3, what)
	}
	say("a token, RunRanked", median(t, runs, func() (time.Duration, error) { return rankToken(e) }))
	within := func(what string, run func() (time.Duration, error)) {
		say(what, median(t, runs, func() (took time.Duration, err error) {
			err = e.b.do(func() (err error) {
				took, err = run()
				return err
			})
			return took, err
		}))
	}
	// timed is from the start of launch to the end of its work.
	timed := func(launch func() error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			start := time.Now()
			if err := launch(); err != nil {
				return 0, err
			}
			err := d.StreamSynchronize(stream)
			return time.Since(start), err
		}
	}
	graph := e.replay.graph
	launch := func() error { return d.GraphLaunch(graph, stream) }
	within("the same within do: launch and synchronize", timed(launch))
	if err := e.room(rankWords); err != nil {
		t.Fatal(err)
	}
	copyBack := func() error {
		return d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[0]), e.rows, 4*rankWords, stream)
	}
	within("the same with a row's ranks copied back", timed(func() error { return errors.Join(launch(), copyBack()) }))
	within("cuGraphLaunch alone, until it returns", func() (time.Duration, error) {
		start := time.Now()
		if err := launch(); err != nil {
			return 0, err
		}
		took := time.Since(start)
		return took, d.StreamSynchronize(stream)
	})
	err := e.b.do(func() error {
		seconds, err := e.b.timed(graph, gaugePasses)
		say(fmt.Sprintf("one of %d replays back to back", gaugePasses), time.Duration(seconds*float64(time.Second)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	within("cuStreamSynchronize of an idle stream", timed(func() error { return nil }))
	e.b.d = copying{d, e}
	err = e.b.do(func() (err error) {
		graph, err = e.record(1, e.replay.launches)
		return err
	})
	e.b.d = d
	if err != nil {
		t.Fatal(err)
	}
	within("a graph that begins with a copy of the parameter block, and synchronize", timed(launch))
	if err := e.b.do(func() error { return d.GraphExecDestroy(graph) }); err != nil {
		t.Fatal(err)
	}
	within("a copy of a row's ranks to the host, and synchronize", timed(copyBack))
	err = e.b.do(func() (err error) {
		graph, err = e.record(1, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	within("a graph of the parameter block alone, and synchronize", timed(launch))
	if err := e.b.do(func() error { return d.GraphExecDestroy(graph) }); err != nil {
		t.Fatal(err)
	}
	calls, done := make(chan func() error), make(chan error)
	defer close(calls)
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			done <- f()
		}
	}()
	say("the same from a thread of its own, handed over by channels", median(t, runs, func() (time.Duration, error) {
		start := time.Now()
		calls <- func() error { return e.b.do(e.run) }
		err := <-done
		return time.Since(start), err
	}))
	say("do, of nothing", median(t, runs, func() (time.Duration, error) {
		start := time.Now()
		err := e.b.do(func() error { return nil })
		return time.Since(start), err
	}))
	t.Logf("medians of %d, %d launches:%s", runs, len(e.replay.launches), out.String())
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

// copying is a driver whose graphs fetch the parameter block by a copy.
type copying struct {
	driver
	e *exec
}

func (c copying) LaunchKernel(function uintptr, l *launch, early bool, stream uintptr) error {
	if l.kernel == "load_params" {
		a := (*loadArgs)(l.args)
		return c.MemcpyHtoDAsync(a.to, unsafe.Pointer(&c.e.params[0]), 4*int(a.words), stream)
	}
	return c.driver.LaunchKernel(function, l, early, stream)
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
