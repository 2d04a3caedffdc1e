package batch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mil-run/mil/batch"
)

// fake answers with the status that a request's user field names, and the body.
type fake struct {
	mu    sync.Mutex
	asked []string      // bodies, in the order of their arrival
	block chan struct{} // if set, requests wait for it
	at    atomic.Int64  // requests at work
	most  atomic.Int64  // of them at any time
}

func (f *fake) Local(ctx context.Context, path string, body []byte) (int, []byte, error) {
	f.most.Store(max(f.most.Load(), f.at.Add(1)))
	defer f.at.Add(-1)
	f.mu.Lock()
	f.asked = append(f.asked, string(body))
	f.mu.Unlock()
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	status := 200
	if _, rest, ok := strings.Cut(string(body), `"user":"`); ok {
		fmt.Sscan(rest, &status)
	}
	if status >= 400 {
		return status, fmt.Appendf(nil, `{"error":{"code":"c","message":"m%d"}}`, status), nil
	}
	return status, fmt.Appendf(nil, `{"echo":%s,"usage":{"prompt_tokens":3,"completion_tokens":2}}`+"\n", body), nil
}

// options of a run on the fake.
func (f *fake) options(in, out string) batch.Options {
	return batch.Options{In: in, Out: out, Streams: 4, Grace: time.Minute, Open: func(names []string) (*batch.Models, error) {
		m := &batch.Models{Server: f, Close: func() error { return nil }}
		for _, name := range names {
			if name != "" && name != "none" {
				name = "served-" + name
			}
			m.Names, m.Settings = append(m.Names, strings.TrimSuffix(name, "none")), append(m.Settings, name)
		}
		return m, nil
	}}
}

// line is a request with a status to be answered by.
func line(id, status string) string {
	return ask(id, "/v1/completions", map[string]any{"model": "m", "prompt": "text " + id, "user": status})
}

// files are an input of these lines and an output beside it.
func files(t *testing.T, text ...string) (in, out string) {
	in = write(t, strings.Join(text, ""))
	return in, filepath.Join(filepath.Dir(in), "out.jsonl")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Each request gets one line. The body that the server gets has the model's served name
// and a seed that depends on custom_id and the run's alone.
func TestAnswers(t *testing.T) {
	in, out := files(t, "\xef\xbb\xbf", line("a", "200"), "\r\n", line("b", "404"),
		ask("c", "/v1/completions", map[string]any{"model": "m", "prompt": "<&>", "seed": 5}),
		ask("d", "/v1/embeddings", map[string]any{"model": "m"}),
		ask("e", "/v1/responses", map[string]any{"model": "none", "input": "x"}),
		ask("f", "/v1/responses", map[string]any{"input": "x"}),
		ask("g", "/v1/chat/completions", map[string]any{"model": "m", "stream": true}),
		`{"custom_id":"h","method":"GET","url":"/v1/completions","body":{"model":"m"}}`+"\n",
		`{"custom_id":"i","method":"POST","url":"/v1/completions","body":[1]}`)
	f := &fake{}
	e, err := batch.Run(t.Context(), f.options(in, out))
	if !errors.Is(err, batch.ErrFailures) || e.Total != 9 || e.Done != 9 || e.Failed != 7 || e.Made != 4 || e.Prompt != 6 {
		t.Errorf("%+v, %v", e, err)
	}
	got := texts(t, out)
	for id, has := range map[string]string{
		"a": `200{"echo":{"model":"served-m","prompt":"text a","seed":`, "b": "404{", "c": `"prompt":"\u003c\u0026\u003e","seed":5}`,
		"d": "400{\"error\":{\"code\":\"invalid_value\",\"message\":\"url is", "e": "404{\"error\":{\"code\":\"model_not_found", "f": "400{\"error\":{\"code\":\"invalid_value\",\"message\":\"model is missing",
		"g": "stream is not supported", "h": "method is POST", "i": "body is no JSON object",
	} {
		if !strings.Contains(got[id], has) {
			t.Errorf("%s: %s, want %s", id, got[id], has)
		}
	}
	if len(f.asked) != 3 {
		t.Errorf("the server got %q", f.asked)
	}
	seedOf := func(seed uint64) string {
		o := f.options(in, filepath.Join(t.TempDir(), "out"))
		o.Seed = seed
		_, _ = batch.Run(t.Context(), o) // some are failures
		text := texts(t, o.Out)["a"]
		return text[strings.Index(text, `"seed"`):]
	}
	if a, b, c := seedOf(0), seedOf(0), seedOf(1); a != b || a == c {
		t.Errorf("%s %s %s", a, b, c)
	}
}

// Started again, a run keeps what is answered, and says what does not fit.
func TestAgain(t *testing.T) {
	one, two, bad, sick := line("one", "200"), line("two", "200"), line("bad", "422"), line("sick", "503")
	in, out := files(t, one, two, bad, sick)
	f := &fake{}
	again := func(change func(*batch.Options)) (batch.Event, int, error) {
		f.asked = nil
		o := f.options(in, out)
		if change != nil {
			change(&o)
		}
		e, err := batch.Run(t.Context(), o)
		return e, len(f.asked), err
	}
	again(nil)
	whole := read(t, out)
	// The machine's failure runs again; what is answered stays, byte for byte.
	e, n, err := again(nil)
	if n != 1 || e.Kept != 3 || e.Again != 1 || e.KeptFailed != 1 || !errors.Is(err, batch.ErrFailures) {
		t.Errorf("%d asked, %+v, %v", n, e, err)
	}
	if got := texts(t, out); len(got) != 4 {
		t.Errorf("%v", got)
	}
	if e, n, _ := again(func(o *batch.Options) { o.Retry = true }); n != 2 || e.Kept != 2 || e.Again != 2 {
		t.Errorf("--retry-failed: %d asked, %+v", n, e)
	}
	// Cut anywhere, the file is gone on with.
	for size := range len(whole) {
		if near := strings.Index(whole[size:], "\n"); near > 1 && size > 30 && size%11 > 0 {
			continue
		}
		os.WriteFile(out, []byte(whole[:size]), 0o666)
		before := strings.Count(whole[:size], "\n")
		if e, n, _ := again(nil); n+e.Kept != 4 || e.Kept > before || int(e.Cut) != size-strings.LastIndex(whole[:size], "\n")-1 || len(texts(t, out)) != 4 {
			t.Fatalf("cut at %d: %d asked, %+v, %s", size, n, e, read(t, out))
		}
	}
	// Bytes that never reached the disk are zero.
	lines := slices.Collect(strings.Lines(whole))
	zeros := strings.Repeat("\x00", 99)
	for _, hurt := range []string{lines[0] + zeros, lines[0] + zeros + "\n", zeros + lines[0] + lines[1], lines[1][:50] + zeros + "\n" + lines[0]} {
		os.WriteFile(out, []byte(hurt), 0o666)
		if again(nil); len(texts(t, out)) != 4 || strings.Contains(read(t, out), "\x00") {
			t.Errorf("%q: %q", hurt, read(t, out))
		}
	}
	okay, failure := lines[0], lines[0]
	for _, l := range lines {
		if strings.Contains(l, `"one"`) {
			okay = l
		} else if strings.Contains(l, `"bad"`) {
			failure = l
		}
	}
	// Of two shards, the one that does not have the request "one".
	elsewhere := batch.Shard{Of: 2}
	os.WriteFile(in, []byte(one), 0o666)
	os.Remove(out)
	if e, n, err := again(func(o *batch.Options) { o.Shard = elsewhere }); err != nil || e.Total != n {
		t.Errorf("a shard: %+v, %d asked, %v", e, n, err)
	} else if n == 1 {
		elsewhere.Index = 1
	}
	for _, c := range []struct {
		name, in, out, want string
		change              func(*batch.Options)
	}{
		{"a changed body", strings.Replace(one, "text one", "text two", 1), okay, "line 1: the request one, line 1 of " + in + ", changed since it was answered; give it another custom_id or the batch another output file", nil},
		{"another seed", one, okay, "line 1: the request one was answered by another model or with other settings", func(o *batch.Options) { o.Seed = 9 }},
		{"a changed request that failed", strings.Replace(bad, "text bad", "text two", 1), failure, "or run it again with --retry-failed", nil},
		{"another batch", two, okay, "line 1: it answers one, which " + in + " does not ask", nil},
		{"a second answer", one, okay + okay, "line 2: it is the second answer to one", nil},
		{"text", one, "Dear diary\n", "line 1: it is no answer that mil batch wrote", nil},
		{"text without an end", one, "Dear diary", "line 1: it is no answer that mil batch wrote", nil},
		{"another program's", one, `{"id":"batch_req_1","custom_id":"one","response":{"status_code":200}}` + "\n", "line 1: it is no answer that mil batch wrote", nil},
		{"another shard's", one, okay, "belongs to another shard", func(o *batch.Options) { o.Shard = elsewhere }},
	} {
		os.WriteFile(in, []byte(c.in), 0o666)
		os.WriteFile(out, []byte(c.out), 0o666)
		_, n, err := again(c.change)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), out+": ") || n > 0 || read(t, out) != c.out {
			t.Errorf("%s: %d asked, %v, want %s", c.name, n, err, c.want)
		}
	}
	// A corrected request that failed runs with --retry-failed.
	os.WriteFile(in, []byte(line("bad", "200")), 0o666)
	os.WriteFile(out, []byte(failure), 0o666)
	if _, n, err := again(func(o *batch.Options) { o.Retry = true }); n != 1 || err != nil {
		t.Errorf("corrected: %d asked, %v", n, err)
	}
}

// What is wrong with the file as a whole is said before anything runs.
func TestRefused(t *testing.T) {
	good := line("a", "200")
	for _, c := range []struct{ text, want string }{
		{good + line("b", "200") + good, "line 3: its custom_id a is that of line 1"},
		{good + "{}\n", `line 2: it has no "custom_id"`},
		{good + "Hello\n", "line 2: not JSON"},
		{good + `{"custom_id":5}`, `line 2: "custom_id" is`},
		{"{\"custom_id\":\"\xff\"}", "line 1: its custom_id is not UTF-8"},
		{`{"custom_id":"` + strings.Repeat("x", 600) + `"}`, "line 1: its custom_id has 600 bytes"},
		{good + strings.Repeat(" ", 17<<20), "line 2: too long"},
		{"", "it has no requests"},
		{"\n \n", "it has no requests"},
	} {
		in, out := files(t, c.text)
		f := &fake{}
		_, err := batch.Run(t.Context(), f.options(in, out))
		if err == nil || !strings.HasPrefix(err.Error(), in+": "+c.want) || len(f.asked) > 0 {
			t.Errorf("%.60q: %v, want %s", c.text, err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%.60q: there is an output", c.text)
		}
	}
	in, _ := files(t, good)
	f := &fake{}
	if _, err := batch.Run(t.Context(), f.options(in, in)); err == nil || !strings.Contains(err.Error(), "it is the file of requests") || read(t, in) != good {
		t.Errorf("into its input: %v", err)
	}
	if _, err := batch.Run(t.Context(), f.options(in, t.TempDir())); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("into a folder: %v", err)
	}
	if _, err := batch.Run(t.Context(), f.options(t.TempDir(), in+"2")); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("from a folder: %v", err)
	}
}

// A second batch on the same output is told that the first one has it.
func TestOwner(t *testing.T) {
	in, out := files(t, line("a", "200"))
	f := &fake{block: make(chan struct{})}
	ended := make(chan error)
	go func() {
		_, err := batch.Run(t.Context(), f.options(in, out))
		ended <- err
	}()
	for f.at.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := batch.Run(t.Context(), (&fake{}).options(in, out)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
	close(f.block)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Runs stop where failures say so.
func TestStops(t *testing.T) {
	many := func(status string) (text string) {
		for i := range 100 {
			text += line(fmt.Sprint(i), status)
		}
		return text
	}
	in, out := files(t, many("400"))
	f := &fake{}
	o := f.options(in, out)
	o.MaxErrors = 7
	if e, err := batch.Run(t.Context(), o); err == nil || errors.Is(err, batch.ErrFailures) || e.Failed != 7 || len(texts(t, out)) != 7 || !strings.Contains(err.Error(), "m400") {
		t.Errorf("--max-errors: %+v, %v", e, err)
	}
	in, out = files(t, many("500"))
	if e, err := batch.Run(t.Context(), f.options(in, out)); err == nil || errors.Is(err, batch.ErrFailures) || e.Failed != 20 || !strings.Contains(err.Error(), "m500") {
		t.Errorf("a broken machine: %+v, %v", e, err)
	}
}

// A run whose context ends lets requests at work end, or drops them after the grace.
func TestStopped(t *testing.T) {
	for _, grace := range []time.Duration{time.Minute, time.Millisecond} {
		in, out := files(t, line("a", "200"), line("b", "200"), line("c", "200"), line("d", "200"), line("e", "200"), line("f", "200"), line("g", "200"), line("h", "200"), line("i", "200"))
		f := &fake{block: make(chan struct{})}
		o := f.options(in, out)
		o.Grace = grace
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for f.at.Load() < 7 { // 4 streams and those that wait for one
				time.Sleep(time.Millisecond)
			}
			cancel()
			if grace == time.Minute {
				time.Sleep(20 * time.Millisecond)
				close(f.block)
			}
		}()
		e, err := batch.Run(ctx, o)
		want := 7
		if grace < time.Minute {
			want = 0
		}
		if !errors.Is(err, batch.ErrStopped) || e.Done != want || len(texts(t, out)) != want || f.most.Load() != 7 {
			t.Errorf("grace %v: %+v, %v, %d at work", grace, e, err, f.most.Load())
		}
	}
}

// silent is a fake that keeps nothing of what it is asked.
type silent struct{ fake }

func (*silent) Local(context.Context, string, []byte) (int, []byte, error) {
	return 200, []byte(`{"usage":{}}`), nil
}

func (s *silent) options(in, out string) batch.Options {
	o := s.fake.options(in, out)
	open := o.Open
	o.Open = func(names []string) (*batch.Models, error) {
		m, err := open(names)
		m.Server = s
		return m, err
	}
	return o
}
