package cmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/demo"
	"github.com/mil-run/mil/model"
)

// withMemory runs a test as if that number of bytes were free.
func withMemory(t *testing.T, bytes int64, ok bool) {
	was := freeMemory
	freeMemory = func() (int64, bool) { return bytes, ok }
	t.Cleanup(func() { freeMemory = was })
}

// execute runs a command without input.
func execute(args ...string) (stderr string, err error) {
	var out, errs strings.Builder
	err = Execute(args, strings.NewReader(""), &out, &errs)
	return errs.String(), err
}

// What cannot fit is refused before it is allocated, with what is needed, what
// can be used and what fits, which then does.
func TestTooLittleMemory(t *testing.T) {
	withMemory(t, 100e6, true)
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
	withMemory(t, 1e6, true)
	if _, err := execute("run", "--backend", "cpu", "x"); err == nil || !strings.Contains(err.Error(), "take a smaller model") {
		t.Errorf("a megabyte: %v", err)
	}
}

// A command's sessions count together.
func TestMemoryOfDrafts(t *testing.T) {
	file, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	o := model.Options{Context: 4096}
	kv, rest := memoryNeed(m, o)
	if known, state := m.Memory(o); kv != known || rest != state+m.Scratch(o) || kv == 0 {
		t.Fatalf("%d and %d bytes are needed, model says %d and %d", kv, rest, known, state)
	}
	withMemory(t, (kv+rest)*4/3*3/2, true)
	var f runFlags
	if err := f.reserve(m, o); err != nil {
		t.Error(err)
	}
	if err := f.reserve(m, o); err == nil {
		t.Error("two take what one and a half may")
	}
	withMemory(t, 0, false)
	f = runFlags{}
	for range 100 {
		if err := f.reserve(m, model.Options{Context: maxContext}); err != nil {
			t.Fatalf("the system does not say: %v", err)
		}
	}
}

// The longest context that fits does, and one more does not.
func TestFitting(t *testing.T) {
	file, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{0, 25e6, 40e6, 1e12} {
		n := fitting(m, model.Options{Context: 1 << 20}, limit)
		need := func(n int) int64 { kv, rest := memoryNeed(m, model.Options{Context: n}); return kv + rest }
		switch {
		case n == 0 && need(1) <= limit, n > 0 && need(n) > limit, n < 1<<20 && n > 0 && need(n+1024) <= limit:
			t.Errorf("%d bytes: %d tokens", limit, n)
		}
	}
}
