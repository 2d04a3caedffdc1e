//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// bomb is a file with a larger count than any model needs. mil says so, within
// its limits of memory and time.
type bomb struct {
	file string // in a folder of a good checkpoint
	data func() []byte
	call string // as in a target
	want string // in the error; "" for success
}

// bombs are files of absurd counts, and some that are just within the limits.
func bombs(a *abuse) {
	many := a.some(1, 3) // times what is too much
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, strconv.FormatInt(int64(i), 36))
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	bpe := func(inside string) func() []byte {
		return func() []byte { return []byte(`{"model":{"type":"BPE",` + inside + `}}`) }
	}
	repeat := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s, n), ",") }
	tokens := func(n int, kind byte) []byte {
		list := make([]string, n)
		for i := range list {
			list[i] = "<u" + strconv.FormatInt(int64(i), 36) + ">"
		}
		return vocabulary(list, kind)
	}
	const tokenize, convert = "tokenize DIR x", "convert DIR -o OUT"
	for i, b := range []bomb{
		{"x.gguf", func() []byte { return tokens(many*2200000, 4) }, "tokenize DIR/x.gguf x", "strings of key tokenizer.ggml.tokens; at most 2097152"},
		{"x.gguf", func() []byte { return tokens(1100000, 4) }, "tokenize DIR/x.gguf x", "tokenizer.ggml.tokens has 1100000 entries; at most 1048576"},
		{"x.gguf", func() []byte { return tokens(300000, 4) }, "tokenize DIR/x.gguf x", "more than 262144"},
		{"x.gguf", func() []byte { return tokens(260000, 4) }, "tokenize DIR/x.gguf x", ""},
		{"x.gguf", func() []byte { return tokens(1<<20, 1) }, "tokenize DIR/x.gguf x", ""},
		{"x.gguf", func() []byte { return vocabulary(dense(18), 1) }, "tokenize DIR/x.gguf x", "more than 4194304 merges"},
		{"x.gguf", func() []byte { return gguf("xyz.", 70000) }, "verify DIR/x.gguf", "70000 metadata keys; at most 65536"},
		{"tokenizer.json", bpe(`"vocab":{"a":0,"aa":1},"merges":[` + repeat(many*6000000, `"a a",`) + "]"), tokenize, "model.merges has " + strconv.Itoa(many*6000000)},
		{"tokenizer.json", bpe(`"vocab":{"a":0,"aa":1},"merges":[` + repeat(many*3000000, `["a","a"],`) + "]"), tokenize, "model.merges has"},
		{"tokenizer.json", bpe(`"vocab":{` + repeat(many*2000000, `"a":0,`) + `},"merges":[]`), tokenize, "model.vocab has"},
		{"tokenizer.json", func() []byte { return []byte("{" + numbered(many*2000000, `"%s":1,`) + "}") }, tokenize, "keys; at most 1024"},
		{"tokenizer.json", bpe(`"vocab":{"a":0},"merges":[]},"added_tokens":[` + repeat(many*1000000, "{},") + `],"x":{`), tokenize, "added tokens; at most 262144"},
		{"tokenizer.json.gz", func() []byte { return packed(make([]byte, 256<<20)) }, tokenize, "larger than 128 MiB"},
		{"tokenizer_config.json", func() []byte { return []byte("{" + numbered(many*1000000, `"%s":1,`) + "}") }, tokenize, "keys; at most"},
		{"config.json", func() []byte { return []byte("{" + numbered(1000000, `"%s":1,`) + "}") }, convert, "keys; at most"},
		{"config.json", func() []byte { return bytes.Repeat([]byte(" "), 17<<20) }, convert, "at most 16777216"},
		{"model.safetensors.index.json", func() []byte { return []byte(`{"weight_map":{` + numbered(many*1700000, `"%s":"x",`) + "}}") }, convert, "keys; at most 262144"},
		{"model.safetensors", func() []byte {
			head := "{" + numbered(many*500000, `"%s":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`) + "}"
			return append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)
		}, convert, "keys; at most 262145"},
		{"pytorch_model.bin", func() []byte { return directory(many * 150000) }, convert, "its directory has more than 16777216 bytes"},
	} {
		if i%a.some(3, 1) == 0 {
			a.explode(b)
		}
	}
}

// explode puts one file into a checkpoint and makes mil read it.
func (a *abuse) explode(b bomb) {
	dir := filepath.Join(a.dir, "bomb")
	must(0, os.RemoveAll(dir))
	must(0, os.CopyFS(dir, os.DirFS(filepath.Join(a.data, "fixtures", "llama"))))
	switch { // what would be read before
	case strings.HasSuffix(b.file, ".gz"):
		os.Remove(filepath.Join(dir, "tokenizer.json"))
	case b.file == "model.safetensors.index.json", b.file == "pytorch_model.bin":
		os.Remove(filepath.Join(dir, "model.safetensors"))
	}
	data := b.data()
	file(b.file)(dir, data)
	a.count++
	t := &target{name: "bomb", wrong: func(_ mutation, _ string, o outcome) string {
		if b.want == "" && o.code != 0 || b.want != "" && (o.code != 1 || !strings.Contains(o.err, b.want)) {
			return fmt.Sprintf("want %q", b.want)
		}
		return ""
	}}
	if wrong, o := a.mutated(t, mutation{}, dir, b.call); wrong != "" {
		a.fail("%s of %d bytes: mil %s: %s; %v", b.file, len(data), b.call, wrong, o)
	}
}

// gguf is a file of that many keys and no tensors.
func gguf(key string, keys int) []byte {
	b := header(keys)
	for i := range keys {
		b = appendText(b, key+strconv.Itoa(i))
		b = append(b, 0, 0, 0, 0, 1) // a uint8
	}
	return b
}

// vocabulary is a file of these tokens, each of that type, and no tensors.
func vocabulary(tokens []string, kind byte) []byte {
	b := appendText(header(4), "tokenizer.ggml.model")
	b = appendText(append(b, 8, 0, 0, 0), "llama")
	list := func(key string, kind byte) {
		b = append(appendText(b, key), 9, 0, 0, 0, kind, 0, 0, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(tokens)))
	}
	list("tokenizer.ggml.tokens", 8)
	for _, t := range tokens {
		b = appendText(b, t)
	}
	list("tokenizer.ggml.token_type", 0)
	b = append(b, bytes.Repeat([]byte{kind}, len(tokens))...)
	list("tokenizer.ggml.scores", 6)
	return append(b, make([]byte, 4*len(tokens))...)
}

func header(keys int) []byte {
	b := append([]byte("GGUF"), 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(keys))
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// dense are all texts of up to n letters a and b: all splits of each are tokens.
func dense(n int) (list []string) {
	for length := 1; length <= n; length++ {
		for i := range 1 << length {
			b := make([]byte, length)
			for j := range b {
				b[j] = 'a' + byte(i>>j&1)
			}
			list = append(list, string(b))
		}
	}
	return list
}

func packed(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write(data))
	must(0, w.Close())
	return b.Bytes()
}

// directory is a zip archive of n empty entries.
func directory(n int) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range n {
		must(w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("m/%0100d", i)}))
	}
	must(0, w.Close())
	return b.Bytes()
}
