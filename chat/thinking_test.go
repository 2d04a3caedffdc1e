package chat

import (
	"strings"
	"testing"
)

// A reply is parted into thoughts and what is said, however it comes in pieces.
func TestThoughts(t *testing.T) {
	for _, c := range []struct{ prompt, reply, thought, said string }{
		{"", "Hello", "", "Hello"},
		{"", "<think>\nWell.\n\nNow.\n</think>\n\nHello <think>x</think>", "Well.\n\nNow.", "Hello <think>x</think>"},
		{"", " \n<think></think>Hello", "", "Hello"},
		{"", "<think>cut", "cut", ""},
		{"", "<think>cut </thi", "cut </thi", ""},
		{"", "<thin", "", "<thin"},
		{"", "<thing>", "", "<thing>"},
		{"", "", "", ""},
		{"<think>\n", "Well. </think> <b>", "Well.", "<b>"},
		{"<think>", "\n\n</think>\n\n", "", ""},
		{"<think>\n\n</think>\n\n", "Hello", "", "Hello"},
		{"<think>\n", "a </ think> <</think>b", "a </ think> <", "b"},
	} {
		for cut := range len(c.reply) + 1 {
			for size := 1; size <= 3; size++ {
				x := &Thoughts{begin: "<think>", end: "</think>"}
				if strings.HasSuffix(strings.TrimSpace(c.prompt), "<think>") {
					x.at = beginning
				}
				var thought, said string
				push := func(text string) {
					a, b := x.Push(text)
					if a != "" && said != "" {
						t.Errorf("%q: thoughts behind words", c.reply)
					}
					thought, said = thought+a, said+b
				}
				push(c.reply[:cut])
				for rest := c.reply[cut:]; rest != ""; rest = rest[min(size, len(rest)):] {
					push(rest[:min(size, len(rest))])
				}
				a, b := x.Flush()
				if thought, said = thought+a, said+b; thought != c.thought || said != c.said {
					t.Fatalf("%q behind %q, cut at %d: %q and %q, want %q and %q", c.reply, c.prompt, cut, thought, said, c.thought, c.said)
				}
			}
		}
	}
}
