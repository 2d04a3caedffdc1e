package batch_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mil-run/mil/batch"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/tokenizer"
)

// The questions of mil eval --qa score the same as a batch.
func TestScore(t *testing.T) {
	all, err := eval.ReadQuestions(testutil.Data("demo", "eval.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	step := 6
	if testing.Short() {
		step = 30
	}
	var list []eval.Question
	for i := 0; i < len(all); i += step {
		list = append(list, all[i])
	}
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want, err := eval.Ask(t.Context(), m.Engine(), s.Timeline().Session, list, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, q := range list {
		most := len(m.Tokenizer().Encode(q.Answer, tokenizer.EncodeOptions{}))
		b.WriteString(ask(fmt.Sprint(i), "/v1/chat/completions", map[string]any{"messages": messages(q.Messages), "temperature": 0, "max_tokens": 2*most + 16}))
	}
	out := filepath.Join(t.TempDir(), "out.jsonl")
	run(t, 0, args(write(t, b.String()), out, "--model", "demo", "--draft", "auto")...)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	right := map[string]int{}
	for l := range strings.Lines(string(data)) {
		var a batch.Answer
		var body struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(l), &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(a.Response.Body, &body); err != nil {
			t.Fatal(err)
		}
		var i int
		fmt.Sscan(a.CustomID, &i)
		if strings.TrimSpace(body.Choices[0].Message.Content) == strings.TrimSpace(list[i].Answer) {
			right[list[i].Kind]++
		}
	}
	total := 0
	for _, c := range want {
		total += c.Correct
		if right[c.Kind] != c.Correct {
			t.Errorf("%s: %d of %d are right, mil eval has %d", c.Kind, right[c.Kind], c.Asked, c.Correct)
		}
	}
	if total < len(list)/2 {
		t.Errorf("only %d of %d are right", total, len(list))
	}
	t.Logf("%d of %d are right", total, len(list))
}

func messages(list []chat.Message) (out []map[string]string) {
	for _, m := range list {
		out = append(out, map[string]string{"role": m.Role, "content": m.Content})
	}
	return out
}

// Shards of the demo that were merged are one run.
func TestShardsOfDemo(t *testing.T) {
	in := write(t, mixed(24))
	dir := t.TempDir()
	var parts []string
	for i := range 3 {
		parts = append(parts, filepath.Join(dir, fmt.Sprint(i)))
		_, _ = mil(t, args(in, parts[i], "--shard", fmt.Sprintf("%d/3", i))...).CombinedOutput() // merging finds what is missing
	}
	whole, all := filepath.Join(dir, "whole"), filepath.Join(dir, "all")
	run(t, 3, args(in, whole)...)
	run(t, 0, append([]string{"batch", "merge", in, "-o", all}, parts...)...)
	same(t, texts(t, all), texts(t, whole))
	text := run(t, 1, "batch", "check", in, "--backend", "cpu", "--threads", "2")
	if n := strings.Count(text, "temperature -1 is not"); n != 3 || !strings.Contains(text, "line 8: request 7: temperature") || !strings.Contains(text, "3 of 24 requests are wrong") {
		t.Errorf("check: %s", text)
	}
}

var requests = flag.Int("requests", 5000, "number of requests of 4 KB to stream (a fifth of them with -short)")

// The memory of a run does not grow with the requests' bytes.
func TestMemory(t *testing.T) {
	n := *requests
	if testing.Short() {
		n /= 5
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	f, err := os.Create(in)
	if err != nil {
		t.Fatal(err)
	}
	filler := strings.Repeat("All work and no play. ", 186)
	for i := range n {
		fmt.Fprint(f, ask(fmt.Sprint("request ", i), "/v1/completions", map[string]any{"model": "m", "prompt": fmt.Sprint(i, filler)}))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	var mu sync.Mutex
	watch := func() {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		mu.Lock()
		most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		mu.Unlock()
	}
	stop := make(chan struct{})
	go func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				watch()
			case <-stop:
				return
			}
		}
	}()
	o := (&silent{}).options(in, out)
	o.Streams = 64
	e, err := batch.Run(t.Context(), o)
	close(stop)
	if err != nil || e.Done != n {
		t.Fatalf("%+v, %v", e, err)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d requests: %d MB of heap at most", n, most>>20)
	if most > 100<<20 {
		t.Errorf("%d MB of heap for %d requests", most>>20, n)
	}
}
