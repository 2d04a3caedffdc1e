package demo

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

var update = flag.Bool("update", false, "write transcripts.jsonl anew")

// The embedded transcripts are the specification's, where they are clear.
func TestTranscriptsCurrent(t *testing.T) {
	all, err := os.ReadFile(testutil.Data("demo", "hybrid-mamba2", "transcripts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	for line := range bytes.Lines(all) {
		var x struct {
			Transcript
			Gap float64 `json:"min_top2_gap"`
		}
		if err := json.Unmarshal(line, &x); err != nil {
			t.Fatal(err)
		}
		if x.Gap > clear {
			e.Encode(x.Transcript)
		}
	}
	if *update {
		if err := os.WriteFile("transcripts.jsonl", want.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(transcripts, want.Bytes()) {
		t.Error("transcripts.jsonl is stale: go test ./demo -run Transcripts -update")
	}
	if n := len(Transcripts()); n < 5 {
		t.Errorf("only %d transcripts", n)
	}
}
