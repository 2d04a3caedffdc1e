package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// manifestFile lists the modules: what each was made of, what was made, and its
// kernels. Package cuda finds kernels by it.
const manifestFile = "manifest.txt"

const manifestHead = `# Made by go run ./cuda/kernels/gen. Of a module: its name and chip, digests of its sources and flags and of its PTX.
# Of each of its kernels: the name, the bytes of its arguments, and whether it waits for the launch before it.
`

// entries are the module's lines of the manifest.
func (u *unit) entries(digest string, text []byte) string {
	sum := sha256.Sum256(text)
	var b strings.Builder
	fmt.Fprintf(&b, "%s sources %s text %s\n", u.heading(), digest, short(sum[:]))
	for _, m := range kernel.FindAllSubmatchIndex(text, -1) {
		body, _, _ := bytes.Cut(text[m[1]:], []byte(".entry "))
		waits := ""
		if bytes.Contains(body, []byte("\tgriddepcontrol.wait;")) || bytes.Contains(body, []byte("\t// griddepcontrol.wait;")) {
			waits = " waits"
		}
		fmt.Fprintf(&b, "\t%s %s%s\n", text[m[2]:m[3]], text[m[4]:m[5]], waits)
	}
	return b.String()
}

var kernel = regexp.MustCompile(`\.entry (\w+)\(\s*\.param \.align 8 \.b8 \w+\[(\d+)\]`)

func (u *unit) heading() string { return fmt.Sprintf("%s sm_%s", u.name, u.arch) }

// readManifest gives the lines of every module by its heading.
func readManifest(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	at := ""
	for line := range strings.Lines(string(text)) {
		switch {
		case line[0] == '#':
			continue
		case line[0] != '\t':
			at, _, _ = strings.Cut(line, " sources ")
		}
		out[at] += line
	}
	return out, nil
}

func writeManifest(dir string, units []unit, modules map[string]string) error {
	text := manifestHead
	for _, u := range units {
		text += modules[u.heading()]
	}
	return os.WriteFile(filepath.Join(dir, manifestFile), []byte(text), 0o644)
}
