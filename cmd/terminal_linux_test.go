package cmd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mil-run/mil/cmd"
)

// terminal is both ends of a pseudo terminal.
func terminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return master, tty
}

// Where somebody looks, a line says that the demo answers; where a model is
// named, none does.
func TestDemoAnswers(t *testing.T) {
	master, tty := terminal(t)
	lines := bufio.NewReader(master)
	for _, args := range [][]string{{"run", "--temp", "0", "What is 2 plus 3?"}, {"run", "--temp", "0", "-p", "What is 2 plus 3?"}, {"run", "demo", "--stats", "--temp", "0", "What is 2 plus 3?"}} {
		var out bytes.Buffer
		if err := cmd.Execute(args, strings.NewReader(""), &out, tty); err != nil || out.String() != "2 + 3 = 5.\n" {
			t.Errorf("%q, %v", out.String(), err)
		}
		line, err := lines.ReadString('\n')
		want := "mil: no model is named, so the demo inside mil answers"
		if args[1] == "demo" {
			want = "prompt "
		}
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("%q: %q, %v", args, line, err)
		}
	}
}

// rm asks on a terminal, and anything but y keeps the model.
func TestRemoveAsks(t *testing.T) {
	folder := t.TempDir()
	path := folder + "/a.bin"
	os.WriteFile(path, []byte("x"), 0o600)
	for _, c := range []struct {
		answer string
		stays  bool
	}{{"n\n", true}, {"\n", true}, {"\x04", true}, {"y\n", false}} {
		master, tty := terminal(t)
		if _, err := master.WriteString(c.answer); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := cmd.Execute([]string{"rm", "a", "--models", folder}, tty, &out, tty)
		_, gone := os.Stat(path)
		if err != nil || (gone == nil) != c.stays {
			t.Errorf("answer %q: %v, %v", c.answer, err, gone)
		}
		asked, _ := bufio.NewReader(master).ReadString('?')
		if !strings.Contains(asked, "Remove "+path+" (1 B)?") {
			t.Errorf("asked %q", asked)
		}
	}
}
