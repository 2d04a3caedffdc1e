//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mil-run/mil/format"
)

// owners has two to eight processes at one file, takes a session away from under
// a chat, and kills who begins or saves one: no turn is lost without a word, and
// the next writer leaves nothing behind.
func owners(a *abuse) {
	for _, n := range []int{2, 3, 8} {
		if a.short && n == 3 {
			continue
		}
		for i := range a.some(1, 15) {
			a.oneSession(n, fmt.Sprintf("s%d-%d", n, i))
			a.oneOutput(n)
			a.oneSaved(n)
		}
	}
	a.takenAway()
	a.keptOver()
	for range a.some(1, 40) {
		a.killedBeginning()
	}
}

// oneSession lets processes begin one session file together, and then go on with it
// together, in caches of another kind each, so that it is written anew. Each has
// its turn in the file and status 0, or one line and status 1.
func (a *abuse) oneSession(n int, name string) {
	dir := a.path(name)
	must(0, os.Mkdir(dir, 0o700))
	file, saved := filepath.Join(dir, "talk.session"), a.path(name+".json")
	var said []string
	for round := range a.some(2, 3) {
		good := 0
		text := func(i int) string { return fmt.Sprintf("message %d of %d", i, round) }
		a.together(n, func(i int) outcome {
			return a.run(call{args: []string{"chat", "--temp", "0", "--max-tokens", "2", "--kv", []string{"q8_0", "f16"}[(i+round)%2], "--session", file},
				stdin: strings.NewReader(text(i) + "\n")})
		}, func(i int, o outcome) {
			switch wrong := o.sane(); {
			case wrong != "" || o.code != 0 && !strings.Contains(o.err, "in use by another process"):
				a.fail("%d chats at one session: %s, %v", n, wrong, o)
			case o.code == 0:
				good++
				said = append(said, text(i))
			}
		})
		if good == 0 {
			a.fail("%d chats at one session, and none got it", n)
		}
	}
	a.works(call{args: []string{"chat", "--temp", "0", "--session", file}, stdin: strings.NewReader("/save " + saved + "\n")})
	b := must(os.ReadFile(saved))
	for _, text := range said {
		if !bytes.Contains(b, []byte(text)) {
			a.fail("%d chats at one session: %q is lost, status 0", n, text)
		}
	}
	if got := bytes.Count(b, []byte(`"message `)); got != len(said) {
		a.fail("%d chats at one session: it holds %d messages, %d were said with status 0", n, got, len(said))
	}
	a.leftovers(fmt.Sprint(n, " chats at one session"), dir, "talk.session")
}

// oneOutput lets conversions write one file together, with --force and without.
func (a *abuse) oneOutput(n int) {
	dir := a.path("outputs")
	must(0, os.RemoveAll(dir))
	must(0, os.Mkdir(dir, 0o700))
	out := filepath.Join(dir, "o.bin")
	args := []string{"convert", filepath.Join(a.data, "fixtures", "mamba2-merged"), "-o", out}
	for _, force := range []bool{false, true, true} {
		good := 0
		if force && len(args) == 4 {
			args = append(args, "--force")
		}
		a.together(n, func(int) outcome { return a.run(call{args: args}) }, func(_ int, o outcome) {
			if wrong := o.sane(); wrong != "" || o.code != 0 && (force || !strings.Contains(o.err, "the file exists")) {
				a.fail("%d conversions to one file: %s, %v", n, wrong, o)
			}
			if o.code == 0 {
				good++
			}
		})
		if !force && good != 1 {
			a.fail("%d conversions made one new file", good)
		}
		f, err := format.Open(out)
		if err == nil {
			err = f.Verify(nil)
			f.Close()
		}
		if err != nil {
			a.fail("%d conversions to one file: %v", n, err)
		}
	}
	a.leftovers(fmt.Sprint(n, " conversions to one file"), dir, "o.bin")
}

// oneSaved lets chats save to one file together.
func (a *abuse) oneSaved(n int) {
	dir := a.path("saves")
	must(0, os.RemoveAll(dir))
	must(0, os.Mkdir(dir, 0o700))
	save := strings.Repeat(fmt.Sprintf("/save! %s/x.json\n/save! %s/x.session\n", dir, dir), a.some(3, 20))
	a.together(n, func(i int) outcome {
		return a.run(call{args: []string{"chat", "--temp", "0", "--max-tokens", "2"}, stdin: strings.NewReader(fmt.Sprintf("message %d\n%s", i, save))})
	}, func(_ int, o outcome) {
		if wrong := o.sane(); wrong != "" || o.code != 0 {
			a.fail("%d chats save to one file: %s, %v", n, wrong, o)
		}
	})
	var v []any
	if b, err := os.ReadFile(filepath.Join(dir, "x.json")); err != nil || json.Unmarshal(b, &v) != nil || len(v) != 2 {
		a.fail("%d chats save to one file: %v, %.100q", n, err, b)
	}
	a.works(call{args: []string{"chat", "--session", filepath.Join(dir, "x.session")}, stdin: strings.NewReader("")})
	a.leftovers(fmt.Sprint(n, " chats save to one file"), dir, "x.json", "x.session")
}

// takenAway removes, moves, replaces, cuts and overwrites a session's file under a
// chat, which says so with status 1 and writes to no file of others.
func (a *abuse) takenAway() {
	file := a.path("taken.session")
	for name, do := range map[string]func() error{
		"removed": func() error { return os.Remove(file) },
		"moved":   func() error { return os.Rename(file, file+".moved") },
		"replaced": func() error {
			must(0, os.WriteFile(file+".2", []byte("theirs"), 0o600))
			return os.Rename(file+".2", file)
		},
		"a link":   func() error { must(0, os.Remove(file)); return os.Symlink("/dev/null", file) },
		"a folder": func() error { must(0, os.Remove(file)); return os.Mkdir(file, 0o700) },
		"cut":      func() error { return os.Truncate(file, 100) },
		"emptied":  func() error { return os.Truncate(file, 0) },
		"overwritten": func() error {
			return os.WriteFile(file, bytes.Repeat([]byte("theirs"), 1<<17), 0o600)
		},
	} {
		if a.short && a.rand.IntN(3) > 0 {
			continue
		}
		for _, path := range []string{file, file + ".moved"} {
			os.RemoveAll(path)
		}
		t := a.talk("--max-tokens", "2", "--session", file)
		t.say("one")
		a.kept(file)
		must(0, do())
		before, _ := os.ReadFile(file)
		t.say("two")
		o := t.close()
		if wrong := o.sane(); wrong != "" || o.code != 1 || !strings.Contains(o.err, file) || !strings.Contains(o.err, "in no file") {
			a.fail("a session was %s under a chat: %s, %v", name, wrong, o)
		}
		if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
			a.fail("a session was %s under a chat, and what is there was written to", name)
		}
		a.count++
	}
	for _, path := range []string{file, file + ".moved"} {
		os.RemoveAll(path)
	}
	// Saved there once more it goes on.
	t := a.talk("--max-tokens", "2", "--session", file)
	t.say("one")
	io.WriteString(t.in, "/save! "+file+"\n") // all it says is written now
	t.say("two")
	if o := t.close(); o.sane() != "" || o.code != 0 {
		a.fail("a chat that saves to its own session: %v", o)
	}
}

// kept waits until a turn that was printed is in the session's file too.
func (a *abuse) kept(file string) {
	for range int(patience / time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte("MILTURN")) {
			time.Sleep(50 * time.Millisecond) // its head is written last, and looked at once more
			return
		}
		time.Sleep(time.Millisecond)
	}
	a.fail("%s holds no turn", file)
}

// keptOver has other commands write to a file that a chat keeps a session in.
func (a *abuse) keptOver() {
	file := a.path("kept.session")
	t := a.talk("--session", file)
	t.say("My name is Opal.")
	a.fails("in use by another process", call{args: []string{"chat", "--max-tokens", "2"}, stdin: strings.NewReader("hi\n/save! " + file + "\n")})
	a.fails("in use by another process", call{args: []string{"convert", filepath.Join(a.data, "fixtures", "mamba2-merged"), "-o", file, "--force"}})
	a.fails("in use by another process", call{args: []string{"logits", a.convertFixture("llama", "q8_0"), "--tokens", "1,2", "-o", file}})
	if got := t.say("What is my name?"); got != "Your name is Opal." {
		a.fail("a chat whose session others wrote to: %q", got)
	}
	if o := t.close(); o.sane() != "" || o.code != 0 {
		a.fail("a chat whose session others wrote to: %v", o)
	}
}

// killedBeginning kills chats that begin a session, save one and write a prompt
// cache; the next that does so removes what they left.
func (a *abuse) killedBeginning() {
	dir, cache := a.path("begun"), a.path("begun-cache")
	for _, d := range []string{dir, cache} {
		must(0, os.RemoveAll(d))
		must(0, os.Mkdir(d, 0o700))
	}
	file, saved := filepath.Join(dir, "b.session"), filepath.Join(dir, "c.session")
	chat := func(saves int) call {
		return call{args: []string{"chat", "--temp", "0", "--max-tokens", "2", "--session", file, "--prompt-cache", cache},
			stdin: strings.NewReader("What is 2 plus 3?\n" + strings.Repeat("/save! "+saved+"\n", saves))}
	}
	for range 3 {
		a.cutShort(chat(2000), 400*time.Millisecond, syscall.SIGKILL)
		if rand.N(2) == 0 {
			os.Remove(file)
		}
	}
	// A killed writer at its worst: it had begun, and its name is for nobody else.
	for _, d := range []string{dir, cache} {
		for _, e := range must(os.ReadDir(d)) {
			if base := strings.TrimPrefix(e.Name(), "."); base == e.Name() {
				must(0, os.WriteFile(filepath.Join(d, "."+base+".tmp-killed"), []byte("half"), 0o600))
			}
		}
	}
	a.works(chat(1))
	a.works(call{args: []string{"run", "--temp", "0", "--max-tokens", "2", "--prompt-cache", cache, fmt.Sprint("Question ", a.rand.Uint64())}})
	a.leftovers("after kills and a chat that ended", dir, "b.session", "c.session")
	for _, e := range must(os.ReadDir(cache)) {
		if strings.HasPrefix(e.Name(), ".") {
			a.fail("after kills and a prompt that ended: %s is left in the cache", e.Name())
		}
	}
}
