package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/show"
)

// TestGGUFAgain: what comes back from a file writes the same metadata once more, and
// tells the same of itself.
func TestGGUFAgain(t *testing.T) {
	for _, path := range []string{
		"../testdata/tokenizers/mistral", "../testdata/tokenizers/gptneox", "../testdata/demo/hybrid-mamba2", shared + "/llama3.1",
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if _, err := os.Stat(path); err != nil {
				t.Skipf("%s is not there", path)
			}
			a, b := load(t, path), loadGGUF(t, path)
			first, err := a.GGUF(a.Size() + 3)
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.GGUF(a.Size() + 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range SortedKeys(first) {
				if !equalValue(first[key], again[key]) {
					t.Errorf("%s changed on the way", key)
				}
			}
			if len(again) != len(first) {
				t.Errorf("%d keys became %d", len(first), len(again))
			}
			if a.Size() != b.Size() || a.BOSToken() != b.BOSToken() || a.EOSToken() != b.EOSToken() || a.ChatTemplate() != b.ChatTemplate() {
				t.Errorf("size, bos, eos or template changed: %d %q %q, then %d %q %q",
					a.Size(), a.BOSToken(), a.EOSToken(), b.Size(), b.BOSToken(), b.EOSToken())
			}
			if !slices.Equal(a.Special(), b.Special()) || !slices.Equal(a.EndOfTurn(), b.EndOfTurn()) {
				t.Errorf("special tokens changed: %q %v, then %q %v", a.Special(), a.EndOfTurn(), b.Special(), b.EndOfTurn())
			}
		})
	}
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case []string:
		b, ok := b.([]string)
		return ok && slices.Equal(a, b)
	case []int32:
		b, ok := b.([]int32)
		return ok && slices.Equal(a, b)
	case []float32:
		b, ok := b.([]float32)
		return ok && slices.Equal(a, b)
	}
	return a == b
}

// TestGGMLKeys checks field by field what ggml's own tools read.
func TestGGMLKeys(t *testing.T) {
	tok := load(t, "../testdata/tokenizers/mistral")
	kv, err := tok.GGUF(32002)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default",
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.unknown_token_id": uint32(0),
		"tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": false, "tokenizer.ggml.add_space_prefix": true,
	} {
		if kv[key] != want {
			t.Errorf("%s is %v, want %v", key, kv[key], want)
		}
	}
	tokens, types := kv["tokenizer.ggml.tokens"].([]string), kv["tokenizer.ggml.token_type"].([]int32)
	scores := kv["tokenizer.ggml.scores"].([]float32)
	if len(tokens) != 32002 || len(types) != 32002 || len(scores) != 32002 {
		t.Fatalf("%d tokens, %d types, %d scores for 32002 rows", len(tokens), len(types), len(scores))
	}
	for id, want := range map[int]struct {
		text string
		kind int32
	}{
		0: {"<unk>", typeUnknown}, 1: {"<s>", typeControl}, 3 + '\n': {"<0x0A>", typeByte}, 259: {"▁▁", typeNormal},
		32000: {"[PAD32000]", typeUnused}, 32001: {"[PAD32001]", typeUnused},
	} {
		if tokens[id] != want.text || types[id] != want.kind {
			t.Errorf("token %d is %q of type %d, want %q of type %d", id, tokens[id], types[id], want.text, want.kind)
		}
	}
	// Scores fall from the first piece that is merged; runs of spaces come behind them all.
	if !(scores[261] == 0 && scores[261] > scores[262] && scores[262] > scores[263] && scores[263] > scores[259]) {
		t.Errorf("scores of tokens 259 to 263 are %v", scores[259:264])
	}

	tok = load(t, "../testdata/tokenizers/gptneox")
	if kv, err = tok.GGUF(50304); err != nil {
		t.Fatal(err)
	}
	tokens, types = kv["tokenizer.ggml.tokens"].([]string), kv["tokenizer.ggml.token_type"].([]int32)
	if kv["tokenizer.ggml.model"] != "gpt2" || kv["tokenizer.ggml.pre"] != "gpt-2" || kv["tokenizer.ggml.add_bos_token"] != false {
		t.Errorf("model %v, pre %v, add_bos_token %v", kv["tokenizer.ggml.model"], kv["tokenizer.ggml.pre"], kv["tokenizer.ggml.add_bos_token"])
	}
	if tokens[0] != "<|endoftext|>" || types[0] != typeControl || tokens[50276] != "  " || types[50276] != typeUserDefined || types[50277] != typeUnused {
		t.Errorf("tokens 0, 50276, 50277: %q %d, %q %d, %q %d", tokens[0], types[0], tokens[50276], types[50276], tokens[50277], types[50277])
	}
	merges := kv["tokenizer.ggml.merges"].([]string)
	if merges[0] != "Ġ Ġ" {
		t.Errorf("the first merge is %q", merges[0])
	}
	if _, err := tok.GGUF(50276); err == nil {
		t.Error("an embedding with fewer rows than tokens was accepted")
	}
}

// TestForeignGGUF takes away what only our files have: ggml's keys alone must give the
// same ids, save where they cannot tell (no normalizer).
func TestForeignGGUF(t *testing.T) {
	for _, c := range []struct {
		path, pre string
		without   []string
	}{
		{"../testdata/tokenizers/mistral", "default", []string{"tokenizer.ggml.merges"}},
		{"../testdata/tokenizers/gptneox", "olmo", nil},
		{"../testdata/tokenizers/qwen3", "qwen2", nil},
		{"../testdata/tokenizers/cl100k", "dbrx", nil},
		{"../testdata/tokenizers/o200k", "gpt-4o", nil},
		{"../testdata/tokenizers/deepseek", "deepseek-v3", nil},
		{shared + "/llama3", "llama-bpe", nil},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			if _, err := os.Stat(c.path); err != nil {
				t.Skipf("%s is not there", c.path)
			}
			tok := foreign(t, load(t, c.path), c.pre, c.without...)
			for i, g := range readLines[golden](t, filepath.Join(c.path, "golden.jsonl")) {
				if got := tok.Encode(g.Text, EncodeOptions{AddSpecial: g.AddSpecial, ParseSpecial: true}); !slices.Equal(got, g.IDs) {
					t.Errorf("line %d (%s): %.60q\n got %v\nwant %v", i+1, g.Cat, g.Text, got, g.IDs)
				}
				checkDecode(t, tok, g.IDs, false, g.Decoded)
			}
			for _, g := range readLines[golden](t, filepath.Join(c.path, "decode.jsonl")) {
				checkDecode(t, tok, g.IDs, false, g.Decoded)
				checkDecode(t, tok, g.IDs, true, g.Skipped)
			}
		})
	}
}

// foreign is the tokenizer as read from a file with ggml's keys only.
func foreign(tb testing.TB, tok *Tokenizer, pre string, without ...string) *Tokenizer {
	tb.Helper()
	kv, err := tok.GGUF(tok.Size() + 3)
	if err != nil {
		tb.Fatal(err)
	}
	for _, key := range append(without, ownKey) {
		delete(kv, key)
	}
	kv["tokenizer.ggml.pre"] = pre
	got, err := FromGGUF(writeMeta(tb, kv))
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// TestPreNames: each name that is written stands for the steps it is written for.
func TestPreNames(t *testing.T) {
	for name, pre := range preSplits {
		data, err := json.Marshal(pre.preTokenizer())
		if err != nil {
			t.Fatal(err)
		}
		kv := map[string]any{
			"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": name, "tokenizer.ggml.tokens": []string{"a", "b", "ab"},
			"tokenizer.ggml.token_type": []int32{1, 1, 1}, "tokenizer.ggml.merges": []string{"a b"},
		}
		tok, err := FromGGUF(writeMeta(t, kv))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		written := preSplits[tok.preName()]
		if !slices.Equal(written.patterns, pre.patterns) || written.ignoreMerges != pre.ignoreMerges {
			t.Errorf("%s is written as %s: %s", name, tok.preName(), data)
		}
	}
	for _, c := range []struct{ path, want string }{
		{"../testdata/tokenizers/qwen3", "qwen2"}, {"../testdata/tokenizers/cl100k", "dbrx"}, {"../testdata/tokenizers/o200k", "gpt-4o"},
		{"../testdata/tokenizers/deepseek", "deepseek-v3"}, {"../testdata/tokenizers/mistral", "default"},
	} {
		if got := load(t, c.path).preName(); got != c.want {
			t.Errorf("%s is written as %s, want %s", c.path, got, c.want)
		}
	}
}

func TestBadGGUF(t *testing.T) {
	tiny := map[string]any{
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2",
		"tokenizer.ggml.tokens": []string{"a", "b", "ab"}, "tokenizer.ggml.token_type": []int32{1, 1, 1},
		"tokenizer.ggml.merges": []string{"a b"}, "tokenizer.ggml.eos_token_id": uint32(2),
	}
	if _, err := FromGGUF(writeMeta(t, tiny)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key   string
		value any // nil: taken away
		want  string
	}{
		{"tokenizer.ggml.tokens", nil, "the file has no tokenizer"},
		{"tokenizer.ggml.tokens", "a", "tokenizer.ggml.tokens"},
		{"tokenizer.ggml.tokens", []string{"a", "b"}, "token_type has 3 entries for 2 tokens"},
		{"tokenizer.ggml.tokens", []string{"a", "b", "a"}, `token "a" has two ids`},
		{"tokenizer.ggml.token_type", []int32{1, 1, 9}, "token_type of token 2 is 9"},
		{"tokenizer.ggml.token_type", []int32{1, 1, 3}, "merge 0 needs token"},
		{"tokenizer.ggml.scores", []float32{1}, "scores has 1 entries"},
		{"tokenizer.ggml.merges", nil, "tokenizer.ggml.merges is missing"},
		{"tokenizer.ggml.merges", []string{"ab"}, "merge 0 is not two tokens"},
		{"tokenizer.ggml.merges", []string{"a x"}, `needs token "x"`},
		{"tokenizer.ggml.model", "bert", `tokenizer.ggml.model "bert" is not known`},
		{"tokenizer.ggml.model", "llama", ""},
		{"tokenizer.ggml.pre", "qwen9", `tokenizer.ggml.pre "qwen9" is not known`},
		{"tokenizer.ggml.pre", uint32(1), "tokenizer.ggml.pre"},
		{"tokenizer.ggml.eos_token_id", uint32(3), "eos_token_id is 3"},
		{"tokenizer.ggml.eos_token_id", "2", "tokenizer.ggml.eos_token_id"},
		{"tokenizer.ggml.eos_token_id", ^uint32(0), ""}, // ggml's "none"
		{ownKey, "{", ownKey},
		{ownKey, "{}", "no model"},
		{ownKey, `{"model":{"type":"BPE"}}`, "model.vocab"},
		{ownKey, `{"model":{"type":"BPE","vocab":{}},"decoder":{"type":"CTC"}}`, `decoder "CTC"`},
	} {
		kv := maps.Clone(tiny)
		if kv[c.key] = c.value; c.value == nil {
			delete(kv, c.key)
		}
		_, err := FromGGUF(writeMeta(t, kv))
		checkError(t, c.key, err, c.want)
	}
}

// checkError wants an error of one line that holds want, none where want is "".
func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && err == nil:
		t.Errorf("%s: no error, want one that says %q", what, want)
	case want != "" && (!strings.Contains(err.Error(), want) || !show.Plain(err.Error()) || len(err.Error()) > 300):
		t.Errorf("%s: %q, want one line that says %q", what, err, want)
	}
}

var _ Meta = (*format.Meta)(nil)
