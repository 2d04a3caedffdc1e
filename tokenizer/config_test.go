package tokenizer

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
)

// folder is a tokenizer.json of three tokens with other files beside it.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "tokenizer.json", `{"added_tokens":[{"id":2,"content":"<s>","special":true},{"id":3,"content":"</s>","special":true},{"id":4,"content":"<pad>","special":true}],
		"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}`)
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

// TestSpecialTokens takes the named special tokens from wherever they stand, and
// gives templates all of them, also from a model file.
func TestSpecialTokens(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  map[string]any
	}{
		"the map alone": {map[string]string{"special_tokens_map.json": `{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":"<pad>"}`},
			map[string]any{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}},
		"the config wins": {map[string]string{"tokenizer_config.json": `{"bos_token":"a","eos_token":null}`, "special_tokens_map.json": `{"bos_token":"<s>","eos_token":"</s>","unk_token":"b"}`},
			map[string]any{"bos_token": "a", "unk_token": "b"}},
		"further ones": {map[string]string{"tokenizer_config.json": `{"additional_special_tokens":["<s>",{"content":"b"}],"cls_token":"a","sep_token":"b","mask_token":"a","model_max_length":Infinity}`},
			map[string]any{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "a", "sep_token": "b", "mask_token": "a", "additional_special_tokens": []string{"<s>", "b"}}},
		"an old map": {map[string]string{"special_tokens_map.json": `{"eos_token":"<|gone|>","pad_token":"<pad>"}`},
			map[string]any{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}},
	} {
		t.Run(name, func(t *testing.T) {
			tok, err := FromFiles(folder(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Named(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			back, err := FromGGUF(writeGGUF(t, tok, tok.Size()))
			if err != nil {
				t.Fatal(err)
			}
			if got := back.Named(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("from a model file %v, want %v", got, c.want)
			}
		})
	}
	_, err := FromFiles(folder(t, map[string]string{"tokenizer_config.json": `{"bos_token":"<|gone|>"}`}))
	checkError(t, "bos", err, `tokenizer_config.json: bos_token: "<|gone|>" is not in the vocabulary`)
}

// TestTemplates takes one of a list of templates, and an old processor's file.
func TestTemplates(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"default":      {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"}]}`}, "d"},
		"no default":   {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"tool_use","template":"t"},{"name":"chat","template":"c"}]}`}, "c"},
		"tools alone":  {map[string]string{"tokenizer_config.json": `{"chat_template":[{"name":"tool_use","template":"t"}]}`}, "t"},
		"empty list":   {map[string]string{"tokenizer_config.json": `{"chat_template":[]}`}, ""},
		"json":         {map[string]string{"chat_template.json": `{"chat_template":"j"}`}, "j"},
		"config first": {map[string]string{"chat_template.json": `{"chat_template":"j"}`, "tokenizer_config.json": `{"chat_template":"c"}`}, "c"},
		"jinja first":  {map[string]string{"chat_template.jinja": "x", "tokenizer_config.json": `{"chat_template":"c"}`}, "x"},
	} {
		tok, err := FromFiles(folder(t, c.files))
		if err != nil {
			t.Fatal(name, err)
		}
		if got := tok.ChatTemplate(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestPointers names git-lfs pointers in the place of every file.
func TestPointers(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9085657\n"
	for _, file := range []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json"} {
		_, err := FromFiles(folder(t, map[string]string{file: pointer}))
		checkError(t, file, err, file+": a git-lfs pointer")
	}
	dir := t.TempDir()
	write(t, dir, "tokenizer.json.gz", pointer)
	_, err := FromFiles(dir)
	checkError(t, "gz", err, "tokenizer.json.gz: a git-lfs pointer")
}

// TestUnknownOfAnyType reads files in which <unk> is of any type as the one in which
// its type is "unknown".
func TestUnknownOfAnyType(t *testing.T) {
	open := func(path string) *Tokenizer {
		f, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		tok, err := FromGGUF(f.KV())
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	want := open("../testdata/cases/unk-unknown.gguf")
	got := open("../testdata/cases/unk-control.gguf")
	for _, text := range []string{"Hi", "é\u2603", "<unk>"} {
		o := EncodeOptions{AddSpecial: true, ParseSpecial: true}
		if a, b := got.Encode(text, o), want.Encode(text, o); !slices.Equal(a, b) {
			t.Errorf("%q is %v, want %v", text, a, b)
		}
	}
	f, err := format.Open("../testdata/cases/unk-unknown.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for kind := int32(1); kind <= 6; kind++ {
		kv := map[string]any{}
		for _, k := range f.KV().Keys() {
			if v, ok := f.KV().Raw(k); ok && strings.HasPrefix(k, "tokenizer.") {
				kv[k] = v
			}
		}
		types := slices.Clone(kv["tokenizer.ggml.token_type"].([]int32))
		types[0] = kind
		kv["tokenizer.ggml.token_type"] = types
		delete(kv, "tokenizer.ggml.unknown_token_id") // ggml takes token 0
		tok, err := FromGGUF(writeMeta(t, kv))
		if err != nil {
			t.Fatalf("type %d: %v", kind, err)
		}
		if a, b := tok.Encode("Hi", EncodeOptions{}), want.Encode("Hi", EncodeOptions{}); !slices.Equal(a, b) {
			t.Errorf("type %d: %v, want %v", kind, a, b)
		}
	}
}

// TestNoPre reads files without tokenizer.ggml.pre as those of their family.
func TestNoPre(t *testing.T) {
	for path, nfc := range map[string]bool{"../testdata/demo/hybrid-mamba2": false, "../testdata/tokenizers/gptneox": true} {
		if _, err := os.Stat(filepath.Join(path)); err != nil {
			t.Fatal(err)
		}
		tok := load(t, path)
		for _, pre := range []any{nil, "default"} {
			kv, err := tok.GGUF(tok.Size())
			if err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(kv, func(k string, _ any) bool { return strings.HasPrefix(k, "mil.") || k == "tokenizer.ggml.pre" })
			if pre != nil {
				kv["tokenizer.ggml.pre"] = pre
			}
			back, err := FromGGUF(writeMeta(t, kv))
			if err != nil {
				t.Fatal(path, err)
			}
			for _, text := range []string{"It's 12345 o'clock,\n\n  and WE'RE late!!", "caf\u0065\u0301"} {
				if a, b := back.Encode(text, EncodeOptions{}), tok.Encode(text, EncodeOptions{}); !slices.Equal(a, b) && (nfc || !strings.Contains(text, "\u0301")) {
					t.Errorf("%s, %v: %q is %v, want %v", path, pre, text, a, b)
				}
			}
		}
	}
}
