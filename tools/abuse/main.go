//go:build linux

// Command abuse treats a built mil the way a bad day would: damaged files,
// kills, full disks, models that change under it, absurd prompts, terminals
// that vanish. It fails where anything is lost, where mil crashes or hangs, or
// where it prints more or less than one clear line.
//
//	go build -o mil . && go run ./tools/abuse [-short] [-only PART] [-seed N] [-share I -of N]
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// abuse is one run of the program.
type abuse struct {
	mil      string // absolute path of the binary
	data     string // the repository's testdata
	dir      string // for the part at hand, empty when it begins
	short    bool
	rand     *rand.Rand
	seed     uint64
	share    int // of the bytes of headers and of the prompts, which are many,
	of       int // and how many shares there are
	count    int // things done
	failures int
}

// parts are the tests, in this order.
var parts = []struct {
	name string
	run  func(a *abuse)
}{
	{"damaged models", damagedModels},
	{"damaged checkpoints", damagedCheckpoints},
	{"mutations", mutations},
	{"absurd counts", bombs},
	{"killed while writing", killedWriting},
	{"interrupted", interrupted},
	{"full disks", fullDisks},
	{"read-only folders", readOnly},
	{"sessions", sessions},
	{"files in use", owners},
	{"prompt caches", caches},
	{"models that change", changingModels},
	{"prompts", prompts},
	{"endless inputs", endless},
	{"names with escapes", names},
	{"servers", servers},
	{"files of servers", serverFiles},
	{"terminals that vanish", terminals},
	{"many turns", manyTurns},
	{"sliding soak", slidingSoak},
}

func main() {
	// A signal that nohup ignored stays ignored in our child processes, unless
	// we take it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	a := &abuse{}
	var only string
	var seed uint64
	flag.StringVar(&a.mil, "mil", "./mil", "the binary to mistreat")
	flag.StringVar(&a.data, "data", "testdata", "the repository's testdata")
	flag.BoolVar(&a.short, "short", false, "a sample of everything, in some seconds")
	flag.StringVar(&only, "only", "", "the parts whose names contain this")
	flag.Uint64Var(&seed, "seed", 1, "of the choices")
	flag.IntVar(&a.share, "share", 1, "which of the -of shares of the bytes of headers and of the prompts to try")
	flag.IntVar(&a.of, "of", 1, "how many shares there are")
	flag.Parse()
	for _, p := range []*string{&a.mil, &a.data} {
		var err error
		if *p, err = filepath.Abs(*p); err == nil {
			_, err = os.Stat(*p)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "abuse:", err)
			os.Exit(2)
		}
	}
	limitMemory()
	for i, p := range parts {
		if !strings.Contains(p.name, only) {
			continue
		}
		a.seed, a.rand = seed, rand.New(rand.NewPCG(seed, uint64(i)))
		a.part(p.name, p.run)
	}
	if a.failures > 0 {
		fmt.Printf("%d failures\n", a.failures)
		os.Exit(1)
	}
}

// part runs one part in a folder of its own.
func (a *abuse) part(name string, run func(*abuse)) {
	dir, err := os.MkdirTemp("", "mil-abuse-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "abuse:", err)
		os.Exit(2)
	}
	defer os.RemoveAll(dir)
	a.dir, a.count = dir, 0
	start := time.Now()
	run(a)
	fmt.Printf("%-22s %6d done, %.1f s\n", name, a.count, time.Since(start).Seconds())
}

// fail reports a fault of mil.
func (a *abuse) fail(format string, args ...any) {
	a.failures++
	fmt.Printf("FAILED: "+format+"\n", args...)
}

// must stops where abuse itself cannot go on.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// some is a number for the short form and one for the long.
func (a *abuse) some(short, long int) int {
	if a.short {
		return short
	}
	return long
}

// path is a file in the part's folder.
func (a *abuse) path(name string) string { return filepath.Join(a.dir, name) }
