package llm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// README's program runs as it stands, in a module outside the repository that is
// made by README's commands, and prints what README says.
func TestProgramOfReadme(t *testing.T) {
	root, err := filepath.Abs(testutil.Data(".."))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## From Go\n")
	section, _, _ = strings.Cut(section, "\n## ")
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(section)
		if m == nil {
			t.Fatalf("README's section has no %s", pattern)
		}
		return m[1]
	}
	program, want := find("(?s)```go\n(.*?)```"), find("This one prints `(.*?)`")
	if n := strings.Count(program, "\n"); n > 30 {
		t.Errorf("the program has %d lines", n)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", []byte(program))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum")) // which the network gives elsewhere
	if err != nil {
		t.Fatal(err)
	}
	write("go.sum", sums)
	got := ""
	for line := range strings.Lines(find("(?s)```\n(go mod init.*?)```")) {
		line = strings.ReplaceAll(line, "../mil", filepath.ToSlash(root))
		c := exec.Command("go", strings.Fields(line)[1:]...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		var errs strings.Builder
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, errs.String())
		}
		got = string(out)
	}
	if got != want+"\n" {
		t.Errorf("it prints %q, README says %q", got, want)
	}
}
