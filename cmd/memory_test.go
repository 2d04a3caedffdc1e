package cmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/memory"
)

// execute runs a command without input.
func execute(args ...string) (stderr string, err error) {
	var out, errs strings.Builder
	err = Execute(args, strings.NewReader(""), &out, &errs)
	return errs.String(), err
}

// What cannot fit is refused before it is allocated, with what is needed, what
// can be used and what fits, which then does.
func TestTooLittleMemory(t *testing.T) {
	defer memory.Pretend(100e6, true)()
	_, err := execute("run", "--ctx", "10000000", "--backend", "cpu", "x")
	if err == nil {
		t.Fatal("a context of ten million started")
	}
	said := regexp.MustCompile(`too little memory: a context of 10000000 tokens needs 20\.\d GB \(keys and values 20\.\d GB\) and 75\.0 MB can be used; --ctx (\d+) is the most that fits, with --kv q8_0 (\d+)$`).FindStringSubmatch(err.Error())
	if said == nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--ctx", said[1]}, {"--kv", "q8_0", "--ctx", said[2]}} {
		args = append([]string{"run", "--backend", "cpu", "-n", "1"}, args...)
		if stderr, err := execute(append(args, "x")...); err != nil {
			t.Errorf("%q: %v, %s", args, err, stderr)
		}
	}
	memory.Pretend(1e6, true)
	if _, err := execute("run", "--backend", "cpu", "x"); err == nil || !strings.Contains(err.Error(), "take a smaller model") {
		t.Errorf("a megabyte: %v", err)
	}
}
