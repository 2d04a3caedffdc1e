//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mil-run/mil/format"
)

// cutShort starts a call and sends a signal at a random moment within its
// expected time.
func (a *abuse) cutShort(c call, expected time.Duration, s syscall.Signal) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := a.command(ctx, c)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	a.count++
	must(0, cmd.Start())
	after := time.AfterFunc(rand.N(expected), func() { cmd.Process.Signal(s) })
	defer after.Stop()
	return ended(ctx, cmd.Wait(), out.String(), errs.String())
}

// demoFolder is a checkpoint that takes a moment to convert.
func (a *abuse) demoFolder() string { return filepath.Join(a.data, "demo", "hybrid-mamba2") }

// timed is how long a call takes.
func (a *abuse) timed(c call) time.Duration {
	start := time.Now()
	a.works(c)
	return time.Since(start)
}

// killedWriting kills mil while it writes. The old file is there unharmed, or
// the new one is whole.
func killedWriting(a *abuse) {
	dir := a.path("models")
	must(0, os.Mkdir(dir, 0o700))
	out := filepath.Join(dir, "m.bin")
	convert := call{args: []string{"convert", a.demoFolder(), "-o", out, "--type", "q8_0"}}
	took := a.timed(convert)
	whole := func(what string) {
		f, err := format.Open(out)
		if err == nil {
			err = f.Verify(nil)
			f.Close()
		}
		if err != nil {
			a.fail("%s: %v", what, err)
		}
	}
	for range a.some(4, 60) {
		os.Remove(out)
		a.cutShort(convert, took, syscall.SIGKILL)
		if _, err := os.Stat(out); err == nil {
			whole("convert, killed")
		}
	}
	os.Remove(out)
	a.works(convert)
	a.leftovers("after kills and a conversion that ended", dir, "m.bin")
	again := convert
	again.args = append(again.args, "--force")
	for range a.some(4, 60) {
		a.cutShort(again, took, syscall.SIGKILL)
		whole("convert --force, killed")
	}
	a.works(again)
	a.leftovers("after kills and a conversion that ended", dir, "m.bin")
	a.killedSaving()
}

// killedSaving kills a chat that saves again and again.
func (a *abuse) killedSaving() {
	path := a.path("saved.json")
	chat := func() call {
		return call{args: []string{"chat", "--temp", "0"}, stdin: io.MultiReader(strings.NewReader("What is 2 plus 3?\n"),
			strings.NewReader(strings.Repeat("/save! "+path+"\n", 20000)))}
	}
	a.works(call{args: []string{"chat", "--temp", "0"}, stdin: strings.NewReader("What is 2 plus 3?\n/save " + path + "\n")})
	for range a.some(4, 60) {
		a.cutShort(chat(), 600*time.Millisecond, syscall.SIGKILL)
		var v []any
		if b, err := os.ReadFile(path); err != nil || json.Unmarshal(b, &v) != nil || len(v) != 2 {
			a.fail("/save, killed: %v, %.100q", err, b)
		}
	}
}

// interrupted sends the signals of Ctrl-C and a shutdown at every stage. A
// command with nothing to clean up may end by the signal.
func interrupted(a *abuse) {
	dir := a.path("models")
	must(0, os.Mkdir(dir, 0o700))
	text := a.path("text")
	must(0, os.WriteFile(text, []byte(strings.Repeat("The fox met a hare. ", a.some(40, 400))), 0o600))
	demo := a.path("demo.bin")
	a.works(call{args: []string{"convert", a.demoFolder(), "-o", demo, "--type", "q8_0"}})
	long := strings.Repeat("Tell me a story about a fox. ", 500)
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	for i, c := range []call{
		{args: []string{"convert", a.demoFolder(), "-o", filepath.Join(dir, "m.bin"), "--type", "q4_k_m"}},
		{args: []string{"imatrix", demo, "-f", text, "-o", filepath.Join(dir, "m.imatrix")}},
		{args: []string{"eval", "-f", text}},
		{args: []string{"run", "--max-tokens", "50", long}},
		{args: []string{"chat"}, stdin: strings.NewReader(strings.Repeat("Tell me a story.\n", 3))},
	} {
		stdin := ""
		if c.stdin != nil {
			stdin = string(must(io.ReadAll(c.stdin)))
		}
		again := func() call {
			c.stdin = nil
			if stdin != "" {
				c.stdin = strings.NewReader(stdin)
			}
			return c
		}
		took := min(a.timed(again()), 2*time.Second)
		if a.short {
			signals = []syscall.Signal{syscall.SIGINT, []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}[i%2]}
		}
		for _, s := range signals {
			for range a.some(1, 15) {
				for _, name := range []string{"m.bin", "m.imatrix"} {
					os.Remove(filepath.Join(dir, name))
				}
				o := a.cutShort(again(), took, s)
				if o.signal == s {
					o.signal, o.code = 0, 0
				}
				if wrong := o.sane(); wrong != "" {
					a.fail("mil %.100q, %v: %s; %v", c.args, s, wrong, o)
				}
				a.leftovers("mil "+c.args[0]+", "+s.String(), dir, "m.bin", "m.imatrix", "m.imatrix.part")
			}
		}
	}
}
