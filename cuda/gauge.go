package cuda

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Counts of a gauge's passes.
const (
	gaugePasses = 20
	gaugeCopies = 50      // of a launch that follows itself
	gaugeRuns   = 4       // of which the fastest counts
	gaugeBytes  = 1 << 30 // of a copy
)

// Gauge implements [backend.Gauger].
func (e *exec) Gauge(p *backend.Params) (g backend.Gauge, err error) {
	var launches []launch
	if err = p.Check(e.p); err == nil {
		s := &p.Segments[0]
		gpu.SetParams(e.params, e.p, p.Tokens, s, &backend.Ranking{})
		if launches, err = e.launches(bound{s.Seq, s.N}); err == nil {
			err = e.prepare(s)
		}
	}
	if err != nil {
		return g, fmt.Errorf("cuda: %w", err)
	}
	err = e.b.do(func() (err error) {
		if g.Pass, err = e.b.timed(e.replay.graph, gaugePasses); err != nil {
			return err
		}
		g.Launches = len(launches)
		seen := map[string]float64{}
		for i := range launches {
			l := &launches[i]
			if seen[l.String()] == 0 {
				if seen[l.String()], err = e.alone(l); err != nil {
					return err
				}
			}
			g.Kernels += seen[l.String()]
		}
		g.CopyRate, err = e.b.copyRate()
		return err
	})
	if err != nil {
		return g, fmt.Errorf("cuda: %w", err)
	}
	return g, nil
}

// String tells launches of different work apart.
func (l *launch) String() string {
	return fmt.Sprintf("%s%s %v x %v", l.kernel, l.what, l.grid, l.block)
}

// alone is a launch's time when it follows itself, within do.
func (e *exec) alone(l *launch) (float64, error) {
	g, err := e.record(1, slices.Repeat([]launch{*l}, gaugeCopies))
	if err != nil {
		return 0, err
	}
	t, err := e.b.timed(g, 1)
	return t / gaugeCopies, errors.Join(err, e.b.d.GraphExecDestroy(g))
}

// timed is the time of one replay: the least mean of several runs of replays.
func (b *Backend) timed(graph uintptr, replays int) (float64, error) {
	best := math.Inf(1)
	for range gaugeRuns {
		start := time.Now()
		for range replays {
			if err := b.d.GraphLaunch(graph, b.stream); err != nil {
				return 0, err
			}
		}
		if err := b.d.StreamSynchronize(b.stream); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start).Seconds()/float64(replays))
	}
	return best, nil
}

// copyRate is that of a copy on the device, of as much as is free.
func (b *Backend) copyRate() (rate float64, err error) {
	free, _, err := b.d.MemGetInfo()
	if err != nil {
		return 0, err
	}
	n := int(min(gaugeBytes, free/4))
	var p [2]uint64
	for i := range p {
		if p[i], err = b.allocate(n); err != nil {
			break
		}
		defer func() { err = errors.Join(err, b.d.MemFree(p[i])) }()
	}
	for run := 0; run <= gaugeRuns && err == nil; run++ {
		if err = b.d.StreamSynchronize(b.stream); err != nil {
			break
		}
		const copies = 4
		start := time.Now()
		for range copies {
			err = errors.Join(err, b.d.MemcpyDtoDAsync(p[1], p[0], n, b.stream))
		}
		err = errors.Join(err, b.d.StreamSynchronize(b.stream))
		if run > 0 { // the first warms up
			rate = max(rate, 2*copies*float64(n)/time.Since(start).Seconds())
		}
	}
	return rate, err
}
