//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// screen is a terminal with a program in it.
type screen struct {
	a      *abuse
	master *os.File
	cmd    *exec.Cmd
	ended  chan error

	mu  sync.Mutex
	out bytes.Buffer
}

// open starts mil in a terminal of its own.
func (a *abuse) screen(args ...string) (*screen, error) {
	a.count++
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	var n int
	control, err := master.SyscallConn() // Fd would make it block, and reads outlast Close
	if err != nil {
		return nil, err
	}
	control.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		return nil, err
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	s := &screen{a: a, master: master, ended: make(chan error, 1)}
	s.cmd = a.command(context.Background(), call{args: args})
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := s.master.Read(b)
			s.mu.Lock()
			s.out.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { s.ended <- s.cmd.Wait() }()
	return s, nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// await waits until the screen has shown a text n times, or with another
// one together.
func (s *screen) await(text string, times int, or ...string) {
	shown := func() (n int) {
		for _, t := range append(or, text) {
			n += strings.Count(s.text(), t)
		}
		return n
	}
	for end := time.Now().Add(patience); shown() < times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.a.fail("a terminal never showed %q; %.300q", text, s.text())
			return
		}
	}
}

func (s *screen) typed(text string) { s.master.WriteString(text) }

// gone waits for the program's end.
func (s *screen) gone(what string) {
	defer s.master.Close()
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		s.a.fail("%s: mil goes on running", what)
		s.cmd.Process.Kill()
		<-s.ended
	}
	if t := s.text(); strings.Contains(t, "goroutine ") || strings.Contains(t, "panic:") {
		s.a.fail("%s: it crashed: %.2000q", what, t)
	}
}

const (
	asking   = "\x1b[?2004h" // comes with every prompt
	story    = "Tell me a story.\r"
	begun    = "Once upon"
	ctrlC    = "\x03"
	ctrlD    = "\x04"
	stopped  = "stopped"
	goodbyes = "/quit\r"
)

// terminals closes terminals at every stage, and interrupts in them.
func terminals(a *abuse) {
	open := func(args ...string) *screen {
		s, err := a.screen(append([]string{"chat", "--temp", "0"}, args...)...)
		if err != nil {
			a.fail("no terminal: %v", err)
			return nil
		}
		return s
	}
	stages := []struct {
		name string
		do   func(s *screen)
	}{
		{"at once", func(s *screen) {}},
		{"at the prompt", func(s *screen) { s.await(asking, 1) }},
		{"in a line", func(s *screen) { s.await(asking, 1); s.typed("half a li") }},
		{"inside quotes", func(s *screen) { s.await(asking, 1); s.typed("\"\"\"\rtext\r"); s.await(asking, 3) }},
		{"in a reply", func(s *screen) { s.await(asking, 1); s.typed(story); s.await(begun, 1) }},
		{"after a reply", func(s *screen) { s.await(asking, 1); s.typed("What is 2 plus 3?\r"); s.await(asking, 2) }},
	}
	for _, stage := range stages {
		if s := open(); s != nil { // the terminal's end
			stage.do(s)
			s.master.Close()
			s.gone("a terminal closed " + stage.name)
		}
		if s := open(); s != nil { // and where nobody hears of it
			stage.do(s)
			s.cmd.Process.Signal(syscall.SIGHUP)
			s.gone("SIGHUP " + stage.name)
		}
		if s := open(); s != nil {
			stage.do(s)
			s.cmd.Process.Signal(syscall.SIGTERM)
			s.gone("SIGTERM " + stage.name)
		}
	}
	// Without a signal, as under nohup: reading fails, and that is the end.
	if s := a.ignoringHangup(); s != nil {
		s.await(asking, 1)
		s.master.Close()
		s.gone("a terminal closed under nohup")
	}
	a.interrupts(open)
	a.escapes()
}

// escapes has a model without sense print every byte there is: a terminal gets
// no control character of it, a pipe gets it as it is.
func (a *abuse) escapes() {
	args := []string{"run", a.convertFixture("llama", "q8_0"), "--temp", "50", "--top-k", "0", "--top-p", "1", "--seed", "8", "--max-tokens", "400", "--ctx", "512", "x"}
	controls := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t", r) })
	}
	if o := a.works(call{args: args}); !controls(o.out) {
		a.fail("a model of every byte prints no control character to a pipe: %.200q", o.out)
	}
	s, err := a.screen(args...)
	if err != nil {
		a.fail("no terminal: %v", err)
		return
	}
	<-s.ended
	s.ended <- nil
	time.Sleep(50 * time.Millisecond) // what was printed last
	if t := s.text(); controls(t) || len(t) < 100 {
		a.fail("a model's control characters reach a terminal: %.300q", t)
	}
	s.gone("a model of every byte")
}

// ignoringHangup is a chat that no hangup ends.
func (a *abuse) ignoringHangup() *screen {
	mil := a.mil
	defer func() { a.mil = mil }()
	script := a.path("ignoring")
	must(0, os.WriteFile(script, []byte("#!/bin/sh\ntrap '' HUP\nexec '"+mil+"' \"$@\"\n"), 0o700))
	a.mil = script
	s, err := a.screen("chat")
	if err != nil {
		a.fail("no terminal: %v", err)
	}
	return s
}

// interrupts presses Ctrl-C at every stage: a reply ends, the chat does not.
func (a *abuse) interrupts(open func(args ...string) *screen) {
	s := open()
	if s == nil {
		return
	}
	s.await(asking, 1)
	s.typed("half" + ctrlC)
	s.await("leaves", 2) // once in the greeting
	s.typed("\"\"\"\rtext\r")
	s.await(asking, 4)
	s.typed(ctrlC)
	s.await(asking, 5)
	for i := range a.some(2, 20) {
		s.typed(story)
		s.await(begun, 2*i+1)
		s.typed(ctrlC)
		s.await(stopped, 2+i+1, "leaves") // the reply may have ended
		s.typed("/regen\r")
		s.await(begun, 2*i+2)
		s.typed("What is 2 plus 3?\r")
		s.await("2 + 3 = ", i+1)
		s.typed("/reset\r")
		s.await("begins anew", i+1)
	}
	s.typed(goodbyes)
	s.gone("interrupts")
	// A prompt of thousands of tokens, interrupted while it is read. Ctrl-Space
	// before it is no end of the input.
	if s := open("--ctx", "65536"); s != nil {
		s.await(asking, 1)
		s.typed("\x00\x1b[200~" + strings.Repeat("Tell me about the fox. ", 2500) + "\x1b[201~")
		s.await("▤", 1)
		s.typed("\r")
		s.await("characters with the pasted text", 1)
		s.typed(ctrlC)
		s.await("taken back", 1)
		s.await(asking, 2)
		s.typed(ctrlC) // the text is there again
		s.await(asking, 3)
		s.typed(ctrlD)
		s.gone("a prompt interrupted")
	}
}
