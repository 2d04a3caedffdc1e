//go:build unix

package batch_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var kills = flag.Int("kills", 40, "kill mil batch so often (a quarter with -short)")

// A batch that is killed again and again loses nothing, answers nothing twice, and its
// texts are those of a run that nobody disturbs.
func TestKills(t *testing.T) {
	requests := mixed(48)
	in := write(t, requests)
	calm := filepath.Join(t.TempDir(), "calm.jsonl")
	run(t, 3, args(in, calm, "--streams", "1")...)
	want := texts(t, calm)
	if len(want) != 48 {
		t.Fatalf("%d answers", len(want))
	}
	n := *kills
	if testing.Short() {
		n /= 4
	}
	r := rand.New(rand.NewPCG(1, 2))
	out, killed, finished := "", 0, 0
	for done := true; killed < n || !done; {
		if done {
			out = filepath.Join(t.TempDir(), "out.jsonl")
		}
		answers := r.IntN(9)
		if killed >= n {
			answers = 1 << 30
		}
		before := len(texts(t, out))
		if done = killAt(t, answers, time.Duration(r.IntN(3000))*time.Microsecond, args(in, out, "--streams", fmt.Sprint(1+r.IntN(12)), "--json")...); done {
			same(t, texts(t, out), want)
			finished++
			continue
		}
		killed++
		if now := len(texts(t, out)); now < before+min(answers, 1) {
			t.Fatalf("kill %d: %d answers, before it %d, and %d were told", killed, now, before, answers)
		}
	}
	t.Logf("%d kills, %d runs to the end", killed, finished)
}

// killAt waits until mil has told of a number of answers, waits some time more, and
// kills it. It returns true if mil ended before that.
func killAt(t *testing.T, answers int, then time.Duration, args ...string) bool {
	t.Helper()
	c := mil(t, args...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for told := 0; told < answers && lines.Scan(); {
		if strings.Contains(lines.Text(), `"event":"answer"`) {
			told++
		}
	}
	time.Sleep(then)
	_ = c.Process.Kill() // it may have ended
	for lines.Scan() {
	}
	_ = c.Wait() // the state says more
	switch s := c.ProcessState.Sys().(syscall.WaitStatus); {
	case s.Signaled() && s.Signal() == syscall.SIGKILL:
		return false
	case s.ExitStatus() == 3:
		return true
	}
	t.Fatalf("mil ended with %v: %s", c.ProcessState, errs.String())
	return false
}

// A full disk stops a batch with one line. It leaves whole lines, and the batch goes on
// where there is room again.
func TestFullDisk(t *testing.T) {
	in := write(t, mixed(24))
	calm, out := filepath.Join(t.TempDir(), "calm.jsonl"), filepath.Join(t.TempDir(), "out.jsonl")
	run(t, 3, args(in, calm)...)
	st, err := os.Stat(calm)
	if err != nil {
		t.Fatal(err)
	}
	stops := 0
	for room := st.Size() / 20; ; room += st.Size() / 5 {
		c := mil(t, args(in, out, "--streams", "2")...)
		c.Env = append(c.Env, fmt.Sprint("MIL_BATCH_TEST_ROOM=", room))
		text, err := c.CombinedOutput()
		data, readErr := os.ReadFile(out)
		if readErr != nil || len(data) > 0 && data[len(data)-1] != '\n' {
			t.Fatalf("the output ends with %.100q, %v", data[max(0, len(data)-100):], readErr)
		}
		if c.ProcessState.ExitCode() == 3 {
			break
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if last := lines[len(lines)-1]; c.ProcessState.ExitCode() != 1 || !strings.HasPrefix(last, "mil: "+out+": file too large; ") || !strings.HasSuffix(last, " of 24 requests are answered, and the same command goes on") {
			t.Fatalf("with room for %d bytes: %v, %s", room, err, text)
		}
		if stops++; stops > 20 {
			t.Fatal("there is never enough room")
		}
	}
	if stops < 4 {
		t.Errorf("only %d stops", stops)
	}
	same(t, texts(t, out), texts(t, calm))
}

// limited bounds the size of the files that this process writes.
func init() {
	limited = func(room string) {
		n, err := strconv.ParseUint(room, 10, 64)
		if err == nil {
			err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n})
		}
		if err != nil {
			panic(err)
		}
	}
}

// SIGTERM ends a batch with status 75 and Ctrl-C with 130. What is answered stays, and
// the same command goes on.
func TestSignals(t *testing.T) {
	in := write(t, mixed(48))
	calm, out := filepath.Join(t.TempDir(), "calm.jsonl"), filepath.Join(t.TempDir(), "out.jsonl")
	run(t, 3, args(in, calm)...)
	for _, c := range []struct {
		signal os.Signal
		status int
	}{{syscall.SIGTERM, 75}, {os.Interrupt, 130}} {
		p := mil(t, args(in, out, "--streams", "1", "--grace", "0s", "--json")...)
		var errs strings.Builder
		p.Stderr = &errs
		events, err := p.StdoutPipe()
		if err == nil {
			err = p.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewScanner(events), ""
		for told := 0; lines.Scan(); {
			last = lines.Text()
			if strings.Contains(last, `"event":"answer"`) {
				if told++; told == 2 {
					_ = p.Process.Signal(c.signal) // it has not ended
				}
			}
		}
		_ = p.Wait() // the status says more
		if got := p.ProcessState.ExitCode(); got != c.status || !strings.Contains(errs.String(), "stopped before the end: ") || strings.Count(errs.String(), "\n") > 2 {
			t.Errorf("%v: status %d, %s", c.signal, got, errs.String())
		}
		if !strings.Contains(last, `"event":"end"`) || !strings.Contains(last, `"error":"stopped before the end`) {
			t.Errorf("%v: the last event is %s", c.signal, last)
		}
	}
	run(t, 3, args(in, out)...)
	same(t, texts(t, out), texts(t, calm))
}
