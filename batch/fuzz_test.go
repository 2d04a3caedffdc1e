package batch

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever an input holds, it is refused or each of its requests is prepared or answered
// with a reason.
func FuzzInput(f *testing.F) {
	for _, text := range []string{
		`{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"model":"demo","prompt":"x","seed":null,"max_tokens":1e99}}`,
		"\xef\xbb\xbf{\"custom_id\":\"a\"}\r\n\n{\"custom_id\":\"b\",\"body\":[]}",
		`{"custom_id":"a","body":{"model":{},"messages":"` + "\xff" + `","stream":true}}`,
		`{"custom_id":"a"}` + "\n" + `{"custom_id":"a"}`,
		`{"custom_id":"\ud800","body":null,"method":1}`,
	} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "in")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		x, err := openIndex(path, Shard{}, func(m *mistake) error { return m })
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") && !bytes.Contains(text, []byte(err.Error())) {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		defer x.close()
		p := newPlan(x)
		for n := 0; !p.over(); n++ {
			j, err := p.next(1)
			if err != nil || j == nil {
				t.Fatalf("request %d: %v", n, err)
			}
			body, no := j.r.prepare("demo", 1)
			if no == nil && !json.Valid(body) || no != nil && (no.status < 400 || !json.Valid(no.body)) {
				t.Errorf("%q, %+v", body, no)
			}
			j.group.done++
		}
	})
}

// Whatever an output holds, it is refused and stays as it is, or only what may go is
// missing: a torn end, lines with zeros, failures of the machine.
func FuzzOutput(f *testing.F) {
	dir := f.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	requests := `{"custom_id":"a","body":{"n":1}}` + "\n" + `{"custom_id":"b","body":{"n":2}}` + "\n"
	if err := os.WriteFile(in, []byte(requests), 0o666); err != nil {
		f.Fatal(err)
	}
	settings := func(int32) runSum { return runSum{1} }
	x, err := openIndex(in, Shard{}, func(m *mistake) error { return m })
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { x.close() })
	good := ""
	for i, status := range []int{200, 503} {
		line, err := newAnswer([]string{"a", "b"}[i], &x.entries[i], runSum{1}, status, []byte("{}")).line()
		if err != nil {
			f.Fatal(err)
		}
		good += string(line)
	}
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)-5]))
	f.Add([]byte(good + "\x00\x00\x00\n" + good[:20]))
	f.Add([]byte(strings.Replace(good, "503", "404", 1)))
	f.Add([]byte("Dear diary"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(out, text, 0o666); err != nil {
			t.Fatal(err)
		}
		for i := range x.entries {
			x.entries[i].state = waiting
		}
		o, err := openOutput(out, x, settings, false)
		now, readErr := os.ReadFile(out)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if !bytes.Equal(now, text) {
				t.Errorf("refused and changed: %q was %q", now, text)
			}
			return
		}
		defer o.close()
		if o.size != int64(len(now)) {
			t.Errorf("%d bytes are known of %d", o.size, len(now))
		}
		var want []byte
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) || bytes.IndexByte(line, 0) >= 0 {
				continue
			}
			if a, err := readAnswer(line); err == nil && a.status() < 500 {
				want = append(want, line...)
			}
		}
		if !bytes.Equal(now, want) {
			t.Errorf("%q is left of %q, want %q", now, text, want)
		}
	})
}
