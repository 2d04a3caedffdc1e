package cpu

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// pool splits loops over goroutines that stay: between two loops they look for
// the next one for a moment and then sleep. One goroutine at a time may call
// each.
//
// A loop waits only for the workers that came: one that the system does not run
// keeps nobody, its share goes to the others.
type pool struct {
	threads int // the caller's among them
	workers []*worker
	caller  waiter

	// The loop in progress: written before state opens it, read by who joined.
	f       func(thread, lo, hi int)
	n, step int
	grain   int         // units worth taking
	piece   int         // units between two looks at stop
	stop    func() bool // gives loops up, where not nil
	fault   atomic.Pointer[any]
	shares  []share // one a thread

	_     [64]byte
	state atomic.Uint64 // loop's number << 32 | bits below | threads that joined
	_     [64]byte
}

const (
	open    = 1 << 16 // the loop may be joined
	closing = 1 << 17 // workers end
	joined  = open - 1
)

// share is the rest of a thread's units, first << 32 | end. Its owner takes
// from the front, so that it reads on where it stopped. A thread without units
// takes from the others' ends.
type share struct {
	left atomic.Uint64
	_    [56]byte
}

type worker struct {
	waiter
	seen uint64 // number of the last loop it joined
}

func newPool(threads int) *pool {
	p := &pool{threads: threads, shares: make([]share, threads)}
	crowded := threads > runtime.GOMAXPROCS(0)
	p.caller = newWaiter(crowded, func() bool { return p.state.Load()&joined == 0 })
	return p
}

// start begins the workers, at the first loop that needs them.
func (p *pool) start() {
	crowded := p.caller.crowded
	for i := 1; i < p.threads; i++ {
		w := &worker{}
		w.waiter = newWaiter(crowded, func() bool {
			s := p.state.Load()
			return s&closing != 0 || s&open != 0 && s>>32 != w.seen
		})
		p.workers = append(p.workers, w)
		go p.work(i, w)
	}
}

// close ends the workers; a later loop starts new ones.
func (p *pool) close() {
	if p.workers == nil {
		return
	}
	p.state.Add(uint64(len(p.workers)) | closing) // joined until each has left
	for _, w := range p.workers {
		w.notify()
	}
	p.caller.wait()
	p.workers = nil
	p.state.Add(^uint64(closing - 1))
}

// each cuts [0,n) into ranges that are multiples of step, except for the last.
// It calls f with a thread's number and a range, several times a thread where
// that evens out their speeds.
//
// A fault while reading mapped memory (a file that shrank) is carried to the
// calling goroutine and raised there, after all threads have ended.
func (p *pool) each(n, step int, f func(thread, lo, hi int)) {
	units := (n + step - 1) / step
	threads := min(p.threads, units)
	p.f, p.n, p.step = f, n, step
	p.grain, p.piece = max(1, units/max(threads, 1)/16), max(1, units/max(threads, 1)/looks)
	if threads <= 1 {
		p.pieces(0, 0, units)
		p.f = nil
		return
	}
	if p.workers == nil {
		p.start()
	}
	for i := range p.shares {
		lo, hi := 0, 0
		if i < threads {
			lo, hi = units*i/threads, units*(i+1)/threads
		}
		p.shares[i].left.Store(uint64(lo)<<32 | uint64(hi))
	}
	p.state.Store((p.state.Load()>>32+1)<<32 | open)
	for _, w := range p.workers[:threads-1] {
		w.notify()
	}
	p.run(0)
	p.state.And(^uint64(open))
	p.caller.wait()
	p.f = nil
	if fault := p.fault.Swap(nil); fault != nil {
		panic(*fault)
	}
	p.caller.yield()
}

// work is a worker's life.
func (p *pool) work(thread int, w *worker) {
	debug.SetPanicOnFault(true)
	for {
		w.wait()
		s := p.state.Load()
		if s&closing != 0 {
			p.leave()
			return
		}
		if s&open == 0 || !p.state.CompareAndSwap(s, s+1) {
			continue // it was closed, or another joined just now
		}
		w.seen = s >> 32
		p.run(thread)
		p.leave()
		w.yield()
	}
}

func (p *pool) leave() {
	if p.state.Add(^uint64(0))&joined == 0 {
		p.caller.notify()
	}
}

// run takes ranges until there are none.
func (p *pool) run(thread int) {
	defer func() {
		if r := recover(); r != nil {
			fault := r // r itself would be allocated each time
			p.fault.CompareAndSwap(nil, &fault)
			for i := range p.shares { // the others need not go on
				p.shares[i].left.Store(0)
			}
		}
	}()
	for {
		lo, hi := p.take(thread)
		if lo == hi {
			lo, hi = p.steal(thread)
		}
		if lo == hi {
			return
		}
		p.pieces(thread, lo, hi)
	}
}

// looks is how many times a thread looks at stop within a loop, about.
const looks = 64

// pieces does units [lo, hi): at once, or, where somebody may stop them, piece by
// piece. A range's cuts change no bits.
func (p *pool) pieces(thread, lo, hi int) {
	if p.stop == nil {
		if lo < hi {
			p.f(thread, lo*p.step, min(hi*p.step, p.n))
		}
		return
	}
	for ; lo < hi && !p.stop(); lo += p.piece {
		p.f(thread, lo*p.step, min(min(lo+p.piece, hi)*p.step, p.n))
	}
}

// take takes a quarter of the rest of the thread's own share.
func (p *pool) take(thread int) (lo, hi int) {
	s := &p.shares[thread].left
	for {
		old := s.Load()
		lo, hi = int(old>>32), int(uint32(old))
		if lo >= hi {
			return 0, 0
		}
		mid := min(lo+max(p.grain, (hi-lo)/4), hi)
		if s.CompareAndSwap(old, uint64(mid)<<32|uint64(hi)) {
			return lo, mid
		}
	}
}

// steal takes half of the largest share there is.
func (p *pool) steal(thread int) (lo, hi int) {
	for {
		var from *share
		var most, old uint64
		for i := range p.shares {
			v := p.shares[i].left.Load()
			if n := uint64(uint32(v)) - v>>32; n > most {
				from, most, old = &p.shares[i], n, v
			}
		}
		if from == nil {
			return 0, 0
		}
		lo, hi = int(old>>32), int(uint32(old))
		mid := max(hi-max(p.grain, (hi-lo)/2), lo)
		if from.left.CompareAndSwap(old, uint64(lo)<<32|uint64(mid)) {
			return mid, hi
		}
	}
}

// waiter waits for a condition that another goroutine brings about and tells of
// by notify.
type waiter struct {
	ready   func() bool
	crowded bool // more threads than processors: looking would keep others from working
	asleep  atomic.Bool
	wake    chan struct{}
	yielded time.Time
}

// Looking for longer than the gaps within a pass, shorter than those between
// passes; other goroutines run at least so often.
const (
	looking = 100 * time.Microsecond
	yields  = time.Millisecond
)

func newWaiter(crowded bool, ready func() bool) waiter {
	return waiter{ready: ready, crowded: crowded, wake: make(chan struct{}, 1)}
}

func (w *waiter) wait() {
	if w.ready() {
		return
	}
	for begin := time.Now(); time.Since(begin) < looking; {
		for range 50 {
			if w.ready() {
				return
			}
		}
		if w.crowded {
			runtime.Gosched()
		}
	}
	for !w.ready() {
		w.asleep.Store(true)
		if w.ready() && w.asleep.CompareAndSwap(true, false) {
			return
		}
		<-w.wake // also where notify was quicker than we
	}
}

// notify wakes the waiter where it sleeps; the condition holds already.
func (w *waiter) notify() {
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

// yield lets other goroutines run now and then: threads that are always busy
// would starve them.
func (w *waiter) yield() {
	if now := time.Now(); now.Sub(w.yielded) > yields {
		w.yielded = now
		runtime.Gosched()
	}
}
