package batch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/batch"
)

// Shards that were merged are one run, sorted.
func TestMerge(t *testing.T) {
	var b strings.Builder
	r := rand.New(rand.NewPCG(3, 4))
	var ids []string
	for i := range 500 {
		ids = append(ids, fmt.Sprint("id ", r.Uint64()))
		b.WriteString(line(ids[i], []string{"200", "200", "400"}[i%3]))
	}
	in, whole := files(t, b.String())
	f := &fake{}
	_, _ = batch.Run(t.Context(), f.options(in, whole)) // some fail
	var parts []string
	for i := range 4 {
		parts = append(parts, filepath.Join(t.TempDir(), "part"))
		o := f.options(in, parts[i])
		o.Shard = batch.Shard{Index: i, Of: 4}
		if e, err := batch.Run(t.Context(), o); e.Done < 90 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	merged := filepath.Join(t.TempDir(), "all")
	if _, err := batch.Merge(in, parts[1:], merged, false); err == nil || !strings.Contains(err.Error(), "have no answer, the first of them at line") || !strings.Contains(err.Error(), "--partial") {
		t.Errorf("with a part missing: %v", err)
	}
	if m, err := batch.Merge(in, parts[1:], merged, true); err != nil || m.Answers < 300 || m.Answers > 420 || len(texts(t, merged)) != m.Answers {
		t.Errorf("--partial: %+v, %v", m, err)
	}
	m, err := batch.Merge(in, parts, merged, false)
	if err != nil || m != (batch.MergeResult{Requests: 500, Answers: 500, Failed: 166}) {
		t.Errorf("%+v, %v", m, err)
	}
	same(t, texts(t, merged), texts(t, whole))
	if _, err := batch.Merge(in, []string{whole}, whole, false); err != nil { // sorted in its place
		t.Error(err)
	}
	if read(t, whole) != read(t, merged) {
		t.Error("merged parts are not the sorted whole")
	}
	at := 0
	for l := range strings.Lines(read(t, merged)) {
		if !strings.Contains(l, `"custom_id":"`+ids[at]+`"`) {
			t.Fatalf("line %d is not %s: %s", at+1, ids[at], l)
		}
		at++
	}
	// The merged file is one that a run goes on from.
	f.asked = nil
	if e, _ := batch.Run(t.Context(), f.options(in, merged)); e.Kept != 500 || len(f.asked) > 0 {
		t.Errorf("going on: %+v", e)
	}
}

// A torn line is left out, a failure gives way to a reply, and what does not belong
// together is refused.
func TestMergeOdds(t *testing.T) {
	in, out := files(t, line("a", "400"), line("b", "200"))
	f := &fake{}
	_, _ = batch.Run(t.Context(), f.options(in, out)) // one fails
	old := read(t, out)
	torn := filepath.Join(t.TempDir(), "torn")
	os.WriteFile(torn, []byte(old[:len(old)-9]), 0o666)
	to := filepath.Join(t.TempDir(), "to")
	if m, err := batch.Merge(in, []string{torn}, to, true); err != nil || m.Torn != 1 || m.Answers != 1 {
		t.Errorf("torn: %+v, %v", m, err)
	}
	good := strings.ReplaceAll(strings.ReplaceAll(old, `"status_code":400`, `"status_code":200`), "m400", "mended")
	mended := filepath.Join(t.TempDir(), "mended")
	os.WriteFile(mended, []byte(good), 0o666)
	if m, err := batch.Merge(in, []string{out, mended}, to, false); err != nil || m.Failed != 0 || !strings.Contains(read(t, to), "mended") {
		t.Errorf("a failure: %+v, %v, %s", m, err, read(t, to))
	}
	seeded := filepath.Join(t.TempDir(), "seeded")
	o := f.options(in, seeded)
	o.Seed = 5
	_, _ = batch.Run(t.Context(), o) // one fails
	other, _ := files(t, line("a", "200"), line("b", "404"))
	for _, c := range []struct {
		name, in, want string
		outs           []string
		to             string
	}{
		{"other settings", in, "the request b was answered by another model or with other settings", []string{out, seeded}, to},
		{"another input", other, "changed since it was answered; run it again", []string{out}, to},
		{"no output", in, "line 1: it is no answer", []string{in}, to},
		{"into the input", in, "is the file of requests", []string{out}, in},
	} {
		requests, before := read(t, in), read(t, to)
		_, err := batch.Merge(c.in, c.outs, c.to, false)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if read(t, in) != requests || read(t, to) != before {
			t.Errorf("%s: files changed", c.name)
		}
	}
}
