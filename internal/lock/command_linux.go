package lock

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// longest is how much of a command's line is shown.
const longest = 60

// command is the command that started a process, "" where that cannot be known.
func command(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 4*longest))
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	args[0] = args[0][strings.LastIndexByte(args[0], '/')+1:]
	line := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, strings.Join(args, " "))
	if r := []rune(line); len(r) > longest {
		line = string(r[:longest]) + "..."
	}
	return line
}
