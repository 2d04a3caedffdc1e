//go:build linux

package main

import (
	"os"
	"strings"
	"unicode"
)

// names are of files that would move a terminal's cursor, turn its text or fill
// it: whatever a command says of them, a terminal only draws it, in a short line.
func names(a *abuse) {
	model, err := os.ReadFile(a.convertFixture("llama", "q8_0"))
	must(0, err)
	escapes := []string{"m\x1b[2J\x1b]0;owned\x07", "m\u009b31m\u202ebin", "m\rx\n\x7f", "m\xff\x9b\xfe", strings.Repeat("long", 50)}
	if !a.short {
		for c := 1; c < 0xa0; c++ {
			if c < ' ' || c > 0x7e {
				escapes = append(escapes, "m"+string(rune(c))+"x", "m"+string([]byte{byte(c)}))
			}
		}
	}
	for _, name := range escapes {
		path, text := a.path(name+".bin"), a.path(name+".txt")
		must(0, os.WriteFile(path, model, 0o600))
		must(0, os.WriteFile(text, []byte(strings.Repeat("Some words. ", 20)), 0o600))
		for _, args := range [][]string{
			{"verify", path}, {"info", path}, {"info", path, "--json"}, {"list", "--models", a.dir}, {"imatrix", path, "-f", text, "-o", path + ".stats", "--force"},
			{"run", path, "--max-tokens", "1", "--stats", "Hi"}, {"run", path + "no", "Hi"}, {"chat", path, "--max-tokens", "1", "--session", path + ".session"},
			{"convert", path}, {"convert", a.demoFolder(), "-o", path}, {"eval", path, "--qa", text}, {"run", path, "--messages", text}, {"run", "--draft", path + "no", "Hi"}, {name}, {"--" + name},
		} {
			o := a.ends(call{args: args, stdin: strings.NewReader("")})
			said := o.err
			if args[0] != "run" && args[0] != "chat" { // to a pipe, a reply goes as it is
				said += o.out
			}
			if i := strings.IndexFunc(said, func(c rune) bool {
				return c != '\n' && c != '\t' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)
			}); i >= 0 {
				a.fail("mil %q says %.20q of it", args, said[i:])
			}
		}
		must(0, os.Remove(path))
	}
}
