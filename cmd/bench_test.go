package cmd_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
)

func TestBenchJSON(t *testing.T) {
	llama, mamba := fixture(t, "llama", "q8_0"), fixture(t, "pure-mamba2", "q4_k_m")
	plot := filepath.Join(t.TempDir(), "speed.svg")
	out := must(t, "", "bench", llama, mamba, "--depths", "20,0", "--prompt", "17", "--gen", "3", "--runs", "2", "--json", "--plot", plot)
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 {
		t.Fatalf("%s: %v", out, err)
	}
	for i, b := range list {
		for _, key := range []string{"bytes_per_token", "macs_per_token", "read_gb_s", "int8_gmac_s"} {
			if v, ok := b[key].(float64); !ok || v <= 0 {
				t.Errorf("model %d: %s is %v", i, key, b[key])
			}
		}
		results, _ := b["results"].([]any)
		if len(results) != 2 {
			t.Fatalf("model %d: results %v", i, b["results"])
		}
		for j, depth := range []float64{0, 20} {
			r := results[j].(map[string]any)
			if r["depth"] != depth || r["prompt_tokens"] != 17.0 || r["gen_tokens"] != 3.0 || r["prompt_tok_s"].(float64) <= 0 || r["gen_tok_s"].(float64) <= 0 {
				t.Errorf("model %d: %v", i, r)
			}
		}
	}
	if list[0]["model"] != llama {
		t.Errorf("the first model is %v", list[0]["model"])
	}
	checkBytes(t, llama, list[0]["bytes_per_token"])
	checkBytes(t, mamba, list[1]["bytes_per_token"])
	d := xml.NewDecoder(strings.NewReader(readFile(t, plot)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", plot, err)
		}
	}
	if svg := readFile(t, plot); strings.Count(svg, "<circle") != 8 || !strings.Contains(svg, "model.bin") || strings.Contains(svg, "NaN") {
		t.Errorf("%s", svg)
	}
}

// Streams give one result for each number at each depth, the sum of their speeds
// and the gaps between tokens.
func TestBenchStreams(t *testing.T) {
	llama := fixture(t, "mamba2-half", "q8_0")
	out := must(t, "", "bench", llama, "--streams", "1,3,17", "--depths", "0,70", "--gen", "2", "--runs", "1", "--json")
	var list []struct {
		Results []struct {
			Depth, Streams int
			GenTokS        float64 `json:"gen_tok_s"`
			P50            float64 `json:"gap_p50_s"`
			P99            float64 `json:"gap_p99_s"`
			Bytes          int64   `json:"stream_bytes"`
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || len(list[0].Results) != 6 {
		t.Fatalf("%s: %v", out, err)
	}
	for i, want := range [][2]int{{0, 1}, {0, 3}, {0, 17}, {70, 1}, {70, 3}, {70, 17}} {
		r := list[0].Results[i]
		if r.Depth != want[0] || r.Streams != want[1] || !(r.GenTokS > 0 && r.P50 > 0 && r.P99 >= r.P50 && r.Bytes > 0) {
			t.Errorf("%+v, want depth and streams %v", r, want)
		}
	}
	if table := must(t, "", "bench", llama, "--streams", "1,2", "--gen", "2", "--runs", "1"); !strings.Contains(table, "tok/s each") {
		t.Errorf("%s", table)
	}
	for _, args := range [][]string{{"--beside", "9"}, {"--streams", "0"}, {"--streams", "65"}, {"--streams", "2", "--gen", "0"}, {"--streams", "2", "--draft", "lookup"}} {
		if _, _, err := mil(t, "", append([]string{"bench", llama}, args...)...); err == nil {
			t.Errorf("bench %v ran", args)
		}
	}
}

// A prompt beside streams is read in pieces, between which the streams go on.
func TestBenchBeside(t *testing.T) {
	llama := fixture(t, "mamba2-half", "q8_0")
	args := []string{"bench", llama, "--streams", "1,3", "--gen", "2", "--runs", "1", "--beside", "600"}
	var list []struct {
		Results []struct {
			Streams int
			Beside  *struct {
				PromptTokens int     `json:"prompt_tokens"`
				PromptTokS   float64 `json:"prompt_tok_s"`
				BeforeP50    float64 `json:"before_p50_s"`
				GapP50       float64 `json:"gap_p50_s"`
				GapP99       float64 `json:"gap_p99_s"`
				GapMax       float64 `json:"gap_max_s"`
				Pieces       int
				PieceP50     float64 `json:"piece_p50_s"`
				PieceMax     float64 `json:"piece_max_s"`
			}
		}
	}
	if out := must(t, "", append(args, "--json")...); json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || len(list[0].Results) != 2 {
		t.Fatal(out)
	}
	for _, r := range list[0].Results {
		x := r.Beside
		if x == nil || x.PromptTokens != 600 || x.Pieces < 2 || x.Pieces > 10 || !(x.PromptTokS > 0 && x.BeforeP50 > 0 && x.GapMax >= x.GapP99 && x.GapP99 >= x.GapP50 && x.PieceMax >= x.PieceP50 && x.PieceP50 > 0) {
			t.Errorf("%d streams: %+v", r.Streams, x)
		}
		if x != nil && x.GapMax < x.PieceP50 {
			t.Errorf("%d streams: no gap holds a piece of %v s: %+v", r.Streams, x.PieceP50, x)
		}
	}
	if table := must(t, "", args...); !strings.Contains(table, "pieces") {
		t.Errorf("%s", table)
	}
}

// checkBytes holds bytes per token to all tensors, but for embeddings that do
// not make the logits too.
func checkBytes(t *testing.T, path string, got any) {
	t.Helper()
	f, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := 0.0
	for _, tensor := range f.Tensors() {
		want += float64(tensor.Size)
	}
	if _, untied := f.Tensor("output.weight"); untied {
		embeddings, _ := f.Tensor("token_embd.weight")
		want -= float64(embeddings.Size)
	}
	if got != want {
		t.Errorf("%s: %v bytes a token, want %v", path, got, want)
	}
}

// A table, a plot where there are several depths, and one warning where they
// exceed what the model declares.
func TestBenchText(t *testing.T) {
	out, errs, err := mil(t, "", "bench", fixture(t, "mamba1-half", "q8_0"), "--depths", "0,8300", "--prompt", "0", "--gen", "1", "--runs", "1", "--threads", "1")
	if err != nil || strings.Count(errs, "warning") != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("%q, %v", errs, err)
	}
	for _, want := range []string{"GB/s", "gen tok/s", "of reading", "1 threads", "generation tok/s over depth"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !regexp.MustCompile(`\n +0 █+ +[\d.]+\n +8300 [█▉▊▋▌▍▎▏]`).MatchString(out) { // a bar, however short
		t.Errorf("no plot in\n%s", out)
	}
	if strings.Contains(out, "prompt tok/s over depth") {
		t.Errorf("a plot of what was not timed:\n%s", out)
	}
}

// Passes of several tokens are timed alone too, at each depth.
func TestBenchRows(t *testing.T) {
	out := must(t, "", "bench", fixture(t, "mamba1-half", "q8_0"), "--depths", "0,40", "--prompt", "0", "--gen", "0", "--rows", "1,5,16", "--runs", "2", "--json")
	var list []struct {
		Results []struct {
			Rows []struct {
				Tokens        int
				Seconds, Cost float64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || len(list[0].Results) != 2 {
		t.Fatalf("%v in\n%s", err, out)
	}
	for _, r := range list[0].Results {
		if len(r.Rows) != 3 || r.Rows[1].Tokens != 5 || r.Rows[2].Seconds <= 0 || r.Rows[2].Cost <= 0 {
			t.Errorf("%+v", r.Rows)
		}
	}
}

// The demo, where no model is named, on every instruction set there is.
func TestBenchDemo(t *testing.T) {
	var cpu struct {
		Used, Why string
		Threads   int
		Sets      []struct {
			Name, Needs string
			Available   bool
		}
	}
	out := must(t, "", "info", "--cpu", "--json")
	if err := json.Unmarshal([]byte(out), &cpu); err != nil || cpu.Used == "" || cpu.Why == "" || cpu.Threads < 1 || len(cpu.Sets) == 0 {
		t.Fatalf("%s: %v", out, err)
	}
	text := must(t, "", "info", "--cpu")
	for _, s := range cpu.Sets {
		if !strings.Contains(text, s.Name) || s.Needs == "" {
			t.Errorf("no %s in\n%s", s.Name, text)
		}
		out, errs, err := mil(t, "", "bench", "--isa", s.Name, "--prompt", "20", "--gen", "2", "--runs", "1")
		switch {
		case s.Available && (err != nil || !strings.Contains(out, "demo") || !strings.Contains(out, s.Name)):
			t.Errorf("%s: %q %q %v", s.Name, out, errs, err)
		case !s.Available && (err == nil || !strings.Contains(err.Error(), "it has go")):
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"--prompt -1 is not":         {"bench", "--prompt", "-1"},
		"--runs 0 is not":            {"bench", "--runs", "0"},
		"--depths 0,-5 is not":       {"bench", "--depths", "0,-5"},
		"there is nothing to time":   {"bench", "--prompt", "0", "--gen", "0"},
		"--rows 17 is not":           {"bench", "--rows", "17"},
		"--rows goes with":           {"bench", "--rows", "2", "--streams", "2"},
		"--threads -1 is not":        {"bench", "--threads", "-1"},
		"--isa mmx is none of go":    {"bench", "--isa", "mmx"},
		"no such file":               {"bench", "missing.bin"},
		"is a folder":                {"bench", "--plot", "."},
		"mil info takes no argument": {"info", "--cpu", "model.bin"},
	} {
		if _, _, err := mil(t, "", args...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
