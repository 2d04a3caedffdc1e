//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// grown is how many kilobytes a chat may take more at its end than after its
// first turns, KV cache included: four attention layers of the demo, 2 KiB a token.
const grown = 100 << 10

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
		if i == turns/10 {
			early = resident(t.cmd.Process.Pid)
		}
	}
	late := resident(t.cmd.Process.Pid)
	if late-early > grown {
		a.fail("%d turns took %d KiB more than %d", turns, late-early, turns/10)
	}
	if wrong := t.close().sane(); wrong != "" {
		a.fail("%d turns: %s", turns, wrong)
	}
	fmt.Printf("  %d turns: %d MiB resident after %d, %d MiB at the end\n", turns, early>>10, turns/10, late>>10)
}

// resident is a process's memory in KiB.
func resident(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(fields[0])
	return n
}
