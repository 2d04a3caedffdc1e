package vt

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Program runs in a terminal of its own, as its session's leader.
type Program struct {
	*Screen
	Cmd    *exec.Cmd
	master *os.File
	ended  chan error
}

// Start starts a command in a terminal of w columns and h rows.
func Start(cmd *exec.Cmd, w, h int) (*Program, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	p := &Program{Screen: New(w, h), Cmd: cmd, master: master, ended: make(chan error, 1)}
	var n int
	if err := p.control(func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	}); err != nil {
		return nil, err
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	p.Resize(w, h)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			p.Screen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() { p.ended <- cmd.Wait() }()
	return p, nil
}

// control does something with the master's descriptor. Fd would make it block,
// and reads outlast Close.
func (p *Program) control(do func(fd int) error) error {
	c, err := p.master.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := c.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Resize makes the terminal another size, of which the program is told.
func (p *Program) Resize(w, h int) {
	p.Screen.Resize(w, h)
	p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(h), Col: uint16(w)})
	})
}

// Type sends keys.
func (p *Program) Type(keys string) { p.master.WriteString(keys) }

// patience is how long a screen may take on a busy machine. Nothing is measured
// by it.
const patience = 20 * time.Second

// Until waits until the screen is as ok says.
func (p *Program) Until(what string, ok func() bool) error {
	for end := time.Now().Add(patience); !ok(); time.Sleep(3 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("never %s; the screen:\n%s", what, p.Text())
		}
	}
	return nil
}

// Shows waits until the screen, or what has left it, holds a text n times.
func (p *Program) Shows(text string, times int) error {
	return p.Until(fmt.Sprintf("showed %q %d times", text, times), func() bool { return strings.Count(p.Text(), text) >= times })
}

// Echo says whether the terminal writes typed keys by itself.
func (p *Program) Echo() (on bool) {
	p.control(func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		on = err == nil && t.Lflag&unix.ECHO != 0
		return err
	})
	return on
}

// Wait waits for the program's end.
func (p *Program) Wait() error {
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.Cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("it does not end; the screen:\n%s", p.Text())
	}
}

// Close ends the program.
func (p *Program) Close() {
	p.Cmd.Process.Kill()
	p.master.Close()
}
