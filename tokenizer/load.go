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
)

// FromFiles loads the tokenizer of a Hugging Face style folder, or a tokenizer.json
// (.gz) named itself, with the tokenizer_config.json and chat_template.jinja beside it.
// The error wraps fs.ErrNotExist where there is no tokenizer.json.
func FromFiles(path string) (*Tokenizer, error) {
	dir, file := filepath.Dir(path), path
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		dir, file = path, inFolder(path)
		if file == "" {
			return nil, fmt.Errorf("%s: no tokenizer.json: %w", dir, fs.ErrNotExist)
		}
	}
	data, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	t, err := parseTokenizer(data)
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

// inFolder returns the path of the tokenizer.json in a folder, "" without one.
func inFolder(dir string) string {
	for _, name := range []string{"tokenizer.json", "tokenizer.json.gz"} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// readFile reads a file of at most limit bytes, unpacked if it is gzip.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: not gzip: %w", path, err)
		}
	}
	var b bytes.Buffer
	if st, err := f.Stat(); err == nil && r == io.Reader(f) {
		b.Grow(int(min(st.Size(), limit)) + bytes.MinRead)
	}
	_, err = b.ReadFrom(io.LimitReader(r, limit+1))
	data := b.Bytes()
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
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

// readConfig takes the chat template and the special tokens from the files beside
// tokenizer.json.
func (t *Tokenizer) readConfig(dir string) error {
	file := filepath.Join(dir, "chat_template.jinja")
	template, err := readFile(file, maxTemplate)
	hasTemplate := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t.chatTemplate = string(template)
	t.guessEnds() // once more: the template tells which token ends a turn
	file = filepath.Join(dir, "tokenizer_config.json")
	data, err := readFile(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.parseConfig(data, hasTemplate); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (t *Tokenizer) parseConfig(data []byte, hasTemplate bool) error {
	var config struct {
		BOS          json.RawMessage `json:"bos_token"`
		EOS          json.RawMessage `json:"eos_token"`
		ChatTemplate json.RawMessage `json:"chat_template"`
	}
	err := json.Unmarshal(data, &config)
	if err != nil {
		return err
	}
	if !hasTemplate {
		if t.chatTemplate, err = parseTemplate(config.ChatTemplate); err != nil {
			return fmt.Errorf("chat_template: %w", err)
		}
	}
	if err := t.parseToken(config.BOS, &t.bos); err != nil {
		return fmt.Errorf("bos_token: %w", err)
	}
	if err := t.parseToken(config.EOS, &t.eos); err != nil {
		return fmt.Errorf("eos_token: %w", err)
	}
	return nil
}

// parseTemplate takes a template written as a string or as a list of named ones.
func parseTemplate(field json.RawMessage) (string, error) {
	if len(field) == 0 || string(field) == "null" {
		return "", nil
	}
	if len(field) > maxTemplate {
		return "", fmt.Errorf("it has %d bytes; at most %d are taken", len(field), maxTemplate)
	}
	if field[0] == '"' {
		var template string
		err := json.Unmarshal(field, &template)
		return template, err
	}
	if err := atMost("it", jsonscan.Commas(field, 1)+1, maxSteps); err != nil {
		return "", err
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(field, &list); err != nil {
		return "", err
	}
	for _, named := range list {
		if named.Name == "default" {
			return named.Template, nil
		}
	}
	return "", errors.New(`none of the list is named "default"`)
}

// parseToken takes a token written as a string or as an object with its content into id;
// null says that there is none, an absent field nothing.
func (t *Tokenizer) parseToken(field json.RawMessage, id *int32) error {
	var token struct{ Content string }
	var err error
	switch {
	case len(field) == 0:
		return nil
	case string(field) == "null":
		*id = -1
		return nil
	case field[0] == '"':
		err = json.Unmarshal(field, &token.Content)
	default:
		err = json.Unmarshal(field, &token)
	}
	if err != nil {
		return err
	}
	found, ok := t.ID(token.Content)
	if !ok {
		return fmt.Errorf("%s is not in the vocabulary", quote(token.Content))
	}
	*id = found
	return nil
}

var (
	textStarts = []string{"<|begin_of_text|>", "<s>", "<bos>", "<|endoftext|>"}
	turnEnds   = []string{"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<end_of_turn>", "<|end_of_turn|>", "<|end|>"}
	textEnds   = []string{"<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>"}
)

// guessEnds finds BOS and EOS where only tokenizer.json tells of them: in the
// post-processor, else by the names that the families in use give them.
func (t *Tokenizer) guessEnds() {
	first := func(names []string, in string) int32 {
		for _, name := range names {
			if id, ok := t.added.byContent[name]; ok && strings.Contains(in, name) {
				return id
			}
		}
		return -1
	}
	if before := t.template.before; len(before) > 0 {
		t.bos = before[0]
	} else {
		t.bos = first(textStarts, strings.Join(textStarts, ""))
	}
	if after := t.template.after; len(after) > 0 {
		t.eos = after[len(after)-1]
	} else if t.eos = first(turnEnds, t.chatTemplate); t.eos < 0 {
		t.eos = first(textEnds, strings.Join(textEnds, ""))
	}
}
