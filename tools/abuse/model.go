//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// talk is a chat in a pipe that goes on while things happen.
type talk struct {
	a     *abuse
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	errs  bytes.Buffer
	ctx   context.Context
	end   context.CancelFunc
}

func (a *abuse) talk(args ...string) *talk {
	t := &talk{a: a, lines: make(chan string, 1)}
	t.ctx, t.end = context.WithTimeout(context.Background(), 5*patience) // for as many turns as it may be
	t.cmd = a.command(t.ctx, call{args: append([]string{"chat", "--temp", "0"}, args...)})
	t.cmd.Stderr = &t.errs
	t.in = must(t.cmd.StdinPipe())
	out := must(t.cmd.StdoutPipe())
	must(0, t.cmd.Start())
	go func() {
		defer close(t.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			t.lines <- s.Text()
		}
	}()
	return t
}

// say sends a message and returns the reply's line, "" where the chat ended.
func (t *talk) say(text string) string {
	io.WriteString(t.in, text+"\n")
	select {
	case line := <-t.lines:
		return line
	case <-time.After(patience):
		t.a.fail("no reply to %q", text)
		return ""
	}
}

// close ends the input and waits for the chat's end.
func (t *talk) close() outcome {
	defer t.end()
	t.in.Close()
	for range t.lines { // to its end
	}
	return ended(t.ctx, t.cmd.Wait(), "", t.errs.String())
}

// changingModels changes a model's file while a chat runs on it. The chat goes
// on where the system can still read it, and ends with one clear line where
// not.
func changingModels(a *abuse) {
	const question, reply = "What is 2 plus 3?", "2 + 3 = 5."
	path := a.path("m.bin")
	a.works(call{args: []string{"convert", a.demoFolder(), "-o", path, "--type", "q8_0"}})
	good := must(os.ReadFile(path))
	for _, c := range []struct {
		name   string
		change func() error
		ends   bool // the chat, with an error
	}{
		{"unlinked", func() error { return os.Remove(path) }, false},
		{"replaced by another file", func() error {
			must(0, os.WriteFile(path+".new", make([]byte, len(good)), 0o600))
			return os.Rename(path+".new", path)
		}, false},
		{"cut to nothing", func() error { return os.Truncate(path, 0) }, true},
		{"cut within the header", func() error { return os.Truncate(path, 5000) }, true},
		{"cut in half", func() error { return os.Truncate(path, int64(len(good)/2)) }, true},
		{"emptied and refilled", func() error { return os.WriteFile(path, good, 0o600) }, false},
		{"made unreadable", func() error { return os.Chmod(path, 0) }, false},
	} {
		a.count++
		os.Remove(path)
		must(0, os.WriteFile(path, good, 0o600))
		t := a.talk(path)
		if got := t.say(question); got != reply {
			a.fail("%s: %q before anything happened", c.name, got)
		}
		must(0, c.change())
		got := t.say(question)
		o := t.close()
		wrong := o.sane()
		if wrong == "" && c.ends != (o.code == 1) {
			wrong = "it should have ended otherwise"
		}
		if wrong != "" || !c.ends && got == "" {
			a.fail("a model %s under a chat: %s; reply %q, %v", c.name, wrong, got, o)
		}
	}
	a.overwritten(path, good)
}

// overwritten puts garbage over the weights of a running chat. The replies are
// nonsense, which nobody can know, but there is no crash.
func (a *abuse) overwritten(path string, good []byte) {
	for range a.some(2, 20) {
		a.count++
		must(0, os.WriteFile(path, good, 0o600))
		t := a.talk(path, "--max-tokens", "16")
		t.say("hi")
		f := must(os.OpenFile(path, os.O_RDWR, 0))
		noise := make([]byte, len(good)/2)
		for i := range noise {
			noise[i] = byte(a.rand.Uint32())
		}
		f.WriteAt(noise, int64(a.rand.IntN(len(good)/2)))
		f.Close()
		t.say("hi")
		if wrong := t.close().sane(); wrong != "" {
			a.fail("a model overwritten under a chat: %s", wrong)
		}
	}
}
