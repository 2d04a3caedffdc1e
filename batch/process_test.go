package batch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/batch"
	"github.com/mil-run/mil/cmd"
)

// TestMain lets the test's program be mil.
func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv("MIL_BATCH_TEST"); ok {
		if room, ok := os.LookupEnv("MIL_BATCH_TEST_ROOM"); ok {
			limited(room)
		}
		err := cmd.Execute(strings.Split(args, "\n"), os.Stdin, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mil:", err)
		}
		os.Exit(cmd.Status(err))
	}
	os.Exit(m.Run())
}

// limited bounds the files that a process writes, where the system can.
var limited func(room string)

// mil is a process of mil with these arguments.
func mil(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "MIL_BATCH_TEST="+strings.Join(args, "\n"), "XDG_DATA_HOME="+t.TempDir())
	return c
}

// run runs mil to its end, which has the given status, and gives what it printed.
func run(t *testing.T, status int, args ...string) string {
	t.Helper()
	c := mil(t, args...)
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != status {
		t.Fatalf("mil %q: %v, want status %d:\n%s", args, err, status, out)
	}
	return string(out)
}

// ask is a line of a file of requests.
func ask(id, url string, body map[string]any) string {
	data, _ := json.Marshal(map[string]any{"custom_id": id, "method": "POST", "url": url, "body": body})
	return string(data) + "\n"
}

func user(text string) []map[string]string {
	return []map[string]string{{"role": "user", "content": text}}
}

// mixed are requests of every kind to the demo: sampled without a seed, with
// log-probabilities, with a schema, with common beginnings, with beginnings that are other
// requests' replies, and wrong ones.
func mixed(n int) string {
	var b strings.Builder
	long := "Here are some rules of this tale. " + strings.Repeat("The fox is red and the mole is grey. ", 60)
	sum := func(i int) string { return strings.Repeat("Look at this. ", 20) + fmt.Sprintf("What is %d plus 7?", i) }
	for i := range n {
		id := fmt.Sprintf("request %d", i)
		body := map[string]any{"model": "demo", "max_tokens": 6 + i%13}
		url := "/v1/chat/completions"
		switch i % 8 {
		case 0:
			body["messages"], body["logprobs"], body["temperature"] = user(sum(i)), true, 0
			body["max_tokens"] = 60
		case 1:
			body["messages"] = user("Tell me a tale about a fox.")
		case 2:
			url = "/v1/completions"
			body["prompt"], body["logprobs"], body["n"] = "Once upon a time there was a", 1, 2
		case 3:
			url = "/v1/responses"
			delete(body, "max_tokens")
			body["input"], body["max_output_tokens"] = "Who are you?", 9
		case 4:
			body["messages"], body["logprobs"] = user(long+fmt.Sprintf("Tell it with %d animals.", i)), true
		case 5: // goes on behind what request i-5 may have been answered
			reply := map[string]string{"role": "assistant", "content": fmt.Sprintf("%d + 7 = %d.", i-5, i+2)}
			body["messages"] = append(user(sum(i-5)), reply, user("And plus 1?")[0])
			body["logprobs"], body["top_logprobs"], body["temperature"] = true, 3, 0
		case 6:
			url = "/v1/completions"
			body["prompt"], body["stop"], body["temperature"] = "Once upon a time", []string{"."}, 1.5
			if i%16 == 6 {
				schema := map[string]any{"name": "animals", "schema": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"fox", "mole"}}, "minItems": 1}}
				body["response_format"] = map[string]any{"type": "json_schema", "json_schema": schema}
			}
		case 7:
			body["messages"], body["temperature"] = user("Hello"), -1
		}
		b.WriteString(ask(id, url, body))
	}
	return b.String()
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts are what the whole lines of an output answer, by custom_id: all that does not
// tell of time and caches. Two answers to one request fail the test.
func texts(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var a batch.Answer
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.Response == nil || a.Error != nil {
			t.Fatalf("%s: %v in %q", path, err, line)
		}
		if all[a.CustomID] != "" {
			t.Fatalf("%s answers %s twice", path, a.CustomID)
		}
		var body map[string]any
		if err := json.Unmarshal(a.Response.Body, &body); err != nil {
			t.Fatal(line, err)
		}
		for _, varies := range []string{"id", "created", "created_at", "timings"} {
			delete(body, varies)
		}
		if use, ok := body["usage"].(map[string]any); ok {
			delete(use, "prompt_tokens_details")
			delete(use, "input_tokens_details")
		}
		if list, ok := body["output"].([]any); ok {
			delete(list[0].(map[string]any), "id")
		}
		what, _ := json.Marshal(body)
		all[a.CustomID] = fmt.Sprint(a.ID, a.Response.Status, string(what))
	}
	return all
}

// same says where two outputs differ.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d answers, want %d", len(got), len(want))
	}
	for id, text := range want {
		if got[id] != text {
			t.Errorf("%s: %s\nwant %s", id, got[id], text)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// args are those of a run on the demo.
func args(in, out string, more ...string) []string {
	return slices.Concat([]string{"batch", in, "-o", out, "--backend", "cpu", "--threads", "2", "--memory", "1G"}, more)
}
