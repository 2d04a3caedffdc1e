//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of a run, whatever it is given. Time is the processor's, which other
// work on the machine does not lengthen. patience bounds the clock.
const (
	mostMemory = 1 << 30
	mostTime   = 10 * time.Second
	mostWords  = 64 << 10 // on standard error, warnings included
)

// target is a kind of file that mil reads, and the ways to read it.
type target struct {
	name    string
	weight  int    // how often it is mutated, beside others
	whole   []byte // a good one
	offsets []int  // of its numbers and lengths, for bytes
	// rewrite mutates the meaning of the bytes. It is nil where they are bytes
	// alone.
	rewrite func(r *rand.Rand, data []byte) []byte
	// mend makes checksums right again, so that the code behind them is
	// reached. The file keeps its length. It is nil where there are none.
	mend func(data []byte)
	// place puts the file where the calls look, in a folder whose other files
	// are those of around.
	around string
	place  func(dir string, data []byte)
	calls  []string // words, where DIR is that folder and OUT a file to write; after "<" standard input
	strict []string // those that must refuse what does not match its checksums
	// wrong says what is wrong with the end of a call that is sane, "" for nothing.
	wrong func(m mutation, call string, o outcome) string
}

// mutation is one mutated file.
type mutation struct {
	number  int
	data    []byte
	changed bool // is it other than the whole file?
	mended  bool
}

// mutations mutates every kind of file and makes mil read the outcome. Each
// mutation depends on the seed and its number alone.
func mutations(a *abuse) {
	targets := a.targets()
	total := a.some(150, 20000)
	all := 0
	for _, t := range targets {
		all += t.weight
	}
	type job struct {
		t *target
		n int
	}
	var jobs []job
	at := 0
	for _, t := range targets {
		jobs = append(jobs, job{t, whole})
		for n := range cmp.Or(t.weight*total/all, 1) {
			if at++; at%a.of == a.share-1 {
				jobs = append(jobs, job{t, n})
			}
		}
	}
	queue := make(chan job)
	var lock sync.Mutex // of a's counts
	var workers sync.WaitGroup
	for w := range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for j := range queue {
				failed, runs := a.mutate(j.t, j.n, filepath.Join(a.dir, fmt.Sprint("worker", w), j.t.name))
				lock.Lock()
				a.count += runs
				for _, f := range failed {
					a.fail("%s", f)
				}
				lock.Unlock()
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	workers.Wait()
}

// whole stands for the file that is not mutated. All calls must succeed with
// it, or they would say nothing about the others.
const whole = -1

// mutate makes one mutation of a target, runs mil on it, and says what failed.
func (a *abuse) mutate(t *target, n int, dir string) (failed []string, runs int) {
	h := fnv.New64a()
	fmt.Fprint(h, t.name)
	r := rand.New(rand.NewPCG(a.seed, h.Sum64()+uint64(n)))
	m := mutation{number: whole, data: t.whole}
	if n != whole {
		m = t.mutation(r, n)
	}
	if _, err := os.Stat(dir); err != nil {
		must(0, os.MkdirAll(dir, 0o700))
		if t.around != "" {
			must(0, os.CopyFS(dir, os.DirFS(t.around)))
			os.Remove(filepath.Join(dir, "expected.safetensors"))
		}
	}
	t.place(dir, m.data)
	for _, text := range t.chosen(r, m) {
		runs++
		wrong, o := a.mutated(t, m, dir, text)
		if wrong == "" && n == whole && o.code != 0 {
			wrong = "it fails with the whole file"
		}
		if wrong != "" {
			failed = append(failed, fmt.Sprintf("%s, mutation %d (%s): mil %.120s: %s; %v", t.name, n, a.keepMutation(t, m), text, wrong, o))
		}
	}
	return failed, runs
}

// chosen are one or two of the calls. A file with a wrong checksum goes to
// those that must see it.
func (t *target) chosen(r *rand.Rand, m mutation) []string {
	calls := slices.Clone(t.calls)
	if m.number == whole {
		return calls
	}
	if t.strict != nil && !m.mended && r.IntN(3) > 0 {
		calls = slices.Clone(t.strict)
	}
	r.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	return calls[:min(len(calls), 1+r.IntN(2))]
}

// mutated is one call on a mutated file, and the fault in its end.
func (a *abuse) mutated(t *target, m mutation, dir, text string) (wrong string, o outcome) {
	out := filepath.Join(dir, "..", "out-"+t.name)
	os.RemoveAll(out)
	must(0, os.MkdirAll(out, 0o700))
	line, stdin, _ := strings.Cut(text, "<")
	var c call
	for _, w := range strings.Fields(line) {
		c.args = append(c.args, strings.ReplaceAll(strings.ReplaceAll(w, "DIR", dir), "OUT", filepath.Join(out, "x.bin")))
	}
	c.stdin, c.bounded = strings.NewReader(strings.ReplaceAll(stdin, "DIR", dir)), true
	o = a.run(c)
	switch wrong = o.sane(); {
	case wrong == "exit status 2":
		wrong = "" // a flag that the file's content does not allow
	case wrong != "":
	case o.rss > mostMemory:
		wrong = fmt.Sprintf("it took %d MB of memory", o.rss>>20)
	case o.cpu > mostTime:
		wrong = fmt.Sprintf("it took %v of the processor", o.cpu)
	case len(o.err) > mostWords || slices.ContainsFunc(strings.Split(o.err, "\n"), func(l string) bool { return len(l) > longestLine }):
		wrong = fmt.Sprintf("%d bytes on standard error", len(o.err))
	case t.wrong != nil:
		wrong = t.wrong(m, strings.Fields(line)[0], o)
	}
	if left := must(os.ReadDir(out)); wrong == "" && o.code != 0 && len(left) > 0 {
		wrong = "it failed and left " + left[0].Name()
	}
	return wrong, o
}

// keepMutation keeps a file that mil does not survive.
func (a *abuse) keepMutation(t *target, m mutation) string {
	dir := filepath.Join(os.TempDir(), "mil-abuse-failed")
	path := filepath.Join(dir, fmt.Sprintf("%s-%d-%d", strings.NewReplacer(" ", "-", "'", "").Replace(t.name), a.seed, m.number))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err.Error()
	}
	if err := os.WriteFile(path, m.data, 0o600); err != nil {
		return err.Error()
	}
	return path
}

// mutation is the n-th mutation of a target.
func (t *target) mutation(r *rand.Rand, n int) mutation {
	offsets := t.offsets
	if r.IntN(2) == 0 {
		offsets = nil // anywhere
	}
	m := mutation{number: n, mended: t.mend != nil && r.IntN(2) > 0}
	switch {
	case m.mended:
		m.data = slices.Clone(t.whole)
		for range 1 + r.IntN(3) {
			inPlace(r, m.data, offsets)
		}
		m.changed = !bytes.Equal(m.data, t.whole)
		t.mend(m.data)
		return m
	case t.rewrite != nil && r.IntN(4) > 0:
		m.data = t.whole
		for range 1 + r.IntN(3) {
			m.data = t.rewrite(r, m.data)
		}
	default:
		m.data = t.whole
		for range 1 + r.IntN(2) {
			m.data = scramble(r, m.data, offsets)
		}
	}
	m.changed = !bytes.Equal(m.data, t.whole)
	return m
}
