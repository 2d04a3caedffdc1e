package repl

import (
	"io"
	"os"
	"os/signal"
	"sync"
	"time"
)

// mode is a terminal's way with keys.
type mode int

const (
	found   mode = iota // as the chat found it
	editing             // every key is ours, but Ctrl-Z
	working             // keys wait and are not shown; Ctrl-C and Ctrl-Z are signals
)

// pasteOn and pasteOff ask the terminal to mark pasted text.
const pasteOn, pasteOff = "\033[?2004h", "\033[?2004l"

// console is a terminal's modes, size and signals.
type console struct {
	in      *os.File
	out     io.Writer
	escapes bool
	resized func() // the terminal has another size
	resumed func() // the chat goes on after Ctrl-Z; others wrote to the terminal

	mu     sync.Mutex
	mode   mode
	before *state
	cancel func() // ends the reply in progress
	early  int    // Ctrl-C that no reply heard
	ch     chan os.Signal
	done   chan struct{}
}

// Open takes the terminal over.
func (c *console) Open() (err error) {
	if c.before, err = stateOf(c.in); err != nil {
		return err
	}
	c.ch, c.done = make(chan os.Signal, 16), make(chan struct{})
	signal.Notify(c.ch, heard()...)
	go func() {
		for {
			select {
			case s := <-c.ch:
				c.signal(s)
			case <-c.done:
				return
			}
		}
	}()
	return c.Set(working)
}

// Close gives the terminal back as it was.
func (c *console) Close() error {
	signal.Stop(c.ch)
	close(c.done)
	return c.Set(found)
}

// Set changes the mode.
func (c *console) Set(m mode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
	if m == editing {
		c.early = 0
	}
	return c.apply(m)
}

// Editing says whether a line is edited.
func (c *console) Editing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode == editing
}

func (c *console) apply(m mode) error {
	if err := c.before.set(c.in, m); err != nil {
		return err
	}
	switch {
	case !c.escapes:
	case m == editing:
		io.WriteString(c.out, pasteOn) // and on while a reply is made: pasted text waits whole
	case m == found:
		io.WriteString(c.out, pasteOff)
	}
	return nil
}

// Interruptible has Ctrl-C call cancel until stop is called. A Ctrl-C that came
// since the line ended counts.
func (c *console) Interruptible(cancel func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.early > 0 {
		cancel()
	}
	c.cancel = cancel
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cancel = nil
	}
}

// interrupt is a Ctrl-C outside a line. Where nothing can be interrupted the
// second one ends the chat.
func (c *console) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cancel != nil:
		c.cancel()
	case c.early > 0:
		c.die(os.Interrupt)
	}
	c.early++
}

// die ends the chat by a signal, with the terminal as it was.
func (c *console) die(s os.Signal) {
	c.apply(found)
	signal.Reset(s)
	raise(s)
}

// settle is how long a stop may take to come: where nobody could continue the
// chat, there is none.
const settle = 300 * time.Millisecond

// suspend stops the chat by a signal and returns when goOn has come.
func (c *console) suspend(stop, goOn os.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply(found)
	var others []os.Signal
	begin := time.Now()
	raise(stop)
	for timer, late := time.NewTimer(settle), false; ; {
		select {
		case s := <-c.ch:
			if s != goOn {
				others = append(others, s)
				continue
			}
		case <-timer.C:
			// Behind a stop its end is told, perhaps a little after the timer's.
			if !late && time.Since(begin) > 2*settle {
				late = true
				timer.Reset(settle)
				continue
			}
		}
		break
	}
	for _, s := range others {
		select {
		case c.ch <- s:
		default:
		}
	}
}

// again takes the terminal back after a stop.
func (c *console) again() {
	c.mu.Lock()
	if !foreground(c.in) {
		c.mu.Unlock()
		return
	}
	c.apply(c.mode)
	c.mu.Unlock()
	c.resumed()
}
