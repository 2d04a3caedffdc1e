package batch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func indexOf(t *testing.T, text string) *index {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(path, Shard{}, func(m *mistake) error { return m })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.close() })
	return x
}

// Requests of one model, and those that begin alike, run one after another; of those
// with a long beginning two go first, one by one. Each runs once.
func TestOrder(t *testing.T) {
	const n = 3000 // several windows
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		begin := strings.Repeat(fmt.Sprint("rule ", i%5, ", "), 400)
		if i%5 == 0 {
			begin = fmt.Sprint(r.IntN(1e9), " ")
		}
		fmt.Fprintf(&b, `{"custom_id":"%d","method":"POST","url":"/v1/completions","body":{"model":"m%d","prompt":"%sq%d","max_tokens":%d}}`+"\n", i, i%2, begin, i, 10+r.IntN(100))
	}
	p := newPlan(indexOf(t, b.String()))
	seen := map[string]bool{}
	var last string
	var work []*job
	changes, models, alone := 0, 0, 0
	model := int32(-1)
	for !p.over() || len(work) > 0 {
		j, err := p.next(40)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.jobs) > 40+windowJobs {
			t.Fatalf("%d requests in memory", len(p.jobs))
		}
		if j != nil {
			if seen[j.r.CustomID] {
				t.Fatalf("%s twice", j.r.CustomID)
			}
			seen[j.r.CustomID] = true
			var i int
			fmt.Sscan(j.r.CustomID, &i)
			if kind := fmt.Sprint(i % 10); i%5 > 0 && kind != last {
				last = kind
				changes++
			}
			if m := p.x.entries[j.i].model; m != model {
				model = m
				models++
			}
			for _, other := range work {
				if j.group == other.group && j.group.done < leaders {
					t.Fatalf("%s begins beside %s, before the beginning was read", j.r.CustomID, other.r.CustomID)
				}
			}
			if j.group.shared >= holds && j.group.done < leaders {
				alone++
			}
			work = append(work, j)
		}
		if j == nil || len(work) == 40 {
			k := r.IntN(len(work))
			work[k].group.done++
			work = append(work[:k], work[k+1:]...)
		}
	}
	if len(seen) != n || models != 2 || alone < 16 || changes > 80 {
		t.Errorf("%d requests, %d changes of the model, %d leaders, %d changes of the beginning", len(seen), models, alone, changes)
	}
	t.Logf("%d changes of the beginning, %d leaders", changes, alone)
}

// Without common beginnings the longest requests of a window come first.
func TestLongestFirst(t *testing.T) {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, `{"custom_id":"%d","method":"POST","url":"/v1/completions","body":{"prompt":"%d","max_tokens":%d}}`+"\n", i, i, 10+i*37%50)
	}
	p := newPlan(indexOf(t, b.String()))
	last := 1 << 30
	for !p.over() {
		j, err := p.next(1)
		if err != nil || j.cost > last {
			t.Fatalf("%v, cost %d behind %d", err, j.cost, last)
		}
		last = j.cost
	}
}

// A file that changes while it is read is an error.
func TestChanges(t *testing.T) {
	x := indexOf(t, `{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"1"}}`)
	if err := os.WriteFile(x.path, []byte(`{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"2"}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := newPlan(x).next(1); err == nil || !strings.Contains(err.Error(), "changed while it was read, at line 1") {
		t.Error(err)
	}
}

func TestShards(t *testing.T) {
	const n, of = 20000, 7
	var counts [of]int
	for i := range n {
		in := 0
		for k := range of {
			if (Shard{k, of}).has(fmt.Sprint("request-", i)) {
				counts[k]++
				in++
			}
		}
		if in != 1 {
			t.Fatalf("request %d is in %d shards", i, in)
		}
	}
	for k, c := range counts {
		if c < n/of*9/10 || c > n/of*11/10 {
			t.Errorf("shard %d has %d of %d requests", k, c, n)
		}
	}
	for text, want := range map[string]Shard{"0/1": {0, 1}, "3/4": {3, 4}} {
		if s, err := ParseShard(text); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "1", "4/4", "-1/4", "1/0", "a/b", "1/2/3", "0/99999999"} {
		if s, err := ParseShard(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

func TestEnvShard(t *testing.T) {
	for _, c := range []struct {
		env  string // name=value, separated by spaces
		of   int
		want Shard
		by   string
		err  string
	}{
		{"", 0, Shard{}, "", ""},
		{"SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=0", 0, Shard{0, 4}, "SLURM_ARRAY_TASK_ID", ""},
		{"SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=1", 0, Shard{3, 4}, "SLURM_ARRAY_TASK_ID", ""},
		{"SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_COUNT=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2", 0, Shard{4, 5}, "SLURM_ARRAY_TASK_ID", ""},
		{"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=1", 0, Shard{}, "SLURM_ARRAY_TASK_ID", "gaps"},
		{"SLURM_ARRAY_TASK_ID=x SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_MIN=1", 0, Shard{}, "SLURM_ARRAY_TASK_ID", `is "x"`},
		{"SLURM_ARRAY_TASK_ID=1", 0, Shard{}, "SLURM_ARRAY_TASK_ID", `SLURM_ARRAY_TASK_COUNT is ""`},
		{"JOB_COMPLETION_INDEX=2", 3, Shard{2, 3}, "JOB_COMPLETION_INDEX", ""},
		{"JOB_COMPLETION_INDEX=2", 0, Shard{}, "JOB_COMPLETION_INDEX", "--shards N"},
		{"JOB_COMPLETION_INDEX=3", 3, Shard{}, "JOB_COMPLETION_INDEX", "there are 3"},
		{"", 3, Shard{}, "", "--shard i/n"},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		s, by, err := EnvShard(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, c.of)
		if s != c.want || by != c.by || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s, --shards %d: %v by %q, %v", c.env, c.of, s, by, err)
		}
	}
}

// Ids of answers tell bodies and settings apart, and spaces change nothing.
func TestID(t *testing.T) {
	r := Request{"a", "POST", "/v1/completions", []byte(`{"prompt": "a b", "n":1}`)}
	body, run, ok := parseID(answerID(r.sum(), sumOf("m", 1)))
	if !ok || body != r.sum() || run != sumOf("m", 1) {
		t.Error("an id does not come back")
	}
	spaced := r
	spaced.Body = []byte("{\"prompt\":\"a b\",\t\"n\":1 }")
	if spaced.sum() != r.sum() {
		t.Error("spaces change the sum")
	}
	for _, other := range []Request{{"a", "GET", r.URL, r.Body}, {"a", r.Method, "/v1/responses", r.Body}, {"a", r.Method, r.URL, []byte(`{"prompt":"a  b","n":1}`)}} {
		if other.sum() == r.sum() {
			t.Errorf("%+v has the sum of %+v", other, r)
		}
	}
	for _, id := range []string{"", "batch_req_", answerID(body, run) + "0", strings.ToUpper(answerID(body, run)), strings.Replace(answerID(body, run), "-", "_", 1)} {
		if _, _, ok := parseID(id); ok && id != answerID(body, run) {
			t.Errorf("%q is an id", id)
		}
	}
}
