package tokenizer

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proto writes fields of a protocol buffer.
type proto []byte

func (p proto) number(field int, n uint64) proto {
	return binary.AppendUvarint(binary.AppendUvarint(p, uint64(field)<<3), n)
}

func (p proto) float(field int, f float32) proto {
	return binary.LittleEndian.AppendUint32(binary.AppendUvarint(p, uint64(field)<<3|5), math.Float32bits(f))
}

func (p proto) bytes(field int, b []byte) proto {
	return append(binary.AppendUvarint(binary.AppendUvarint(p, uint64(field)<<3|2), uint64(len(b))), b...)
}

// sentencePieceOf writes a tokenizer as SentencePiece does.
func sentencePieceOf(t *testing.T, tok *Tokenizer, trainer, normalizer proto) []byte {
	t.Helper()
	kv, err := tok.GGUF(tok.Size())
	if err != nil {
		t.Fatal(err)
	}
	var file proto
	tokens, types := kv["tokenizer.ggml.tokens"].([]string), kv["tokenizer.ggml.token_type"].([]int32)
	for id, score := range kv["tokenizer.ggml.scores"].([]float32) {
		p := proto(nil).bytes(1, []byte(tokens[id])).float(2, score)
		if types[id] != typeNormal {
			p = p.number(3, uint64(types[id]))
		}
		file = file.bytes(1, p)
	}
	return file.bytes(2, trainer).bytes(3, normalizer)
}

var (
	bpeTrainer = proto(nil).number(3, 2).number(35, 1)
	identity   = proto(nil).bytes(1, []byte("identity")).number(4, 0)
)

// TestSentencePiece reads Mistral's tokenizer from a tokenizer.model alone.
func TestSentencePiece(t *testing.T) {
	const from = "../testdata/tokenizers/mistral"
	dir := t.TempDir()
	write(t, dir, "tokenizer.model", string(sentencePieceOf(t, load(t, from), bpeTrainer, identity)))
	if !Exists(dir) {
		t.Error("the folder's tokenizer is not seen")
	}
	config, err := os.ReadFile(filepath.Join(from, "tokenizer_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "tokenizer_config.json", string(config))
	tok, err := FromFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	back, err := FromGGUF(writeGGUF(t, tok, tok.Size()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range []*Tokenizer{tok, back} {
		for i, g := range readLines[golden](t, filepath.Join(from, "golden.jsonl")) {
			if got := tok.Encode(g.Text, EncodeOptions{AddSpecial: g.AddSpecial, ParseSpecial: true}); !slices.Equal(got, g.IDs) {
				t.Errorf("line %d (%s): %.60q\n got %v\nwant %v", i+1, g.Cat, g.Text, got, g.IDs)
			}
			checkDecode(t, tok, g.IDs, false, g.Decoded)
		}
		for _, g := range readLines[golden](t, filepath.Join(from, "decode.jsonl")) {
			checkDecode(t, tok, g.IDs, false, g.Decoded)
			checkDecode(t, tok, g.IDs, true, g.Skipped)
		}
	}
}

// TestSentencePieceBeside: what other files add to a tokenizer.model.
func TestSentencePieceBeside(t *testing.T) {
	tok := load(t, "../testdata/tokenizers/mistral")
	dir := t.TempDir()
	trimmed := proto(nil).bytes(1, []byte("identity"))
	write(t, dir, "tokenizer.model", string(sentencePieceOf(t, tok, bpeTrainer, trimmed)))
	write(t, dir, "tokenizer_config.json", `{"add_bos_token":false,"add_eos_token":true,"eos_token":"<|im_end|>",
		"added_tokens_decoder":{"1":{"content":"<s>","special":true},"32000":{"content":"<|im_end|>","special":true}}}`)
	write(t, dir, "added_tokens.json", `{"<|im_start|>":32001}`)
	got, err := FromFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	hello := tok.Encode("Hello there", EncodeOptions{})
	want := slices.Concat([]int32{32001}, hello, []int32{32000, 2})
	if ids := got.Encode("<|im_start|>  Hello   there <|im_end|>", EncodeOptions{AddSpecial: true, ParseSpecial: true}); !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	if got.EOSToken() != "<|im_end|>" || got.Size() != 32002 {
		t.Errorf("eos %q, size %d", got.EOSToken(), got.Size())
	}
	checkPlain(t, got, "<|im_start|><s>", got.Encode("<|im_start|><s>", EncodeOptions{}))
}

// TestBadSentencePiece: the answer is a tokenizer or one clear line.
func TestBadSentencePiece(t *testing.T) {
	one := proto(nil).bytes(1, proto(nil).bytes(1, []byte("a")))
	ids := proto(nil).number(3, 2).number(40, 0).number(41, ^uint64(0)).number(42, ^uint64(0))
	good := one.bytes(2, ids).bytes(3, identity)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"good":       {good, ""},
		"nothing":    {nil, `model type Unigram`},
		"unigram":    {one.bytes(2, proto(nil).number(3, 1)), "model type Unigram is not known (known: BPE)"},
		"word":       {one.bytes(2, proto(nil).number(3, 3)), "model type word"},
		"other":      {one.bytes(2, proto(nil).number(3, 99)), "model type 99"},
		"no tokens":  {proto(nil).bytes(2, ids), "no tokens"},
		"far id":     {one.bytes(2, proto(nil).number(3, 2).number(41, 77)), "with id 77"},
		"table":      {one.bytes(2, ids).bytes(3, proto(nil).bytes(1, []byte("nmt_nfkc")).bytes(2, []byte("x"))), `normalizer "nmt_nfkc"`},
		"suffix":     {one.bytes(2, ids.number(24, 1)), "treat_whitespace_as_suffix"},
		"no marks":   {one.bytes(2, ids).bytes(3, proto(nil).number(5, 0)), "escape_whitespaces"},
		"type":       {proto(nil).bytes(1, proto(nil).bytes(1, []byte("a")).number(3, 9)).bytes(2, ids), "is 9"},
		"not UTF-8":  {proto(nil).bytes(1, proto(nil).bytes(1, []byte("\xff"))).bytes(2, ids), "not UTF-8"},
		"twice":      {slices.Concat(one, good), "has two ids"},
		"cut":        {good[:len(good)-1], "ends within a field"},
		"long":       {append(slices.Clone(good), 0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f), "ends within a field"},
		"wire":       {append(slices.Clone(good), 0x0b), "a field of kind 3"},
		"field zero": {append(slices.Clone(good), 0x00), "a field without a number"},
		"many":       {[]byte(strings.Repeat("\x0a\x00", maxTokens+1)), "more than 1048576 tokens"},
	} {
		_, err := parseSentencePiece(c.file, t.TempDir())
		checkError(t, name, err, c.want)
	}
	for n := range good {
		whole := n == len(one.bytes(2, ids)) // but for what may be missing
		if _, err := parseSentencePiece(good[:n], t.TempDir()); (err == nil) != whole {
			t.Errorf("%d of %d bytes: %v", n, len(good), err)
		}
	}
}

// FuzzSentencePiece: a tokenizer.model gives one line of error or a tokenizer that works.
func FuzzSentencePiece(f *testing.F) {
	ids := proto(nil).number(3, 2).number(40, 0).number(41, ^uint64(0)).number(42, ^uint64(0))
	var file proto
	for i, text := range []string{"<unk>", "a", "b", "ab", "\u2581", "<0x41>"} {
		p := proto(nil).bytes(1, []byte(text)).float(2, float32(-i))
		if kind, ok := map[string]uint64{"<unk>": typeUnknown, "<0x41>": typeByte}[text]; ok {
			p = p.number(3, kind)
		}
		file = file.bytes(1, p)
	}
	f.Add([]byte(file.bytes(2, ids).bytes(3, identity)))
	f.Add([]byte(file.bytes(2, ids)))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := parseSentencePiece(data, t.TempDir())
		if err != nil {
			oneLine(t, err)
			return
		}
		exercise(t, tok)
	})
}
