package cmd_test

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
)

// endless gives one text again and again.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// What has no end is refused by one line that tells the limit, in memory for
// little more than that.
func TestEndlessInput(t *testing.T) {
	letters, lines := endless(strings.Repeat("a", 4096)), endless(strings.Repeat("Once upon a time.\n", 200))
	messages := endless(`[` + strings.Repeat(`{"role":"user","content":"x"},`, 200))
	text := endless(`[{"role":"user","content":"` + strings.Repeat("x", 4096))
	const mb = 1 << 20
	for _, c := range []struct {
		in   io.Reader
		args []string
		want string
		most uint64 // bytes allocated
	}{
		{letters, []string{"run", "-n", "1"}, "over 1.05 MB (1048576 bytes), more than a context of 8192 tokens takes (--ctx)", 64 * mb},
		{lines, []string{"run", "--raw", "-n", "1"}, "more than a context of 8192 tokens", 64 * mb},
		{lines, []string{"run", "-n", "1", "-f", "-"}, "more than a context of 8192 tokens", 64 * mb},
		{letters, []string{"run", "--on-full", "slide"}, "the longest prompt that mil takes", 160 * mb},
		{messages, []string{"run", "--messages", "-"}, "over 16.8 MB", 160 * mb},
		{text, []string{"run", "--messages", "-"}, "over 16.8 MB", 160 * mb},
		{letters, []string{"tokenize", "demo"}, "over 16.8 MB", 160 * mb},
		{letters, []string{"tokenize", "demo", "--jsonl"}, "over 16 MB long", 160 * mb},
	} {
		var out, errs bytes.Buffer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := cmd.Execute(c.args, c.in, &out, &errs)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || cmd.Status(err) != 1 || out.Len() > 0 || errs.Len() > 0 {
			t.Errorf("mil %q: %v, printed %q and %q; want %q", c.args, err, out.String(), errs.String(), c.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > c.most {
			t.Errorf("mil %q: %d MB allocated, at most %d are right", c.args, used>>20, c.most>>20)
		}
	}
	// A prompt that just fits the limit is the context's to refuse.
	var out, errs bytes.Buffer
	err := cmd.Execute([]string{"run"}, io.LimitReader(lines, mb), &out, &errs)
	if err == nil || !strings.Contains(err.Error(), "tokens long") {
		t.Errorf("1 MB: %v", err)
	}
	// Texts with zero bytes are none.
	path := t.TempDir() + "/zeros"
	os.WriteFile(path, []byte("Once\x00upon"), 0o600)
	for _, args := range [][]string{{"eval", "-f", path}, {"imatrix", "demo", "-f", path, "-o", path + ".imatrix"}} {
		if err := cmd.Execute(args, strings.NewReader(""), &out, &errs); err == nil || !strings.Contains(err.Error(), path+": not text: byte 4 is zero") || cmd.Status(err) != 1 {
			t.Errorf("mil %q: %v", args, err)
		}
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"eval", "-f", path}, {"imatrix", "demo", "-f", path, "-o", path + ".imatrix"}, {"eval", "--qa", path}, {"run", "-f", path}, {"run", "--messages", path}} {
		if err := cmd.Execute(args, strings.NewReader(""), &out, &errs); err == nil || !strings.Contains(err.Error(), path+": too long: it is over ") || cmd.Status(err) != 1 {
			t.Errorf("mil %q: %v", args, err)
		}
	}
}
