//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/llm"
)

// sitting is a conversation with a small model in this process.
type sitting struct {
	*chat.Conversation
	s *llm.Session
	m *llm.Model
}

func (a *abuse) sit(path string) *sitting {
	m := must(llm.Open(path, llm.Options{Backend: "cpu", Threads: 1, Context: 256}))
	s := must(m.NewSession(func(s *llm.Settings) { *s = llm.Settings{MaxTokens: 4} }))
	return &sitting{s.Conversation(), s, m}
}

func (s *sitting) end() {
	s.s.Close()
	s.m.Close()
}

// sessions damages session files, and kills who writes them.
func sessions(a *abuse) {
	model := a.convertFixture("mamba2-merged", "q8_0")
	path := a.path("good.session")
	s := a.sit(model)
	must(s.Attach(path))
	var ends []int // of the file after each turn
	for _, text := range []string{"one", "two", "three"} {
		must(s.Say(context.Background(), text, func(string) {}))
		must(0, s.Sync())
		ends = append(ends, int(must(os.Stat(path)).Size()))
	}
	want := slices.Clone(s.Messages())
	s.end()
	good := must(os.ReadFile(path))
	// open is what a damaged file gives: how many messages, or the error.
	bad := a.path("bad.session")
	s = a.sit(model)
	defer s.end()
	open := func(data []byte) (messages int, err error) {
		a.count++
		must(0, os.WriteFile(bad, data, 0o600))
		if _, err = s.Attach(bad); err == nil {
			if messages = len(s.Messages()); !slices.EqualFunc(s.Messages(), want[:messages], llm.Message.Equal) {
				a.fail("a damaged session holds other messages: %q", s.Messages())
			}
			s.Conversation.Close()
		}
		return messages, err
	}
	if n, err := open(good); n != len(want) || err != nil {
		a.fail("a good session has %d messages, %v", n, err)
	}
	for n := 0; n < len(good); n += a.some(997, 16) {
		if got, err := open(good[:n]); err == nil && !slices.Contains(ends, n) && got != 0 && !slices.ContainsFunc(ends, func(e int) bool { return n > e && n <= e+64 }) {
			a.fail("a session cut to %d of %d bytes opens with %d messages", n, len(good), got)
		}
	}
	for _, n := range ends[:len(ends)-1] {
		if got, err := open(good[:n]); err != nil || got >= len(want) {
			a.fail("a session cut between two turns has %d messages, %v", got, err)
		}
	}
	last := ends[len(ends)-2] // where the last turn begins: its head may not have been written
	damaged := slices.Clone(good)
	for i := a.rand.IntN(31); i < len(good); i += a.some(211, 1) {
		damaged[i] ^= byte(1 << a.rand.IntN(8))
		if got, err := open(damaged); err == nil && (i < last || i >= last+64 || got >= len(want)) {
			a.fail("byte %d of %d of a session changed, and it opens with %d messages", i, len(good), got)
		}
		damaged[i] = good[i]
	}
	a.killedSessions()
}

// killedSessions kills chats that keep a session: at most the turn that was
// being written is missing.
func (a *abuse) killedSessions() {
	const question, reply = "What is 2 plus 3?", "2 + 3 = 5."
	for range a.some(3, 40) {
		file, saved := a.path("killed.session"), a.path("killed.json")
		os.Remove(file)
		o := a.cutShort(call{args: []string{"chat", "--temp", "0", "--session", file}, stdin: strings.NewReader(strings.Repeat(question+"\n", 200))}, 900*time.Millisecond, syscall.SIGKILL)
		printed := strings.Count(o.out, "\n")
		if _, err := os.Stat(file); err != nil && printed == 0 {
			continue // before it began
		}
		a.works(call{args: []string{"chat", "--temp", "0", "--session", file}, stdin: strings.NewReader(question + "\n/save " + saved + "\n")})
		var messages []any
		b, err := os.ReadFile(saved)
		if err == nil {
			err = json.Unmarshal(b, &messages)
		}
		if err != nil || len(messages) < 2*printed {
			a.fail("a session was killed after %d replies, and %d messages are left with one more turn; %v", printed, len(messages), err)
		}
		os.Remove(saved)
	}
	// Two chats cannot keep one session.
	file := a.path("shared.session")
	t := a.talk("--session", file)
	if got := t.say(question); got != reply {
		a.fail("the first of two chats: %q", got)
	}
	a.fails("in use by another process", call{args: []string{"chat", "--session", file}, stdin: strings.NewReader(question + "\n")})
	if got := t.say("My name is Opal."); !strings.Contains(got, "Opal") {
		a.fail("the first of two chats, after the second came: %q", got)
	}
	if o := t.close(); o.sane() != "" || o.code != 0 {
		a.fail("the first of two chats: %v", o)
	}
}

// caches lets several processes share a folder that is too small for them,
// kills some, and damages what is in it: replies stay what they are.
func caches(a *abuse) {
	dir := a.path("cache")
	letter := strings.Repeat("Tom went to the lake and met a fox. ", 60)
	ask := func(question, reply string) func(o outcome) {
		return func(o outcome) {
			if wrong := o.sane(); wrong != "" || o.code != 0 || o.out != reply+"\n" {
				a.fail("%q with a prompt cache: %s, %v", question, wrong, o)
			}
		}
	}
	type job struct {
		c     call
		check func(outcome)
	}
	jobs := func() (list []job) {
		for _, q := range [][2]string{{"What is 2 plus 3?", "2 + 3 = 5."}, {letter + "What is 4 plus 4?", ""}, {letter + "Tell me a story.", ""}} {
			c := call{args: []string{"run", "--temp", "0", "--max-tokens", "12", "--prompt-cache", dir, "--prompt-cache-size", "6", q[0]}}
			if q[1] == "" {
				q[1] = strings.TrimSuffix(a.works(call{args: append(slices.Clone(c.args[:5]), q[0])}).out, "\n")
			}
			list = append(list, job{c, ask(q[0], q[1])})
		}
		return list
	}()
	for range a.some(2, 25) {
		a.together(len(jobs)*2, func(i int) outcome { return a.run(jobs[i%len(jobs)].c) }, func(i int, o outcome) { jobs[i%len(jobs)].check(o) })
		a.cutShort(jobs[a.rand.IntN(len(jobs))].c, 300*time.Millisecond, syscall.SIGKILL)
		for _, e := range must(os.ReadDir(dir)) {
			a.damageEntry(filepath.Join(dir, e.Name()))
		}
	}
	size := int64(0)
	for _, e := range must(os.ReadDir(dir)) {
		if st, err := e.Info(); err == nil {
			size += st.Size()
		}
	}
	if size > 2*6<<20 {
		a.fail("a prompt cache of 6 MB holds %d bytes", size)
	}
}

// together runs n calls at once and judges them one by one.
func (a *abuse) together(n int, run func(i int) outcome, judge func(i int, o outcome)) {
	done := make([]chan outcome, n)
	for i := range done {
		done[i] = make(chan outcome, 1)
		go func() { done[i] <- run(i) }()
	}
	for i, c := range done {
		a.count++
		judge(i, <-c)
	}
}

// damageEntry does one of several things to a file, or nothing.
func (a *abuse) damageEntry(path string) {
	if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return
	}
	data := must(os.ReadFile(path))
	switch a.rand.IntN(6) {
	case 0:
		os.Truncate(path, a.rand.Int64N(int64(len(data))))
	case 1:
		data[a.rand.IntN(len(data))] ^= 0x40
		os.WriteFile(path, data, 0o600)
	case 2: // a link out of the folder must not be followed
		os.Remove(path)
		must(0, os.Symlink(a.path("outside"), path))
	case 3: // nor may anything wait for a pipe
		os.Remove(path)
		must(0, syscall.Mkfifo(path, 0o600))
	}
	if _, err := os.Stat(a.path("outside")); err == nil {
		a.fail("a file outside of a prompt cache was written")
	}
	a.count++
}

// cacheRoom has sessions and caches on disks without room, and in folders that
// are read only.
func (a *abuse) cacheRoom(dir string, c call) {
	const question, reply = "What is 2 plus 3?\n", "2 + 3 = 5.\n"
	with := func(args ...string) call {
		n := c
		n.args, n.stdin = append(args, "--temp", "0"), strings.NewReader(question)
		return n
	}
	a.fails("session "+dir, with("chat", "--session", filepath.Join(dir, "talk.session")))
	a.leftovers(fmt.Sprint("a session in ", dir), dir, "filler")
	if o := a.ends(with("run", "--prompt-cache", dir)); o.code == 0 && o.out != reply {
		a.fail("a prompt cache in %s: %v", dir, o)
	}
	a.leftovers(fmt.Sprint("a prompt cache in ", dir), dir, "filler")
}
