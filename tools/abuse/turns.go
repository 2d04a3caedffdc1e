//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// grown is how many KiB a chat may take more at its end than after a third of
// its turns, without the memory that was asked for at its beginning.
const grown = 64 << 10

// manyTurns talks on and on: the memory stays.
func manyTurns(a *abuse) {
	turns := a.some(150, 1000)
	t := a.talk("--ctx", strconv.Itoa(40*turns))
	early := 0
	for i := range turns {
		a.count++
		if t.say("What is 2 plus 3?") == "" {
			a.fail("turn %d of %d: no reply", i, turns)
			break
		}
		if i == turns/3 {
			early = resident(t.cmd.Process.Pid)
		}
	}
	late := resident(t.cmd.Process.Pid)
	if late-early > grown {
		a.fail("%d turns took %d KiB more than %d", turns, late-early, turns/3)
	}
	if wrong := t.close().sane(); wrong != "" {
		a.fail("%d turns: %s", turns, wrong)
	}
	fmt.Printf("  %d turns: %d MiB resident after %d, %d MiB at the end\n", turns, early>>10, turns/3, late>>10)
}

// resident is a process's memory in KiB, but for caches and states, of which more
// and more is used: they ask for large pages (flag hg).
func resident(pid int) (sum int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	rss := 0 // of the mapping at hand
	for line := range strings.Lines(string(b)) {
		switch f := strings.Fields(line); f[0] {
		case "Rss:":
			rss, _ = strconv.Atoi(f[1])
		case "VmFlags:":
			if !slices.Contains(f, "hg") {
				sum += rss
			}
		}
	}
	return sum
}
