package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// part is something the host does for a token, or another way to do it. Its run
// tells when everything had been submitted and when everything had ended.
type part struct {
	what             string
	run              func() (submitted, ended time.Duration, err error)
	submitted, ended []time.Duration
	cadence          time.Duration // of one of many, back to back
}

// What the host adds to a token: its parts alone, and other ways it could go. All
// are timed in turn, so that a clock that changes changes all.
func TestHostPath(t *testing.T) {
	const runs = 200
	e := decoding(t)
	b, d, stream := e.b, e.b.d, e.b.stream
	var parts []*part
	add := func(what string, run func() (submitted, ended time.Duration, err error)) *part {
		parts = append(parts, &part{what: what, run: run})
		return parts[len(parts)-1]
	}
	// whole adds what is timed from outside do, within what is from inside.
	whole := func(what string, run func() error) {
		add(what, func() (_, ended time.Duration, err error) {
			start := time.Now()
			err = run()
			return 0, time.Since(start), err
		})
	}
	within := func(what string, submit func() error) *part {
		return add(what, func() (submitted, ended time.Duration, err error) {
			err = b.do(func() error {
				start := time.Now()
				if err := submit(); err != nil {
					return err
				}
				submitted = time.Since(start)
				err := d.StreamSynchronize(stream)
				ended = time.Since(start)
				return err
			})
			return submitted, ended, err
		})
	}

	p := &backend.Params{Tokens: make([]int32, 1), Replay: 1, Logits: 1} // as when text is made
	whole("a token (RunRanked)", func() error { _, err := e.RunRanked(p, &backend.Ranking{}); return err })
	if _, _, err := parts[0].run(); err != nil {
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
	whole("its pass from a thread kept for it, by channels", func() error { calls <- func() error { return b.do(e.run) }; return <-done })
	graphs := e.replay.graphs
	within("its graph", func() error { return b.start(graphs) }).cadence = cadence(t, b, graphs)
	if err := e.room(rankWords); err != nil {
		t.Fatal(err)
	}
	back := func() error {
		return d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[0]), e.rows, 4*rankWords, stream)
	}
	within("its graph, and a copy as large as a row's ranks", func() error { return errors.Join(b.start(graphs), back()) })
	for _, g := range []struct {
		what     string
		on       driver
		head     int
		launches []launch
	}{
		{"a graph that begins with a copy of the parameters", copying{d, e}, 0, e.replay.launches},
		{"a graph without overlap", serial{d}, 0, e.replay.launches},
		{"two graphs, 4 launches in the first", d, 4, e.replay.launches},
		{"two graphs, 16 launches in the first", d, 16, e.replay.launches},
		{"two graphs, 64 launches in the first", d, 64, e.replay.launches},
		{"a graph of half the launches", d, 0, e.replay.launches[:len(e.replay.launches)/2]},
		{"a graph of the first launch", d, 0, e.replay.launches[:1]},
	} {
		b.d, headLaunches = g.on, g.head
		var graphs []uintptr
		err := b.do(func() (err error) {
			graphs, err = e.record(1, g.launches)
			return err
		})
		b.d, headLaunches = d, 0
		if err != nil {
			t.Fatal(err)
		}
		defer b.do(func() error { return b.destroy(graphs) })
		within(g.what, func() error { return b.start(graphs) }).cadence = cadence(t, b, graphs)
	}
	within("a copy as large as a row's ranks", back)
	within("nothing", func() error { return nil })
	whole("do, of nothing", func() error { return b.do(func() error { return nil }) })

	for n := range runs + 10 {
		for _, p := range parts {
			submitted, ended, err := p.run()
			if err != nil {
				t.Fatal(p.what, err)
			}
			if n >= 10 {
				p.submitted, p.ended = append(p.submitted, submitted), append(p.ended, ended)
			}
		}
	}
	var out strings.Builder
	us := func(d time.Duration) string {
		if d == 0 {
			return fmt.Sprintf("%10s", "")
		}
		return fmt.Sprintf("%10.1f", float64(d.Nanoseconds())/1e3)
	}
	for _, p := range parts {
		slices.Sort(p.submitted)
		slices.Sort(p.ended)
		fmt.Fprintf(&out, "\n%s%s%s  %s", us(p.submitted[runs/2]), us(p.ended[runs/2]), us(p.cadence), p.what)
	}
	t.Logf("us, medians of %d in turn; %d launches\n submitted     ended   cadence%s", runs, len(e.replay.launches), out.String())
}

// cadence is the time of one of many runs of graphs that follow each other.
func cadence(t *testing.T, b *Backend, graphs []uintptr) (took time.Duration) {
	err := b.do(func() error {
		seconds, err := b.timed(graphs, gaugePasses)
		took = time.Duration(seconds * float64(time.Second))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return took
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
