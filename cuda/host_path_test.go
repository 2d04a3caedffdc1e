package cuda

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
)

// part is something the host does for a token. Its run tells when everything had
// been submitted and when everything had ended.
type part struct {
	what             string
	run              func() (submitted, ended time.Duration, err error)
	submitted, ended []time.Duration
	cadence          time.Duration // of one of many, back to back
}

// Where a token's time on the host goes: what it is beside its graph, and what the
// least of its steps take. All are timed in turn, so that a clock that changes
// changes all.
func TestHostPath(t *testing.T) {
	const warm, runs = 10, 200
	e, seq := decoding(t)
	b := e.b
	// whole is timed from outside do, within from inside.
	whole := func(run func() error) func() (_, ended time.Duration, err error) {
		return func() (_, ended time.Duration, err error) {
			start := time.Now()
			err = run()
			return 0, time.Since(start), err
		}
	}
	within := func(submit func() error) func() (submitted, ended time.Duration, err error) {
		return func() (submitted, ended time.Duration, err error) {
			err = b.do(func() error {
				start := time.Now()
				if err := submit(); err != nil {
					return err
				}
				submitted = time.Since(start)
				err := b.d.StreamSynchronize(b.stream)
				ended = time.Since(start)
				return err
			})
			return submitted, ended, err
		}
	}
	replay := func(what string, graph uintptr) *part {
		p := &part{what: what, run: within(func() error { return b.d.GraphLaunch(graph, b.stream) })}
		err := b.do(func() error {
			seconds, err := b.timed(graph, gaugePasses)
			p.cadence = time.Duration(seconds * float64(time.Second))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	nothing := func() error { return nil }

	params := backend.Pass(make([]int32, 1), backend.Segment{Seq: seq, Replay: 1, Logits: 1}) // as when text is made
	token := func() error { _, err := e.RunRanked(params, []backend.Ranking{{}}); return err }
	if err := token(); err != nil {
		t.Fatal(err)
	}
	var first uintptr
	launches := planned(t, e, seq, 1)
	err := b.do(func() (err error) {
		first, err = e.record(1, launches[:1])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.do(func() error { return b.d.GraphExecDestroy(first) })
	parts := []*part{
		{what: "a token (RunRanked)", run: whole(token)},
		replay("its graph", e.replay.graph),
		replay("a graph of its parameters and first launch", first),
		{what: "synchronize, idle", run: within(nothing)},
		{what: "do, of nothing", run: whole(func() error { return b.do(nothing) })},
	}
	for n := range warm + runs {
		for _, p := range parts {
			submitted, ended, err := p.run()
			if err != nil {
				t.Fatal(p.what, err)
			}
			if n >= warm {
				p.submitted, p.ended = append(p.submitted, submitted), append(p.ended, ended)
			}
		}
	}
	var out strings.Builder
	for _, p := range parts {
		slices.Sort(p.submitted)
		slices.Sort(p.ended)
		fmt.Fprintf(&out, "\n%s%s%s  %s", us(p.submitted[runs/2]), us(p.ended[runs/2]), us(p.cadence), p.what)
	}
	t.Logf("us, medians of %d in turn; %d launches\n submitted     ended   cadence%s", runs, len(launches), out.String())
}

// us is a column of microseconds, empty where none were measured.
func us(d time.Duration) string {
	if d == 0 {
		return fmt.Sprintf("%10s", "")
	}
	return fmt.Sprintf("%10.1f", float64(d.Nanoseconds())/1e3)
}
