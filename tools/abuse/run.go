//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// patience is how long a call may take on a busy machine.
const patience = 60 * time.Second

// longestLine is more than any message needs, paths included.
const longestLine = 1000

// limitMemory bounds the address space of this process and its children, so
// that a size out of a damaged file is not granted.
func limitMemory() {
	l := syscall.Rlimit{Cur: 8 << 30, Max: 8 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &l); err != nil {
		fmt.Println("note: memory is not limited:", err)
	}
}

// call is one run of mil.
type call struct {
	args   []string
	stdin  io.Reader
	stdout io.Writer // nil keeps it in the outcome
	dir    string    // to run in; the part's otherwise
	shell  string    // put before the command: limits
	user   uint32    // to run as, where not 0
	// bounded keeps it from taking the machine's memory.
	bounded bool
}

// bySignal are the statuses of a command that a signal ended: 128 and its number.
var bySignal = []int{128 + int(syscall.SIGHUP), 128 + int(syscall.SIGINT), 128 + int(syscall.SIGTERM)}

// outcome is how a call ended.
type outcome struct {
	out, err string
	code     int
	signal   syscall.Signal // that ended it
	hung     bool
	rss      int64 // the most memory it had, in bytes
	cpu      time.Duration
}

// command prepares a call. Its configuration folder is in the part's folder.
func (a *abuse) command(ctx context.Context, c call) *exec.Cmd {
	name, args := a.mil, c.args
	if c.shell != "" {
		name, args = "sh", append([]string{"-c", c.shell + `; exec "$0" "$@"`, a.mil}, c.args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout = c.stdin, c.stdout
	cmd.Dir = a.dir
	if c.dir != "" {
		cmd.Dir = c.dir
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "HOME=")
	}), "HOME="+a.dir, "TERM=xterm", "CUDA_VISIBLE_DEVICES=-1") // a card does not open under limits of memory
	if c.user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.user, Gid: c.user}}
	}
	return cmd
}

// run runs mil to its end.
func (a *abuse) run(c call) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := a.command(ctx, c)
	var out, errs bytes.Buffer
	if c.stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	err := cmd.Start()
	if err == nil {
		if c.bounded {
			unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: 3 << 30, Max: 3 << 30}, nil)
		}
		err = cmd.Wait()
	}
	o := ended(ctx, err, out.String(), errs.String())
	if s := cmd.ProcessState; s != nil {
		o.cpu = s.UserTime() + s.SystemTime()
		o.rss = s.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	return o
}

func ended(ctx context.Context, err error, out, errs string) outcome {
	o := outcome{out: out, err: errs, hung: ctx.Err() != nil}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		o.code = exit.ExitCode()
		if s := exit.Sys().(syscall.WaitStatus); s.Signaled() {
			o.signal = s.Signal()
		}
	default:
		panic(err)
	}
	return o
}

// sane says what is wrong with how a call ended, whatever it was to do: "" for
// success without a word, or one clear line and status 1 or 2 (a command line that
// makes no sense), or a signal's.
func (o outcome) sane() string {
	switch {
	case o.hung:
		return "it hangs"
	case strings.Contains(o.err, "goroutine ") || strings.Contains(o.err, "panic:") || strings.Contains(o.err, "fatal error:") || strings.Contains(o.err, "runtime error"):
		return "it crashed"
	case o.signal != 0:
		return "ended by " + o.signal.String()
	case o.code > 2 && !slices.Contains(bySignal, o.code):
		return fmt.Sprintf("exit status %d", o.code)
	}
	lines := strings.Split(strings.TrimSuffix(o.err, "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return l == "" || strings.HasPrefix(l, "mil: warning: ") || strings.HasPrefix(l, "mil: the reply was cut at ")
	})
	if o.code == 0 {
		return ""
	}
	switch {
	case len(lines) != 1:
		return fmt.Sprintf("%d lines on standard error", len(lines))
	case !strings.HasPrefix(lines[0], "mil: ") || len(lines[0]) < len("mil: ")+4:
		return "the line does not begin with mil:"
	case len(lines[0]) > longestLine:
		return fmt.Sprintf("a line of %d bytes", len(lines[0]))
	case !utf8.ValidString(lines[0]) || strings.ContainsFunc(lines[0], unicode.IsControl):
		return "control characters in the line"
	}
	return ""
}

// String shows what was printed, shortened.
func (o outcome) String() string {
	return fmt.Sprintf("status %d, stdout %.200q, stderr %.600q", o.code, o.out, o.err)
}

// fails runs a call that must end in one clear line that contains want.
func (a *abuse) fails(want string, c call) outcome {
	a.count++
	o := a.run(c)
	if wrong := o.sane(); wrong != "" || o.code != 1 || !strings.Contains(o.err, want) {
		a.fail("mil %.300q: %s, want %q and status 1; %v", c.args, wrong, want, o)
	}
	return o
}

// refuses runs a call that must end in one clear line, about what the command line
// says or what it names.
func (a *abuse) refuses(c call) {
	a.count++
	o := a.run(c)
	if wrong := o.sane(); wrong != "" || o.code != 1 && o.code != 2 {
		a.fail("mil %.300q: %s, want one line and status 1 or 2; %v", c.args, wrong, o)
	}
}

// works runs a call that must succeed.
func (a *abuse) works(c call) outcome {
	a.count++
	o := a.run(c)
	if wrong := o.sane(); wrong != "" || o.code != 0 {
		a.fail("mil %.300q: %s, want success; %v", c.args, wrong, o)
	}
	return o
}

// ends runs a call that may do either.
func (a *abuse) ends(c call) outcome {
	a.count++
	o := a.run(c)
	if wrong := o.sane(); wrong != "" {
		a.fail("mil %.300q: %s; %v", c.args, wrong, o)
	}
	return o
}

// leftovers fails where the folder holds anything but the named files.
func (a *abuse) leftovers(what, dir string, expected ...string) {
	for _, e := range must(os.ReadDir(dir)) {
		if !slices.Contains(expected, e.Name()) {
			a.fail("%s: %s is left in its folder", what, e.Name())
		}
	}
}
