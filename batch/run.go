package batch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Server answers requests as mil serve does; it is a [serve.Server].
type Server interface {
	Local(ctx context.Context, path string, body []byte) (status int, answer []byte, err error)
}

// Options of a run.
type Options struct {
	In, Out string
	Shard   Shard
	Seed    uint64 // requests without a seed get theirs from it and their custom_id
	Streams int    // requests at work at a time
	// Open opens the models that bodies name, once, before anything runs.
	Open func(names []string) (*Models, error)
	// Retry runs again what failed in an earlier run. Failures of the machine (5xx) are
	// run again in any case.
	Retry     bool
	MaxErrors int           // failures after which the run stops; 0 is without limit
	Grace     time.Duration // for requests at work where ctx ends
	Told      func(Event)   // called from one goroutine, with each answer, and with none in between
}

// Models are those that a run's bodies name.
type Models struct {
	Server Server
	// Names are those by which the server has them, in the order of the names that
	// Open got. "" is a model that is not there.
	Names []string
	// Settings are, in the same order, the model and all settings that decide texts.
	Settings []string
	Close    func() error
}

// Event is how far a run is.
type Event struct {
	Total, Kept  int // requests of the shard, and those that an earlier run answered
	Done, Failed int // of this run
	Prompt, Made int64
	Elapsed      time.Duration
	KeptFailed   int
	Cut          int64 // bytes of a torn line that was cut from the output
	Again        int   // failed requests of an earlier run that run again
	Lockless     error // the output's file system cannot keep other processes away
	CustomID     string
	Status       int    // of CustomID's answer
	Message      string // of its error
}

// Rate is the tokens of replies a second.
func (e *Event) Rate() float64 {
	if e.Elapsed <= 0 {
		return 0
	}
	return float64(e.Made) / e.Elapsed.Seconds()
}

// Left is about the time to the end, 0 where nobody knows.
func (e *Event) Left() time.Duration {
	if e.Done == 0 {
		return 0
	}
	return time.Duration(float64(e.Elapsed) / float64(e.Done) * float64(e.Total-e.Kept-e.Done))
}

// Errors of runs.
var (
	// ErrFailures says that every request has its line, and that some are failures.
	ErrFailures = errors.New("failed")
	// ErrStopped says that ctx ended before all requests were answered.
	ErrStopped = errors.New("stopped before the end")
)

// Bounds of a run.
const (
	inHand   = 16 << 20    // bytes of requests at work, beside the first
	inRow    = 20          // failures of the machine one after another after which the run stops
	syncEach = time.Second // the output is brought to the disk as often
)

// runner is a run.
type runner struct {
	o     *Options
	x     *index
	m     *Models
	out   *output
	plan  *plan
	e     Event
	begin time.Time
	work  int // requests at work
	bytes int // of them
	row   int // failures of the machine since the last other answer
	ended chan result
}

// result is a request that ended.
type result struct {
	j      *job
	status int
	body   []byte
	err    error
}

// Run answers the requests of a file. It returns how far it came in any case. The error
// wraps ErrFailures where all were answered and some failed, and ErrStopped where ctx
// ended.
func Run(ctx context.Context, o Options) (Event, error) {
	x, err := openIndex(o.In, o.Shard, func(m *mistake) error { return fmt.Errorf("%w; mil batch check lists all mistakes", m) })
	if err != nil {
		return Event{}, err
	}
	defer x.close()
	m, err := o.Open(x.models)
	if err != nil {
		return Event{}, err
	}
	r := &runner{o: &o, x: x, m: m, ended: make(chan result)}
	err = r.run(ctx)
	r.e.Elapsed = time.Since(r.begin)
	return r.e, errors.Join(err, m.Close())
}

func (r *runner) run(ctx context.Context) (err error) {
	sums := make([]runSum, len(r.m.Settings))
	for i, s := range r.m.Settings {
		sums[i] = sumOf(s, r.o.Seed)
	}
	if r.out, err = openOutput(r.o.Out, r.x, func(model int32) runSum { return sums[model] }, r.o.Retry); err != nil {
		return err
	}
	r.plan = newPlan(r.x)
	k := &r.out.kept
	r.e = Event{Total: k.Answers + len(r.plan.left), Kept: k.Answers, KeptFailed: k.Failed, Cut: k.Cut, Again: k.Again, Lockless: k.lockless}
	r.begin = time.Now()
	r.tell("", 0, "")
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	saver := newSaver(r.out)
	err = r.loop(ctx, work, cut, saver, sums)
	cut()
	for ; r.work > 0; r.work-- {
		<-r.ended
	}
	// Joined lists the errors of one cause on several lines; the first is enough.
	if end := saver.end(); err == nil || errors.Is(err, ErrStopped) || errors.Is(err, ErrFailures) {
		err = first(end, err)
	}
	return first(err, r.out.close())
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// loop hands out requests and writes their answers until all are, or one thing stops it.
func (r *runner) loop(ctx, work context.Context, cut func(), saver *saver, sums []runSum) error {
	ahead := r.o.Streams + r.o.Streams/4 + 2 // so that a stream that ends is followed at once
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	stopping, grace := ctx.Done(), (<-chan time.Time)(nil)
	for {
		for stopping != nil && r.work < ahead && (r.work == 0 || r.bytes < inHand) {
			j, err := r.plan.next(ahead)
			if err != nil {
				return err
			}
			if j == nil {
				break
			}
			r.start(work, j)
		}
		if r.work == 0 {
			return r.over()
		}
		select {
		case x := <-r.ended:
			r.work--
			r.bytes -= x.j.bytes
			x.j.group.done++
			if err := r.answered(x, sums, saver); err != nil {
				return err
			}
		case err := <-saver.failed:
			return err
		case <-tick.C:
			r.tell("", 0, "")
		case <-stopping:
			stopping = nil
			t := time.NewTimer(r.o.Grace)
			defer t.Stop()
			grace = t.C
		case <-grace:
			cut()
		}
	}
}

// over says how a run ended that has nothing at work any more.
func (r *runner) over() error {
	bad := r.e.Failed + r.e.KeptFailed
	switch {
	case !r.plan.over() || r.e.Kept+r.e.Done < r.e.Total:
		return fmt.Errorf("%w: %d of %d requests are answered; the same command goes on", ErrStopped, r.e.Kept+r.e.Done, r.e.Total)
	case bad > 0:
		return fmt.Errorf("%d of %d requests %w; their lines in %s say why", bad, r.e.Total, ErrFailures, r.o.Out)
	}
	return nil
}

// start begins a request.
func (r *runner) start(ctx context.Context, j *job) {
	r.work++
	r.bytes += j.bytes
	e := &r.x.entries[j.i]
	body, no := j.r.prepare(r.m.Names[e.model], r.o.Seed)
	j.r.Body = nil
	go func() {
		if no != nil {
			r.ended <- result{j, no.status, no.body, nil}
			return
		}
		status, answer, err := r.m.Server.Local(ctx, j.r.URL, body)
		r.ended <- result{j, status, answer, err}
	}()
}

// answered writes an answer. A request that was dropped has none.
func (r *runner) answered(x result, sums []runSum, saver *saver) error {
	if x.err != nil {
		if errors.Is(x.err, context.Canceled) {
			return nil
		}
		return fmt.Errorf("the request %s: %w", x.j.r.CustomID, x.err)
	}
	code, message := "", ""
	if x.status >= 400 {
		code, message = reason(x.body)
	}
	if code == "model_not_loaded" {
		return errors.New(message)
	}
	e := &r.x.entries[x.j.i]
	line, err := newAnswer(x.j.r.CustomID, e, sums[e.model], x.status, x.body).line()
	if err != nil {
		return err
	}
	if err := saver.append(line); err != nil {
		return fmt.Errorf("%w; %d of %d requests are answered, and the same command goes on", err, r.e.Kept+r.e.Done, r.e.Total)
	}
	prompt, made := usage(x.body)
	r.e.Prompt, r.e.Made = r.e.Prompt+prompt, r.e.Made+made
	r.e.Done++
	if x.status >= 400 {
		r.e.Failed++
	}
	r.tell(x.j.r.CustomID, x.status, message)
	return r.enough(x.status, message)
}

// enough says why a run must not go on after a failure.
func (r *runner) enough(status int, message string) error {
	if status < http.StatusInternalServerError {
		r.row = 0
	} else if r.row++; r.row == inRow {
		return fmt.Errorf("%d requests failed one after another, the last one by: %s; the same command runs them again", inRow, message)
	}
	if r.o.MaxErrors > 0 && r.e.Failed >= r.o.MaxErrors && r.e.Kept+r.e.Done < r.e.Total {
		return fmt.Errorf("%d requests failed, which is --max-errors; %d of %d are answered, the last failure: %s", r.e.Failed, r.e.Kept+r.e.Done, r.e.Total, message)
	}
	return nil
}

// tell reports how far the run is.
func (r *runner) tell(customID string, status int, message string) {
	if r.o.Told == nil {
		return
	}
	e := r.e
	e.Elapsed = time.Since(r.begin)
	e.CustomID, e.Status, e.Message = customID, status, message
	r.o.Told(e)
}
