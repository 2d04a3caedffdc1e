//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// writers are commands that write files into a folder, and their inputs.
func (a *abuse) writers(dir string) []call {
	text := a.path("text")
	must(0, os.WriteFile(text, []byte(strings.Repeat("The fox met a hare. ", 100)), 0o600))
	must(0, os.Chmod(text, 0o644))
	in := func(name string) string { return filepath.Join(dir, name) }
	return []call{
		{args: []string{"convert", a.demoFolder(), "-o", in("m.bin"), "--type", "q8_0"}},
		{args: []string{"imatrix", a.path("llama.bin"), "-f", text, "-o", in("m.imatrix")}},
		{args: []string{"logits", a.path("llama.bin"), "--tokens", strings.Repeat("1,", 99) + "1", "-o", in("logits.safetensors")}},
		{args: []string{"eval", "--needle", "--needle-lengths", "80", "--needle-runs", "1", "--svg", in("needle.svg")}},
		{args: []string{"chat"}, stdin: strings.NewReader("My name is Opal.\n/save " + in("saved.json") + "\n")},
	}
}

// fullDisks writes to a place without room. Nothing half written may be left.
func fullDisks(a *abuse) {
	a.convertFixture("llama", "q8_0")
	dir := a.path("full")
	must(0, os.Mkdir(dir, 0o700))
	// A limit on the size of files stops a write as a full disk does.
	for _, c := range a.writers(dir) {
		c.shell = "ulimit -f 0"
		a.fails("write "+dir, c)
		a.leftovers("mil "+c.args[0]+" without room", dir)
	}
	for _, blocks := range []int{1, 4, 1000} { // of 512 bytes
		c := a.writers(dir)[0]
		c.shell = fmt.Sprint("ulimit -f ", blocks)
		a.fails("write "+dir, c)
		a.leftovers("mil convert without room", dir)
	}
	a.cacheRoom(dir, call{shell: "ulimit -f 0"})
	// Output has no place to go.
	full := must(os.OpenFile("/dev/full", os.O_WRONLY, 0))
	defer full.Close()
	for _, args := range [][]string{{"run", "hi"}, {"info", a.path("llama.bin")}, {"tokenize", a.path("llama.bin"), "x"}, {"verify", a.path("llama.bin")}, {"info", "--cpu"}, {"info", "--devices", "--json"}} {
		a.fails("", call{args: args, stdout: full})
	}
	a.fails("", call{args: []string{"chat"}, stdin: strings.NewReader("hi\nhi\n"), stdout: full})
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		fmt.Println("note: no small disk can be mounted here, the limit on files stands for it:", err)
		return
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	c := a.writers(dir)[0]
	a.fails("m.bin: the disk is full", c)
	a.leftovers("mil convert on a full disk", dir)
	must(0, fill(filepath.Join(dir, "filler")))
	for _, c := range a.writers(dir) {
		a.fails("write "+dir, c)
		a.leftovers("mil "+c.args[0]+" on a full disk", dir, "filler")
	}
	a.cacheRoom(dir, call{})
}

// fill writes until nothing more fits.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return nil
}

// nobody is a user without rights. It is used where this process is root, whom
// permissions do not bind.
func nobody() uint32 {
	if os.Geteuid() == 0 {
		return 65534
	}
	return 0
}

// readOnly writes to folders that may not be written to, also the user's own.
func readOnly(a *abuse) {
	a.convertFixture("llama", "q8_0")
	for p := a.dir; p != "/tmp" && p != "/"; p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
	dir := a.path("closed")
	must(0, os.Mkdir(dir, 0o555))
	for _, c := range a.writers(dir) {
		c.user = nobody()
		a.fails("write "+dir, c)
		a.leftovers("mil "+c.args[0]+" in a folder that is read only", dir)
	}
	a.cacheRoom(dir, call{user: nobody()})
	// The home folder is closed too: there is no history and no saved chat, but
	// the chat works.
	must(0, os.Chmod(a.dir, 0o555))
	defer os.Chmod(a.dir, 0o755)
	a.works(call{args: []string{"chat", "--temp", "0"}, stdin: strings.NewReader("What is 2 plus 3?\n"), user: nobody()})
	a.fails("", call{args: []string{"chat", "--temp", "0"}, stdin: strings.NewReader("What is 2 plus 3?\n/save x\n"), user: nobody()})
	a.fails("permission denied", call{args: []string{"run", "--messages", "/proc/1/mem", "x"}, user: nobody()})
}
