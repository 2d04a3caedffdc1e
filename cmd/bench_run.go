package cmd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/internal/probe"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

// Reading is measured over the weights themselves where they are much larger
// than any cache, and over probeBytes of other memory otherwise. At most readBytes
// are read at a time.
const (
	probeBytes = 256 << 20
	readBytes  = 512 << 20
)

// multiplyTime is how long each measure of multiplying takes.
const multiplyTime = 100 * time.Millisecond

// bench is one model being measured.
type bench struct {
	*benchFlags
	b       benchmark
	m       *model.Model
	s       *llm.Timeline
	backend string
	rates   *probe.Machine
	memory  []byte       // that it reads
	unread  []byte       // of it, this time around
	other   *host.Buffer // where that is not the file
	filler  []int32
	reads   []float64 // repeated measures of the machine's rates of reading and multiplying
	macs    []float64
	note    func(string) // progress
}

// model measures one file, the demo for "".
func (f *benchFlags) model(path string, errs io.Writer) (benchmark, error) {
	file, err := openModel(path)
	if err != nil {
		return benchmark{}, err
	}
	defer file.Close()
	b := &bench{benchFlags: f, note: noter(errs)}
	if b.m, err = model.Open(file); err != nil {
		return benchmark{}, err
	}
	if path == "" {
		path = demo.Name
	}
	b.b = benchmark{Model: path, Architecture: b.m.Config.Arch, FileBytes: int64(len(file.Mapping()))}
	b.b.BytesPerToken, b.b.MACsPerToken = b.m.PerToken()
	defer b.note("")
	f.depths = slices.Compact(slices.Sorted(slices.Values(f.depths)))
	if err := b.start(file, errs); err != nil {
		return benchmark{}, file.Named(err)
	}
	defer b.close()
	if err := b.all(); err != nil {
		return benchmark{}, file.Named(err)
	}
	b.b.Backend = b.backend
	reads, _ := median(b.reads)
	macs, _ := median(b.macs)
	b.b.ReadGBs, b.b.Int8GMACs = reads/1e9, macs/1e9
	return b.b, nil
}

// start opens the session and the means to measure the machine.
func (b *bench) start(file *format.File, errs io.Writer) (err error) {
	b.context = b.depths[len(b.depths)-1] + max(b.prompt, b.gen, b.rowsFeed(), b.besideContext())
	if declared := b.m.Config.Context; b.context > declared {
		show.Fprintf(errs, "mil: warning: %s declares %d tokens of context, and %d are timed\n", b.b.Model, declared, b.context)
	}
	b.warn = errs
	if b.s, err = b.timeline(b.m, b.context); err != nil {
		return err
	}
	on, err := b.on().Backend()
	if err != nil {
		return err
	}
	b.backend = on.Name()
	set := kernel.Best()
	if b.isa == "go" {
		set = nil
	} else if b.isa != "" {
		if set, err = kernel.ByName(b.isa); err != nil {
			return err
		}
	}
	b.b.ISA = "go"
	if set != nil {
		b.b.ISA = set.Name
	}
	if b.b.Threads = min(b.threads, runtime.GOMAXPROCS(0)); b.threads == 0 {
		b.b.Threads, _ = devices.Threads()
	}
	b.rates = probe.New(b.b.Threads, set)
	if b.memory = file.Mapping(); len(b.memory) < probeBytes {
		buf, err := host.Allocate(probeBytes)
		if err != nil {
			return err
		}
		b.other, b.memory = buf, buf.Bytes()
		for i := 0; i < len(b.memory); i += 4096 {
			b.memory[i] = 1 // a page that nobody wrote to is one shared page of zeros
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	b.filler = make([]int32, b.context)
	for i := range b.filler {
		b.filler[i] = int32(random.IntN(b.s.Vocab()))
	}
	return nil
}

func (b *bench) close() {
	b.s.Close()
	if b.other != nil {
		b.other.Free()
	}
}

// all measures every depth.
func (b *bench) all() error {
	b.note("how fast the machine is")
	b.unread = b.memory
	if err := format.Guard(func() { b.rates.Learn(b.memory) }); err != nil {
		return err
	}
	if len(b.streams) > 0 {
		part := b.memory[:min(len(b.memory), readBytes)]
		if err := format.Guard(func() { b.reads = []float64{float64(len(part)) / b.rates.Read(part).Seconds()} }); err != nil {
			return err
		}
		b.macs = []float64{b.rates.Multiply(multiplyTime)}
		return b.together()
	}
	for _, depth := range b.depths {
		r, err := b.depth(depth)
		if err != nil {
			return err
		}
		b.b.Results = append(b.b.Results, r)
	}
	return nil
}

// depth measures at one depth. Every run begins from the same state.
func (b *bench) depth(depth int) (benchResult, error) {
	r := benchResult{Depth: depth, PromptTokens: b.prompt, GenTokens: b.gen}
	b.note(fmt.Sprintf("%s: reading %d tokens", b.b.Model, depth))
	if n := len(b.s.Tokens()); depth > n {
		if _, err := b.s.Feed(b.filler[n:depth], model.WantNone); err != nil {
			return r, err
		}
	}
	begin, err := b.s.Snapshot()
	if err != nil {
		return r, err
	}
	kv, state := b.m.Memory(b.of(b.context))
	r.ReadBytes = b.b.BytesPerToken + kv/int64(b.context)*int64(depth+b.gen/2) + state
	var prompts, gens, promptShares, genShares []float64
	for run := range b.runs + 1 {
		b.note(fmt.Sprintf("%s: depth %d, run %d of %d", b.b.Model, depth, run, b.runs))
		prompt, macs, err := b.promptRun(depth)
		if err != nil {
			return r, err
		}
		if err := b.s.Restore(begin); err != nil {
			return r, err
		}
		gen, reads, err := b.genRun(depth)
		if err != nil {
			return r, err
		}
		if err := b.s.Restore(begin); err != nil {
			return r, err
		}
		if run > 0 { // the first warms up
			prompts, gens = append(prompts, prompt), append(gens, gen)
			promptShares = append(promptShares, prompt*float64(b.b.MACsPerToken)/macs)
			genShares = append(genShares, gen*float64(r.ReadBytes)/reads)
			b.macs, b.reads = append(b.macs, macs), append(b.reads, reads)
		}
	}
	r.PromptTokS, r.PromptSpread = median(prompts)
	r.GenTokS, r.GenSpread = median(gens)
	if b.backend == devices.CPU { // the processor's rates bound nothing else
		r.PromptShare, _ = median(promptShares)
		r.GenShare, _ = median(genShares)
	}
	if err := b.gauge(&r); err != nil {
		return r, err
	}
	if r.Rows, err = b.rowsRun(depth); err != nil {
		return r, err
	}
	return r, b.s.Restore(begin)
}

// gauge asks a card for the parts of a token's time.
func (b *bench) gauge(r *benchResult) error {
	if b.gen == 0 {
		return nil
	}
	g, ok, err := b.s.Gauge()
	if !ok || err != nil {
		return err
	}
	r.GPU, r.HostMicros = &g, 1e6*(1/r.GenTokS-g.Pass)
	return nil
}

// promptRun reads a prompt. It returns its tokens a second, and the machine's
// multiply-adds a second just before and after.
func (b *bench) promptRun(depth int) (speed, macs float64, err error) {
	macs = b.rates.Multiply(multiplyTime)
	if b.prompt == 0 {
		return 0, macs, nil
	}
	begin := time.Now()
	_, err = b.s.Feed(b.filler[depth:depth+b.prompt], model.WantLast)
	speed = float64(b.prompt) / time.Since(begin).Seconds()
	return speed, (macs + b.rates.Multiply(multiplyTime)) / 2, err
}

// genRun generates greedily. It returns tokens a second, and the machine's
// bytes read a second before, between and after eighths of the tokens (on a
// card before and after all). The choice of tokens is timed with the rest only
// where rows of logits are ranked as they are made.
func (b *bench) genRun(depth int) (speed, reads float64, err error) {
	var total, reading time.Duration
	n := 0.0
	read := func() error {
		part := b.unread[:min(len(b.unread), readBytes)]
		if b.unread = b.unread[len(part):]; len(b.unread) < probeBytes {
			b.unread = b.memory
		}
		n += float64(len(part))
		return format.Guard(func() { reading += b.rates.Read(part) })
	}
	token, ranks := []int32{b.filler[depth]}, b.s.Ranks()
	for i := range b.gen {
		if i == 0 || i%max(1, b.gen/8) == 0 && b.backend == devices.CPU {
			if err := read(); err != nil {
				return 0, 0, err
			}
		}
		begin := time.Now()
		if ranks {
			top, err := b.s.FeedRanked(token, model.WantLast, backend.Ranking{})
			if err != nil {
				return 0, 0, err
			}
			token[0] = top[0].Tokens[0]
			total += time.Since(begin)
			continue
		}
		logits, err := b.s.Feed(token, model.WantLast)
		total += time.Since(begin)
		if err != nil {
			return 0, 0, err
		}
		token[0] = best(logits)
	}
	if err := read(); err != nil || b.gen == 0 {
		return 0, n / reading.Seconds(), err
	}
	return float64(b.gen) / total.Seconds(), n / reading.Seconds(), nil
}

// best is the first token with the largest logit.
func best(logits []float32) int32 {
	at := 0
	for i, v := range logits {
		if v > logits[at] {
			at = i
		}
	}
	return int32(at)
}

// median is the middle of some values, and their spread divided by it.
func median(v []float64) (mid, spread float64) {
	slices.Sort(v)
	if mid = v[len(v)/2]; len(v)%2 == 0 {
		mid = (mid + v[len(v)/2-1]) / 2
	}
	if mid > 0 {
		spread = (v[len(v)-1] - v[0]) / mid
	}
	return mid, spread
}
