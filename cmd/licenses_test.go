package cmd

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write licenses.txt anew")

// module is what `go list -m -json` tells; Dir is "" where it was never loaded.
type module struct {
	Path, Version, Dir string
	Main               bool
}

// heading stands before a licence, once for every module it is the licence of.
func (m module) heading() string { return strings.TrimSpace("== " + m.Path + " " + m.Version) }

// required lists the modules of go.mod and Go itself.
func required(t *testing.T) []module {
	t.Helper()
	var mod struct{ Require []module }
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join("..", "go.mod")).Output()
	if err == nil {
		err = json.Unmarshal(out, &mod)
	}
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := []module{{Path: "Go's standard library", Dir: strings.TrimSpace(string(root))}}
	for _, m := range mod.Require {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.Path).Output()
		if err != nil {
			t.Fatal(m.Path, err)
		}
		m.Dir = strings.TrimSpace(string(dir))
		list = append(list, m)
	}
	return list
}

// text is a module's licence, "" where it is not on this machine.
func (m module) text(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"LICENSE", "LICENSE.txt", "License.txt"} {
		if b, err := os.ReadFile(filepath.Join(m.Dir, name)); m.Dir != "" && err == nil {
			return strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))
		}
	}
	return ""
}

const preamble = `mil is under the Apache License, Version 2.0, which stands below among the
licences of what is built into it.
`

// licenses.txt holds the licence of each module that go.mod requires, as its
// own files tell it, and of no other.
func TestLicenses(t *testing.T) {
	list := required(t)
	if *update {
		writeLicenses(t, list)
		return
	}
	var headings, want []string
	for line := range strings.Lines(licenses) {
		if strings.HasPrefix(line, "== ") {
			headings = append(headings, strings.TrimSpace(line))
		}
	}
	for _, m := range list {
		want = append(want, m.heading())
		_, rest, _ := strings.Cut(licenses, m.heading()+"\n")
		for strings.HasPrefix(rest, "== ") {
			_, rest, _ = strings.Cut(rest, "\n")
		}
		if text := m.text(t); text != "" && !strings.HasPrefix(rest, "\n"+text+"\n") {
			t.Errorf("%s: the licence is another", m.Path)
		}
	}
	slices.Sort(headings)
	slices.Sort(want)
	if !slices.Equal(headings, want) {
		t.Errorf("licenses.txt has %q, go.mod %q", headings, want)
	}
	if t.Failed() {
		t.Log("go mod download && go test ./cmd -run Licenses -update")
	}
}

func writeLicenses(t *testing.T, list []module) {
	var texts []string
	by := map[string][]string{}
	for _, m := range list {
		text := m.text(t)
		if text == "" {
			t.Fatalf("%s has no licence here", m.Path)
		}
		if by[text] == nil {
			texts = append(texts, text)
		}
		by[text] = append(by[text], m.heading())
	}
	out := preamble
	for _, text := range texts {
		out += "\n" + strings.Join(by[text], "\n") + "\n\n" + text + "\n"
	}
	if err := os.WriteFile("licenses.txt", []byte(out), 0o666); err != nil {
		t.Fatal(err)
	}
}
