package repl

import (
	"os"

	"golang.org/x/sys/windows"
)

// state is a console's as it was found.
type state struct{ in, out uint32 }

func stateOf(f *os.File) (*state, error) {
	s := &state{}
	if err := windows.GetConsoleMode(windows.Handle(f.Fd()), &s.in); err != nil {
		return nil, err
	}
	return s, windows.GetConsoleMode(windows.Handle(os.Stdout.Fd()), &s.out)
}

// set puts the console into a mode; keys and output are a terminal's sequences.
func (s *state) set(f *os.File, m mode) error {
	in, out := s.in, s.out
	if m != found {
		in &^= windows.ENABLE_LINE_INPUT | windows.ENABLE_ECHO_INPUT | windows.ENABLE_PROCESSED_INPUT
		in |= windows.ENABLE_VIRTUAL_TERMINAL_INPUT
		out |= windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	}
	if m == working {
		in |= windows.ENABLE_PROCESSED_INPUT // Ctrl-C is a signal
	}
	if err := windows.SetConsoleMode(windows.Handle(f.Fd()), in); err != nil {
		return err
	}
	return windows.SetConsoleMode(windows.Handle(os.Stdout.Fd()), out)
}

func sizeOf(*os.File) (columns, rows int) {
	var b windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(windows.Handle(os.Stdout.Fd()), &b) != nil {
		return 0, 0
	}
	return int(b.Window.Right-b.Window.Left) + 1, int(b.Window.Bottom-b.Window.Top) + 1
}

func foreground(*os.File) bool { return true }

func raise(os.Signal) { os.Exit(130) }

func heard() []os.Signal { return []os.Signal{os.Interrupt} }

func (c *console) signal(os.Signal) { c.interrupt() }

// spare is how many columns at the edge stay empty: older consoles break a row as
// soon as the last is written.
const spare = 1
