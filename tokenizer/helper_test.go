package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/format"
)

// shared holds whole tokenizers: of those that are large or whose licence keeps them out
// of the repository, testdata has none, or a part with the tokens of the goldens
// (tools/tokenizers/prune.py).
const shared = "../../shared/tokenizers"

// family is a tokenizer under test: its file, and the folder of its goldens.
type family struct{ name, path, goldens string }

var families = []family{
	{"mistral", "../testdata/tokenizers/mistral", "../testdata/tokenizers/mistral"},
	{"gptneox", "../testdata/tokenizers/gptneox", "../testdata/tokenizers/gptneox"},
	{"gptneox pairs", "../testdata/tokenizers/gptneox/tokenizer.pairs.json.gz", "../testdata/tokenizers/gptneox"},
	{"qwen3 part", "../testdata/tokenizers/qwen3", "../testdata/tokenizers/qwen3"},
	{"cl100k part", "../testdata/tokenizers/cl100k", "../testdata/tokenizers/cl100k"},
	{"o200k part", "../testdata/tokenizers/o200k", "../testdata/tokenizers/o200k"},
	{"deepseek part", "../testdata/tokenizers/deepseek", "../testdata/tokenizers/deepseek"},
	{"llama3", shared + "/llama3", shared + "/llama3"},
	{"llama3.1", shared + "/llama3.1", shared + "/llama3.1"},
	{"qwen3", shared + "/qwen3", shared + "/qwen3"},
	{"cl100k", shared + "/cl100k", shared + "/cl100k"},
	{"o200k", shared + "/o200k", shared + "/o200k"},
	{"deepseek", shared + "/deepseek", shared + "/deepseek"},
}

// eachFamily runs f with every family's tokenizer, as loaded from its files and again as
// it comes back from a GGUF file.
func eachFamily(t *testing.T, f func(t *testing.T, tok *Tokenizer, fam family)) {
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			if _, err := os.Stat(fam.path); err != nil {
				t.Skipf("%s is not there: its goldens are not tested", fam.path)
			}
			t.Run("files", func(t *testing.T) { f(t, load(t, fam.path), fam) })
			t.Run("gguf", func(t *testing.T) { f(t, loadGGUF(t, fam.path), fam) })
		})
	}
}

var (
	loadMu sync.Mutex
	loaded = map[string]*Tokenizer{}
)

// load loads a tokenizer from files, once in all tests.
func load(tb testing.TB, path string) *Tokenizer {
	tb.Helper()
	return once(tb, path, func() *Tokenizer {
		tok, err := FromFiles(path)
		if err != nil {
			tb.Fatal(err)
		}
		return tok
	})
}

// loadGGUF loads a tokenizer from files, writes it into a GGUF file and reads it back.
func loadGGUF(tb testing.TB, path string) *Tokenizer {
	tb.Helper()
	tok := load(tb, path)
	return once(tb, "gguf:"+path, func() *Tokenizer {
		back, err := FromGGUF(writeGGUF(tb, tok, tok.Size()+3))
		if err != nil {
			tb.Fatal(err)
		}
		return back
	})
}

func once(tb testing.TB, key string, make func() *Tokenizer) *Tokenizer {
	tb.Helper()
	loadMu.Lock()
	defer loadMu.Unlock()
	if loaded[key] == nil {
		loaded[key] = make()
	}
	return loaded[key]
}

// writeGGUF writes the tokenizer into a file and opens that.
func writeGGUF(tb testing.TB, tok *Tokenizer, rows int) *format.Meta {
	tb.Helper()
	kv, err := tok.GGUF(rows)
	if err != nil {
		tb.Fatal(err)
	}
	return writeMeta(tb, kv)
}

func writeMeta(tb testing.TB, kv map[string]any) *format.Meta {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "tokenizer.gguf")
	w := format.NewWriter(path, false)
	w.Set("general.architecture", "llama")
	for _, key := range SortedKeys(kv) {
		w.Set(key, kv[key])
	}
	if err := w.Begin(); err != nil {
		tb.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		tb.Fatal(err)
	}
	f, err := format.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f.KV()
}

// readLines reads a file of one JSON object a line.
func readLines[T any](tb testing.TB, path string) []T {
	tb.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		path += ".gz"
		f, err = os.Open(path)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			tb.Fatal(err)
		}
	}
	var out []T
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
	if err := lines.Err(); err != nil || len(out) == 0 {
		tb.Fatalf("%s: %d lines, %v", path, len(out), err)
	}
	return out
}
