//go:build linux

// Firsthour talks with a built mil as somebody new does: on a terminal of 40, 80
// and 200 columns, with every key and every mistake of the first hour.
//
//	go build -o mil . && go run ./tools/firsthour [-mil ./mil] [-only PART]
//
// Nothing fails because a machine is slow; how long Ctrl-C took is printed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mil-run/mil/internal/testutil/vt"
)

// part is a piece of the hour, on a terminal with the given columns.
type part struct {
	name string
	do   func(h *hour) error
}

var parts = []part{
	{"replies", replies},
	{"keys", keys},
	{"emoji", emoji},
	{"jobs", jobs},
	{"prompts interrupted", interrupted},
	{"commands", commands},
	{"no escapes", plain},
}

// hour is one part on one terminal.
type hour struct {
	mil     string
	columns int
	home    string
	env     []string
}

func main() {
	mil := flag.String("mil", "./mil", "the program")
	only := flag.String("only", "", "the parts whose names contain this")
	flag.Parse()
	path, err := filepath.Abs(*mil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	failed := 0
	for _, columns := range []int{40, 80, 200} {
		for _, p := range parts {
			if !strings.Contains(p.name, *only) {
				continue
			}
			start := time.Now()
			err := attempt(path, columns, p)
			if err != nil {
				failed++
				err = fmt.Errorf("FAILED: %w", err)
			}
			fmt.Printf("%3d columns, %-20s %5.1f s\n", columns, p.name, time.Since(start).Seconds())
			if err != nil {
				fmt.Println(err)
			}
		}
	}
	if failed > 0 {
		fmt.Println(failed, "parts failed")
		os.Exit(1)
	}
}

func attempt(mil string, columns int, p part) error {
	home, err := os.MkdirTemp("", "firsthour")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	return p.do(&hour{mil: mil, columns: columns, home: home})
}

// command is mil in the hour's home.
func (h *hour) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = h.home
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "NO_COLOR=") || strings.HasPrefix(v, "TERM=")
	})
	c.Env = append(append(c.Env, "HOME="+h.home, "TERM=xterm"), h.env...)
	return c
}

// terminal is a program on a terminal. Its methods give up at the first error,
// which err keeps.
type terminal struct {
	*vt.Program
	err error
}

// chat begins a chat and waits for its prompt.
func (h *hour) chat(args ...string) *terminal {
	t := h.open(h.mil, append([]string{"chat", "--temp", "0"}, args...)...)
	t.asks()
	return t
}

func (h *hour) open(name string, args ...string) *terminal {
	p, err := vt.Start(h.command(name, args...), h.columns, 24)
	if err != nil {
		return &terminal{Program: &vt.Program{Screen: vt.New(h.columns, 24)}, err: err}
	}
	return &terminal{Program: p}
}

func (t *terminal) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format+"; the screen:\n%s", append(args, t.Text())...)
	}
}

func (t *terminal) types(keys string) *terminal {
	if t.err == nil {
		t.Type(keys)
	}
	return t
}

// shows waits for a text.
func (t *terminal) shows(text string) *terminal { return t.showsTimes(text, 1) }

func (t *terminal) showsTimes(text string, n int) *terminal {
	if t.err == nil {
		t.err = t.Shows(text, n)
	}
	return t
}

// row waits until the cursor's row is so, and the cursor stands behind before.
func (t *terminal) row(text, before string) *terminal {
	if t.err == nil {
		at := ""
		t.err = t.Until(fmt.Sprintf("was the row %q with the cursor behind %q", text, before), func() bool {
			_, at = t.Cursor()
			return t.Row() == text && at == before
		})
	}
	return t
}

// asks waits for an empty line.
func (t *terminal) asks() *terminal { return t.row(">", "> ") }

// says says something and waits for the next prompt.
func (t *terminal) says(text string) *terminal { return t.enters(text).asks() }

// enters types a line and, once it is shown, ends it.
func (t *terminal) enters(text string) *terminal {
	if t.types(text); t.err == nil {
		t.err = t.Until(fmt.Sprintf("showed %q", text), func() bool { return strings.HasSuffix(t.Row(), text[max(0, len(text)-4):]) })
	}
	return t.types("\r")
}

// wants is whether something is as it should be.
func (t *terminal) wants(ok bool, format string, args ...any) *terminal {
	if t.err == nil && !ok {
		t.fail(format, args...)
	}
	return t
}

// leaves ends the chat by keys.
func (t *terminal) leaves(keys string) error {
	if t.types(keys); t.err == nil {
		if err := t.Wait(); err != nil {
			t.err = fmt.Errorf("%q does not leave: %w", keys, err)
		} else {
			t.wants(t.Echo(), "the terminal shows nothing that is typed afterwards")
		}
	}
	return t.end()
}

func (t *terminal) end() error {
	if t.Cmd != nil {
		t.Close()
	}
	return t.err
}

// said is what mil run says to a prompt.
func (h *hour) said(prompt string, flags ...string) (string, error) {
	c := h.command(h.mil, append(append([]string{"run", "--temp", "0"}, flags...), prompt)...)
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
