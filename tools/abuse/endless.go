//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
)

// again gives one text for ever.
type again struct {
	text string
	at   int
}

func (g *again) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m := copy(p[n:], g.text[g.at:])
		n, g.at = n+m, (g.at+m)%len(g.text)
	}
	return n, nil
}

// endless gives every command that reads text or JSON an input without end: on
// standard input, as a device and as a pipe with a name. All must end in one
// line, within the memory and the time of any other call.
func endless(a *abuse) {
	demo := a.path("demo.bin")
	a.works(call{args: []string{"convert", a.demoFolder(), "-o", demo, "--type", "q8_0"}})
	text := map[string]string{
		"zeros":    strings.Repeat("\x00", 4096),
		"letters":  strings.Repeat("a", 4096),
		"lines":    strings.Repeat("y\n", 2048),
		"blank":    strings.Repeat("\n", 4096),
		"messages": `[` + strings.Repeat(`{"role":"user","content":"x"},`, 100),
		"arrays":   strings.Repeat("[", 4096),
		"objects":  strings.Repeat("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"answer\":\"y\"}\n", 50),
		"spaces":   strings.Repeat(" ", 4096),
	}
	names := []string{"zeros", "letters", "lines", "blank", "messages", "arrays", "objects", "spaces"}
	// Commands with INPUT for a file; without it they read standard input.
	commands := [][]string{
		{"run", "-n", "1"}, {"run", "--raw", "-n", "1"}, {"run", "-n", "1", "--on-full", "slide"}, {"run", "-n", "1", "-f", "INPUT"}, {"run", "-n", "1", "-f", "-"},
		{"run", "-n", "1", "--messages", "INPUT"}, {"run", "-n", "1", "--messages", "-"},
		{"chat", "-n", "1"}, {"chat", "--session", "INPUT"},
		{"eval", "-f", "INPUT"}, {"eval", "--qa", "INPUT"}, {"imatrix", demo, "-f", "INPUT", "-o", a.path("x")},
		{"bench", "--draft", "lookup", "--messages", "INPUT"}, {"tokenize", "demo"}, {"tokenize", demo, "--jsonl"}, {"tokenize", demo, "--jsonl", "--chat"},
		{"tokenize", "INPUT", "x"}, {"info", "INPUT"}, {"verify", "INPUT"}, {"convert", "INPUT", "-o", a.path("x.bin")}, {"run", "INPUT", "x"}, {"run", "--draft", "INPUT", "x"},
		{"convert", a.demoFolder(), "-o", a.path("x.bin"), "--imatrix", "INPUT"}, {"convert", a.demoFolder(), "-o", a.path("x.bin"), "--tokenizer", "INPUT"},
	}
	for i, name := range names {
		for j, args := range commands {
			if a.short && (i+j)%len(names) != 0 || !a.short && (i*len(commands)+j)%a.of != a.share-1 {
				continue
			}
			if answered := map[string]string{"chat -n 1": "lines blank", "--jsonl": "blank", "--chat": "blank objects"}; slices.ContainsFunc(slices.Sorted(maps.Keys(answered)), func(end string) bool {
				return strings.HasSuffix(strings.Join(args, " "), end) && strings.Contains(answered[end], name)
			}) {
				continue // line for line, for as long as somebody asks
			}
			a.endlessly(args, name, text[name])
		}
	}
}

// endlessly gives one command one input, in every way it can come.
func (a *abuse) endlessly(args []string, name, text string) {
	const input = "INPUT"
	line := strings.Join(args, "\x00")
	if !strings.Contains(line, input) {
		a.bounded(call{args: args, stdin: &again{text: text}}, name)
		return
	}
	with := func(path string) []string { return strings.Split(strings.ReplaceAll(line, input, path), "\x00") }
	if name == "zeros" {
		a.bounded(call{args: with("/dev/zero")}, "/dev/zero")
	}
	pipe := a.path(fmt.Sprintf("pipe%d", a.count))
	must(0, syscall.Mkfifo(pipe, 0o600))
	to := must(os.OpenFile(pipe, os.O_RDWR, 0)) // for both, so that nobody waits
	done := make(chan bool)
	go func() {
		defer close(done)
		in := &again{text: text}
		part := make([]byte, 64<<10)
		for {
			in.Read(part)
			if _, err := to.Write(part); err != nil {
				return
			}
		}
	}()
	a.bounded(call{args: with(pipe)}, name+" through a pipe")
	to.Close()
	<-done
	os.Remove(pipe)
}

// bounded runs a call that must end, within the memory and time of any other.
func (a *abuse) bounded(c call, what string) {
	a.count++
	c.bounded = true
	o := a.run(c)
	wrong := o.sane()
	switch {
	case wrong != "":
	case o.code == 0:
		wrong = "it takes an input without end"
	case o.rss > mostMemory:
		wrong = fmt.Sprintf("it took %d MB of memory", o.rss>>20)
	case o.cpu > mostTime:
		wrong = fmt.Sprintf("it computed for %v", o.cpu)
	}
	if wrong != "" {
		a.fail("mil %.300q, %s without end: %s; %v", c.args, what, wrong, o)
	}
}
