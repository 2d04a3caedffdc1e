//go:build linux || darwin

package repl

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// state is a terminal's as it was found.
type state struct{ unix.Termios }

func stateOf(f *os.File) (*state, error) {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return nil, err
	}
	return &state{*t}, nil
}

// set puts the terminal into a mode. Keys typed before stay.
func (s *state) set(f *os.File, m mode) error {
	t := s.Termios
	if m != found {
		t.Iflag &^= unix.ICRNL | unix.INLCR | unix.IGNCR | unix.ISTRIP | unix.IXON
		t.Oflag |= unix.OPOST | unix.ONLCR
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
		t.Lflag |= unix.ISIG | unix.NOFLSH // NOFLSH: a Ctrl-C throws nothing away
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	}
	if m == editing {
		t.Cc[unix.VINTR], t.Cc[unix.VQUIT] = noChar, noChar
	}
	return unix.IoctlSetTermios(int(f.Fd()), setTermios, &t)
}

func sizeOf(f *os.File) (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(w.Col), int(w.Row)
}

// foreground says whether the terminal is ours at present.
func foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

func raise(s os.Signal) { unix.Kill(os.Getpid(), s.(syscall.Signal)) }

// heard are the signals a chat on a terminal hears.
func heard() []os.Signal {
	list := []os.Signal{os.Interrupt, unix.SIGTERM, unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT}
	if !signal.Ignored(unix.SIGHUP) {
		list = append(list, unix.SIGHUP)
	}
	return list
}

func (c *console) signal(s os.Signal) {
	switch s {
	case unix.SIGWINCH:
		c.resized()
	case unix.SIGTSTP:
		// Go does not give SIGTSTP its default action back. SIGTTOU still has its own,
		// the same: the system stops us unless nobody could continue us.
		c.suspend(unix.SIGTTOU, unix.SIGCONT)
		c.again()
	case unix.SIGCONT:
		c.again()
	case os.Interrupt:
		c.interrupt()
	default:
		c.mu.Lock()
		c.die(s)
		c.mu.Unlock()
	}
}

// spare is how many columns at the edge stay empty: none, a row breaks behind the
// last.
const spare = 0
