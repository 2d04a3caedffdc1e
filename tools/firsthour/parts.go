//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	story = "Tell me a story."
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlU = "\x15"
	ctrlZ = "\x1a"
)

// block is the screen's text from behind one row up to before another, one space
// for each row's end.
func (t *terminal) block(from, to string) string {
	lines := t.Lines()
	begin, end := -1, len(lines)
	for i, l := range lines {
		if strings.HasPrefix(l, from) {
			begin = i
		} else if begin >= 0 && strings.HasPrefix(l, to) {
			end = i
			break
		}
	}
	return strings.Join(lines[begin+1:end], " ")
}

// replies: rows of whole words at every width, also one that changes; keys typed
// meanwhile wait and are not shown.
func replies(h *hour) error {
	want, err := h.said(story)
	if err != nil {
		return err
	}
	t := h.chat()
	t.enters(story).shows("Once").types("later")
	t.wants(!t.Echo(), "the terminal shows what is typed while a reply is made")
	t.row("> later", "> later")
	t.wants(t.block("> "+story, "> later") == want, "the reply is %q, want %q", t.block("> "+story, "> later"), want)
	t.types(ctrlU).asks()
	if err := t.leaves("exit\r"); err != nil {
		return err
	}
	slow := []string{"--threads", "1", "--isa", "go"} // so that it goes on for a while
	if want, err = h.said(story, slow...); err != nil {
		return err
	}
	t = h.chat(slow...)
	t.enters(story).shows("Once")
	if t.err == nil { // held for a moment, for what is written at the same time
		t.Cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond)
		t.Resize(h.columns/2, 24)
		t.Cmd.Process.Signal(syscall.SIGCONT)
	}
	t.asks()
	rows := t.Lines()
	for i := len(rows) - 2; i > len(rows)-4; i-- {
		for _, w := range strings.Fields(rows[i]) {
			t.wants(strings.Contains(" "+want+" ", " "+w+" "), "after another size a row breaks within %q", w)
		}
	}
	return t.leaves("bye\r")
}

// keys: every sequence of Home, End and Delete.
func keys(h *hour) error {
	t := h.chat()
	home := []string{"\033[H", "\033OH", "\033[1~", "\033[7~", "\x01"}
	end := []string{"\033[F", "\033OF", "\033[4~", "\033[8~", "\x05"}
	for i := range home {
		t.types("bcx"+home[i]).row("> bcx", "> ")
		t.types("a"+end[i]).row("> abcx", "> abcx")
		t.types("d"+home[i]+"\033[3~").row("> bcxd", "> ")
		t.types(ctrlU + end[i] + ctrlU).asks()
	}
	t.types("\033[3~").types("still here").row("> still here", "> still here") // Delete does not leave
	t.types("\033[D\033[D\033OD\033[1;5D\033[3~").row("> still ere", "> still ")
	t.types(ctrlC).asks().types("one\x1b\rtwo").row("> one⏎two", "> one⏎two").types(ctrlC).asks()
	return t.leaves("QUIT\r")
}

// emoji: the cursor is where the terminal drew what stands before it, and a line
// of several rows stands once.
func emoji(h *hour) error {
	t := h.chat()
	left := "\033[D"
	t.types("a\U0001F642b").row("> a\U0001F642b", "> a\U0001F642b")
	t.types(left+left).row("> a\U0001F642b", "> a")
	t.types("\x7f").row("> \U0001F642b", "> ")
	t.types("\x05\x7f\x7f").asks()
	t.types("e\u0301\u4e2d\U0001F468\u200D\U0001F469\u200D\U0001F467x"+left+left).row("> e\u0301\u4e2d\U0001F468\u200D\U0001F469\u200D\U0001F467x", "> e\u0301\u4e2d")
	t.types("\033[3~").row("> e\u0301\u4e2dx", "> e\u0301\u4e2d")
	t.types("\x7f\x7f").row("> x", "> ")
	t.types("\x05" + ctrlU).asks()
	n := h.columns // emoji, of twice as many columns
	t.types(strings.Repeat("\U0001F642", n)).Until("showed all emoji", func() bool { return strings.Count(t.Text(), "\U0001F642") == n })
	t.types("\x01z\x05y").Until("had the cursor behind y", func() bool { _, b := t.Cursor(); return strings.HasSuffix(b, "y") })
	copies := 0
	for _, l := range t.Lines() {
		if strings.HasPrefix(l, "> z\U0001F642") {
			copies++
		}
	}
	t.wants(copies == 1 && strings.Count(t.Text(), "\U0001F642") == n, "the line stands %d times", copies)
	t.types(ctrlC).asks()
	return t.leaves(ctrlD)
}

// jobs: Ctrl-Z stops the chat at the prompt, within a reply and while a prompt is
// read, and fg goes on.
func jobs(h *hour) error {
	h.env = append(h.env, "PS1=shell: ", "MIL="+h.mil)
	t := h.open("bash", "--norc", "--noprofile", "-i")
	// shell is an empty line of the shell's.
	shell := func() { t.row("shell:", "shell: ") }
	stopped := 0
	fg := func() {
		stopped++
		t.showsTimes("Stopped", stopped)
		shell()
		t.types("echo $((40+2))\r").showsTimes("42", stopped)
		shell()
		t.types("fg\r").showsTimes("\"$MIL\"", 1+2*stopped)
		if t.err == nil {
			t.err = t.Until("took the terminal back", func() bool { return !t.Echo() })
		}
	}
	shell()
	t.types("\"$MIL\" chat --temp 0 --ctx 65536 --threads 1\r").asks()
	t.types("half").row("> half", "> half").types(ctrlZ)
	fg()
	t.row("> half", "> half")
	t.types(ctrlU).asks()
	t.enters(story).shows("Once").types(ctrlZ)
	fg()
	t.row(">", "> ")
	t.types("\033[200~" + strings.Repeat("Tell me about the fox. ", 2500) + "\033[201~\r").shows("reading").types(ctrlZ)
	fg()
	t.types(ctrlC).shows("taken back").row("> ▤", "> ▤").types(ctrlC).asks()
	t.types(ctrlD)
	shell()
	t.types("exit\r")
	if t.err == nil {
		t.err = t.Wait()
	}
	return t.end()
}

// interrupted: Ctrl-C while a prompt is read gives it back; it is read on from
// there, and nothing of it is left when something else is said.
func interrupted(h *hour) error {
	t := h.chat("--ctx", "65536", "--threads", "1")
	long := strings.Repeat("Tell me about the fox. ", 2500)
	t.types("\033[200~"+long+"\033[201~").row("> ▤", "> ▤")
	t.types("\r").shows("reading")
	t.types("more") // waits
	begin := time.Now()
	t.types(ctrlC).shows("taken back").row("> ▤more", "> ▤more")
	if t.err == nil {
		fmt.Printf("%25s Ctrl-C gave the line back after %d ms\n", "", time.Since(begin).Milliseconds())
	}
	t.types(ctrlC).asks()
	t.says("My name is Opal.").says("What is my name?").shows("Your name is Opal.")
	t.types(ctrlC).showsTimes("leaves", 3)
	t.asks().types("x\x7f").asks()
	return t.leaves(ctrlC + ctrlC)
}

// commands: names in any case, others' names, mistakes, and what they say.
func commands(h *hour) error {
	t := h.chat()
	t.says("/HELP").shows("/quit").says("/?").showsTimes("/regen", 2).says("/help Save").shows("/save!")
	t.says("/rest").shows("/reset?")
	t.says("/clear").shows("begins anew").says("/Reset").showsTimes("begins anew", 2)
	t.says("/set temp 0.5").shows("temp is 0.5").says("/set temp hot").shows("from 0").says("/set tmp 1").shows("mean temp")
	t.says("/set temp 0").says("/set").shows("repeat-penalty")
	t.says("/system Be kind.").shows("is set").says("/system").showsTimes("Be kind.", 2).says("/system -").shows("removed")
	t.says("/home/me/notes.txt summarise")
	t.wants(!strings.Contains(t.Text(), "no command /home"), "a path is taken for a command")
	t.says("/set max-tokens 3").enters(story).shows("Once upon").asks()
	t.shows("max-tokens 3").says("/set max-tokens 0")
	saved := filepath.Join(h.home, "x.json")
	t.says("/save x.json").shows("saved")
	first, err := os.ReadFile(saved)
	if err != nil {
		t.fail("%v", err)
	}
	t.says("/undo").enters("/save x.json").shows("[y/N]").types("n\r").shows("not saved").asks()
	now, _ := os.ReadFile(saved)
	t.wants(string(now) == string(first), "a file was overwritten after no")
	t.enters("/save x.json").showsTimes("[y/N]", 2).types("y\r").asks()
	now, _ = os.ReadFile(saved)
	t.wants(string(now) != string(first), "a file was not overwritten after yes")
	t.says("/save! x.json").showsTimes("saved", 4) // once not
	t.types("/re\t").shows("/reset /regen").types(ctrlU).asks()
	if err := t.leaves("/Exit\r"); err != nil {
		return err
	}
	c := h.command(h.mil, "chat", "--temp", "0")
	c.Stdin = strings.NewReader("exit\n/save x.json\n")
	out, err := c.CombinedOutput()
	if s := string(out); err == nil || !strings.Contains(s, "/save! x.json overwrites it") || strings.Count(s, "\n") < 2 {
		return fmt.Errorf("in a pipe: %v, %q", err, s)
	}
	return nil
}

// plain: TERM=dumb and NO_COLOR get no escape sequence, and a line is edited all
// the same.
func plain(h *hour) error {
	for _, env := range []string{"TERM=dumb", "NO_COLOR=1"} {
		h.env = []string{env}
		t := h.chat()
		t.types("xz\033[Dy").row("> xyz", "> xy").types("\x01\033[3~\033[3~\x05\x7f").asks()
		text := strings.Repeat("many words ", h.columns/8)
		t.types(text).types("\x01").row(strings.TrimSpace(("> " + text)[:h.columns-1]), "> ")
		t.types("\x05" + ctrlU).asks()
		t.enters(story).shows("Once").asks()
		if err := t.leaves("exit\r"); err != nil {
			return fmt.Errorf("%s: %w", env, err)
		}
		told := t.Raw()
		t = h.chat("--threads", "1", "--isa", "go") // slow, so that reading takes its time
		long := strings.Repeat("Tell me about the fox. ", 60)
		t.types(long + "\r").shows("reading").types(ctrlC).shows("taken back")
		if t.err == nil {
			t.err = t.Until("gave the line back", func() bool { return strings.HasSuffix(t.Row(), "the fox.") })
		}
		t.types(ctrlC).asks()
		if err := t.leaves("exit\r"); err != nil {
			return fmt.Errorf("%s: %w", env, err)
		}
		if told += t.Raw(); strings.Contains(told, "\033") {
			return fmt.Errorf("%s: escapes in %.300q", env, told)
		}
	}
	return nil
}
