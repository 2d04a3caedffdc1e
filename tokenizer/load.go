package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/lfs"
	"github.com/mil-run/mil/internal/pyjson"
)

// FromFiles loads the tokenizer of a Hugging Face style folder, or a tokenizer.json
// (.gz) or tokenizer.model named itself, with the chat template and the files of special
// tokens beside it. A tokenizer.json comes before a tokenizer.model. The error wraps
// fs.ErrNotExist where there is neither.
func FromFiles(path string) (*Tokenizer, error) {
	dir, file := filepath.Dir(path), path
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		dir, file = path, inFolder(path)
		if file == "" {
			return nil, fmt.Errorf("%s: no tokenizer.json or tokenizer.model: %w", dir, fs.ErrNotExist)
		}
	}
	data, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	var t *Tokenizer
	if strings.HasSuffix(file, ".model") {
		t, err = parseSentencePiece(data, dir)
	} else {
		t, err = parseTokenizer(pyjson.Clean(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := t.readConfig(dir); err != nil {
		return nil, err
	}
	return t, nil
}

// Exists reports whether a folder holds a tokenizer that FromFiles reads.
func Exists(dir string) bool { return inFolder(dir) != "" }

// inFolder returns the path of the tokenizer in a folder, "" without one.
func inFolder(dir string) string {
	for _, name := range []string{"tokenizer.json", "tokenizer.json.gz", "tokenizer.model"} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// readFile reads a file of at most limit bytes, unpacked if it is gzip.
func readFile(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path) // before opening, which would wait on a pipe
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := lfs.CheckReader(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	open := func() (io.Reader, error) { return f, nil }
	size := st.Size()
	if strings.HasSuffix(path, ".gz") {
		open = func() (io.Reader, error) {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
			z, err := gzip.NewReader(f)
			if err != nil {
				return nil, fmt.Errorf("not gzip: %w", err)
			}
			return io.LimitReader(z, limit+1), nil
		}
		size, err = length(open) // what is too long takes no memory
	}
	if err == nil && size > limit {
		err = fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r, err := open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	_, err = b.ReadFrom(io.LimitReader(r, limit+1))
	data := b.Bytes()
	if err == nil && int64(len(data)) > limit { // it grew
		err = fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// length reads to the end.
func length(open func() (io.Reader, error)) (int64, error) {
	r, err := open()
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, r)
}

// parseTokenizer builds a tokenizer from tokenizer.json alone.
func parseTokenizer(data []byte) (*Tokenizer, error) {
	spec, err := parseSpecification(data)
	if err != nil {
		return nil, err
	}
	d := &definition{spec: spec}
	if d.text, d.kind, err = parseVocab(spec.model["vocab"]); err != nil {
		return nil, err
	}
	if d.merges, err = parseMerges(spec.model["merges"]); err != nil {
		return nil, err
	}
	// Only the small rest is kept, and not the file it lies in.
	delete(spec.fields, "model")
	delete(spec.fields, "truncation")
	delete(spec.fields, "padding")
	delete(spec.model, "vocab")
	delete(spec.model, "merges")
	for _, fields := range []map[string]json.RawMessage{spec.fields, spec.model} {
		for k, v := range fields {
			fields[k] = bytes.Clone(v)
		}
	}
	t, err := d.build()
	if err != nil {
		return nil, err
	}
	t.guessEnds()
	return t, nil
}

func parseVocab(field json.RawMessage) ([]string, []tokenKind, error) {
	var vocab map[string]int64
	if field == nil {
		return nil, nil, errors.New("model has no vocab")
	}
	if err := atMost("model.vocab", jsonscan.Commas(field, 1)+1, maxTokens); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(field, &vocab); err != nil {
		return nil, nil, fmt.Errorf("model.vocab: %w", err)
	}
	size := int64(0)
	for token, id := range vocab {
		if id < 0 || id >= maxSparse(len(vocab)) {
			return nil, nil, fmt.Errorf("model.vocab: token %s has id %d, of %d tokens", quote(token), id, len(vocab))
		}
		size = max(size, id+1)
	}
	text, kind := make([]string, size), make([]tokenKind, size)
	for token, id := range vocab {
		if kind[id] != kindUnused {
			return nil, nil, fmt.Errorf("model.vocab: id %d belongs to two tokens, %s and %s", id, quote(min(text[id], token)), quote(max(text[id], token)))
		}
		text[id], kind[id] = token, kindModel
	}
	return text, kind, nil
}

// parseMerges takes both layouts: "a b" and ["a","b"].
func parseMerges(field json.RawMessage) (*mergeList, error) {
	var list mergeList
	n := jsonscan.Commas(field, 1) + 1
	if err := atMost("model.merges", n, maxMerges); err != nil {
		return nil, err
	}
	inner := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimSpace(field), []byte("[")), " \t\r\n")
	if bytes.HasPrefix(inner, []byte("[")) {
		var pairs [][]string
		if err := atMost("model.merges", jsonscan.Commas(field, 2), 2*maxMerges); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(field, &pairs); err != nil {
			return nil, fmt.Errorf("model.merges: %w", err)
		}
		list = mergePairs(pairs)
	} else {
		var lines []string
		if field == nil {
			return nil, errors.New("model has no merges")
		}
		if err := json.Unmarshal(field, &lines); err != nil {
			return nil, fmt.Errorf("model.merges: %w", err)
		}
		list = mergeLines(lines)
	}
	return &list, nil
}
